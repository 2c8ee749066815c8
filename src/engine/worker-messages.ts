/**
 * What a worker may say (docs/worker-protocol.md), as schemas: everything from it is read through them.
 *
 * WM1 Unknown fields are dropped, so that a newer worker may say more; what is missing or of another kind is refused.
 */
import { z } from "zod";
import type { codes } from "../errors.ts";

export const PROTOCOL = 1;

const text = z.string().max(1024);
const count = z.int().nonnegative();
const shape = z.array(z.int().positive()).max(8);

/** Codes that are a worker's to give; any other is a fault of its own. */
const given = [
  ...([
    "FL_WORKSPACE_INVALID",
    "FL_SHARD_INVALID",
    "FL_SHARD_FAILED",
    "FL_ENGINE_UNAVAILABLE",
    "FL_PLAN_INVALID",
  ] as const),
  ...(["FL_TASK_UNKNOWN", "FL_TASK_FAILED", "FL_UPDATE_RANGE", "FL_CANCELLED", "FL_NOT_FOUND", "FL_STATE"] as const),
] as const satisfies readonly (keyof typeof codes)[];

const failure = z.object({
  code: z.enum(given).catch("FL_TASK_FAILED"),
  reason: z.string().transform((said) => said.slice(0, 4_000)),
  traceback: z.string().optional(),
  /** the module that an import did not find */
  missing: text.optional(),
});
export type WorkerFailure = z.output<typeof failure>;

export const said = z.discriminatedUnion("type", [
  z.object({ type: z.literal("hello"), v: z.int(), worker: text }),
  z.object({ type: z.literal("alive") }),
  z.object({ type: z.literal("progress"), done: count, total: count }),
  z.object({ type: z.literal("chunk") }),
  z.looseObject({ type: z.literal("reply"), id: count, error: failure.optional() }),
]);
export type Said = z.output<typeof said>;

export const nothing = z.object({});

export const inspected = z.object({ own: z.array(text).default([]) });

export const opened = z.object({
  engine: text,
  runtime: text.default(""),
  device: z.enum(["cpu", "gpu"]).default("cpu"),
  tensors: z.array(z.object({ name: z.string(), shape: z.array(count) })).min(1),
  paths: z.array(text).optional(),
  own: z.array(text).default([]),
});
export type Opened = z.output<typeof opened>;

export const described = z.object({
  description: z.string().min(1).max(1024),
  sample_shape: shape,
  target_shape: shape,
});

const held = z.object({
  size: z.int().positive(),
  scale: z.number(),
  samples: z.enum(["f32", "u8"]),
  sample_values: count,
  targets: z.enum(["f32", "i32", "u8"]),
  target_values: count,
});
export type Held = z.output<typeof held>;
export const loaded = z.object({ ...described.shape, train: held, validation: held });

export const ran = z.object({
  /** not-a-number is a number here, and a failed task to whoever asked */
  metrics: z.record(text, z.union([z.number(), z.nan(), z.literal([Infinity, -Infinity])])).default({}),
  changed: z.boolean().default(true),
});
