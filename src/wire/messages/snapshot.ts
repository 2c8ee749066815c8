/** What is kept of an actor that outlives its process. M1–M3: src/wire/messages.ts. */
import { z } from "zod";

/** A persisted actor: which machine, which process owns it, and XState's snapshot. */
export const snapshot = z.object({ v: z.literal(1), machine: z.string(), owner: z.string(), snapshot: z.unknown() });
export type SnapshotRecord = z.infer<typeof snapshot>;
