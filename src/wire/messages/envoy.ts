/** Envoys: their shard, their machine, and what they are to run. M1–M3: src/wire/messages.ts. */
import { z } from "zod";
import { review, uploaded } from "./experiment.ts";
import { count, digest, name, time, wireError } from "./form.ts";

export const shape = z.array(z.int().positive());

export const shardInfo = z.object({
  v: z.literal(1),
  /** which process it is: two of one name are told apart by it */
  instance: name.optional(),
  description: z.string(),
  sample_shape: shape,
  target_shape: shape,
});
export type ShardInfo = z.infer<typeof shardInfo>;

export const registered = z.object({
  accepted: z.boolean(),
  period_ms: z.int().positive(),
  error: wireError.optional(),
});
export type Registered = z.infer<typeof registered>;

/** What a device monitor reports. Fractions are 0 to 1. */
export const deviceReport = z.object({
  at: time,
  cpu: z.object({ count: z.int(), load: z.number(), model: z.string() }),
  memory: z.object({ total: count, free: count }),
  /** the file system that workspaces are opened in; null if that is not known */
  disk: z.object({ total: count, free: count }).nullable().default(null),
  gpus: z.array(
    z.object({
      index: count,
      name: z.string(),
      memory_total: count,
      memory_used: count,
      utilisation: z.number(),
      driver: z.string(),
      cuda: z.string().default(""),
    }),
  ),
});
export type DeviceReport = z.infer<typeof deviceReport>;

export const running = z.object({
  experiment: name,
  state: z.enum(["reviewing", "starting", "running", "restarting", "failed"]),
});

export const heartbeat = z.object({
  v: z.literal(1),
  instance: name.optional(),
  report: deviceReport.nullable(),
  running: z.array(running),
});
export type Heartbeat = z.infer<typeof heartbeat>;

/**
 * `known: false` asks the envoy to register again, unless there is an `error`: to a Director with an empty store, or where
 * another has its name.
 */
export const heartbeatReply = z.object({
  known: z.boolean(),
  period_ms: z.int().positive(),
  error: wireError.optional(),
});
export type HeartbeatReply = z.infer<typeof heartbeatReply>;

/** What the Director keeps of an envoy. Heartbeats stay in its memory. */
export const envoyRecord = z.object({ ...shardInfo.shape, name, registered_at: time });
export type EnvoyRecord = z.infer<typeof envoyRecord>;

/**
 * What an envoy is to run now. An experiment that is not in the list any more has ended or is paused: stop its collaborator.
 * One of another attempt is run anew.
 */
export const assignmentRecord = z.object({
  v: z.literal(1),
  experiments: z.array(
    z.object({
      name,
      owner: name,
      attempt: count.default(1),
      archive: uploaded,
      plan: z.record(z.string(), z.unknown()),
      plan_digest: digest.optional(),
      /** `review`: decide about it and tell the Director; `run`: all have approved */
      phase: z.enum(["review", "run"]).default("run"),
    }),
  ),
});
export type AssignmentRecord = z.infer<typeof assignmentRecord>;

/** Said when it is stored; see roundNews. */
export const assignedNews = z.object({ revision: count, record: assignmentRecord });

export const archivePull = z.object({ experiment: name, index: count });

/** What the Director has recorded of an envoy's reviews. */
export const reviewRecorded = z.object({ review: review.nullable(), error: wireError.optional() });

/** An envoy cannot run an experiment's collaborator. */
export const envoyFailed = z.object({ error: wireError });
export type EnvoyFailed = z.infer<typeof envoyFailed>;
