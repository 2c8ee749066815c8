/** Requests to the Director, from owners and whoever looks on. M1–M3: src/wire/messages.ts. */
import { z } from "zod";
import { tensorSpec } from "../../tensor/layout.ts";
import { deviceReport, running, shape } from "./envoy.ts";
import { experimentRecord, modelRef, uploaded } from "./experiment.ts";
import { count, name, time, wireError } from "./form.ts";
import { event, metric } from "./ledger.ts";
import { progress, roundRecord } from "./round.ts";

/** Why an experiment has not started: what runs before it, or who is not there. */
export const waiting = z.object({
  /** in words that go on from "it waits for" */
  reason: z.string(),
  for: z.array(name),
  ahead: z.array(name),
});
export type Waiting = z.infer<typeof waiting>;

export const which = z.strictObject({ experiment: name });

export const status = z.object({
  experiment: experimentRecord,
  progress: progress.nullable(),
  waiting: waiting.nullable().default(null),
  /** its round record; null before the first round */
  round: roundRecord.nullable().default(null),
});
export type Status = z.infer<typeof status>;

export const statusReply = z.object({ status: status.optional(), error: wireError.optional() });

export const acknowledged = z.object({ ok: z.boolean(), error: wireError.optional() });
export type Acknowledged = z.infer<typeof acknowledged>;

export const envoyStatus = z.object({
  name,
  online: z.boolean(),
  description: z.string(),
  sample_shape: shape,
  target_shape: shape,
  registered_at: time,
  seen_at: time.nullable(),
  /** for how long a sign of life counts */
  valid_ms: count,
  /** what it is at, if anything; another owner's experiment is null here */
  running: z.array(z.object({ experiment: name.nullable(), state: running.shape.state })),
  report: deviceReport.nullable(),
});
export type EnvoyStatus = z.infer<typeof envoyStatus>;

export const envoysReply = z.object({ envoys: z.array(envoyStatus), error: wireError.optional() });

/** `round` is one that the plan's `checkpoints` have kept, by its number. */
export const modelQuery = z.strictObject({
  experiment: name,
  which: z.enum(["best", "last", "round"]),
  round: count.optional(),
});
export type ModelQuery = z.infer<typeof modelQuery>;

/** Which model it is: a file once the experiment has ended, or if its round is kept, what entered a round before. Its chunks are given by `give`. */
export const modelReply = z.object({
  object: z.string().optional(),
  ref: modelRef.optional(),
  specs: z.array(tensorSpec).optional(),
  /** rounds of training that are in it */
  rounds: count.optional(),
  archive: uploaded.optional(),
  plan: z.record(z.string(), z.unknown()).optional(),
  error: wireError.optional(),
});
export type ModelReply = z.infer<typeof modelReply>;

/**
 * `best` and `last` are files of an experiment that has ended, `kept` is that of a kept `round`; `round` is the model that
 * `epoch` stored for that round.
 */
export const give = z.strictObject({
  experiment: name,
  what: z.enum(["archive", "best", "last", "kept", "round"]),
  epoch: count.optional(),
  round: count.optional(),
  index: count,
});
export type Give = z.infer<typeof give>;

/** From a place in the stream on. With `wait_ms` the answer waits that long for something new. */
export const readQuery = z.strictObject({
  experiment: name,
  from: count.default(0),
  wait_ms: z.int().min(0).max(30_000).default(0),
});

const page = {
  /** where to go on reading */
  next: count,
  /** there is more already */
  more: z.boolean(),
  /** the experiment has ended, and this was all */
  over: z.boolean(),
  error: wireError.optional(),
};

export const metricsPage = z.object({ metrics: z.array(z.object({ ...metric.shape, seq: count })), ...page });

export const eventsPage = z.object({ events: z.array(z.object({ ...event.shape, seq: count })), ...page });
