/**
 * An address that means this very process: who has it shares a world in memory (src/memory/worlds.ts) with everybody else here,
 * and what it starts has to run here too.
 */
const HERE = "memory:";

export const isHere = (address: unknown): boolean => typeof address === "string" && address.startsWith(HERE);
export const addressHere = (id: number): string => `${HERE}${id}`;
