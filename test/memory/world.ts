/** A fresh memory world for each test. */
import { silentLog } from "../../src/log.ts";
import { memoryWorld } from "../../src/memory/ports.ts";
import type { MakeWorld } from "../contract/world.ts";

export const makeWorld: MakeWorld = async () => {
  const world = memoryWorld({ log: silentLog });
  return { unique: "test", connect: async (name) => ({ bus: world.bus(name), store: world.store }) };
};
