/**
 * What owners ask of a Director beyond a first look (src/wire/messages.ts): what there is, orders on their experiments, and the
 * answers.
 *
 * Q1 Every order may be repeated and has the effect of one. Its answer tells the state that the experiment is in by then: one
 *    that takes longer goes on, whoever asked.
 */
import { z } from "zod";
import {
  count,
  experimentRecord,
  experimentState,
  name,
  peerState,
  shape,
  waiting,
  which,
  wireError,
} from "./messages.ts";

const { experiment } = which.shape;

export const priorityOrder = z.strictObject({ experiment, priority: z.int() });
export type PriorityOrder = z.infer<typeof priorityOrder>;

/** Either a point in time or a time from its start; neither: it may take as long as it takes. */
export const deadlineOrder = z.strictObject({
  experiment,
  at: z.number().nullable().default(null),
  within_ms: z.int().positive().nullable().default(null),
});
export type DeadlineOrder = z.infer<typeof deadlineOrder>;

export const retryOrder = z.strictObject({ experiment, fresh: z.boolean().default(false) });
export type RetryOrder = z.infer<typeof retryOrder>;

export const failOrder = z.strictObject({ experiment, reason: z.string().min(1).max(1_000) });
export type FailOrder = z.infer<typeof failOrder>;

// --- what there is ----------------------------------------------------------------------------------------------------

/** Of one sample and one target, which all shards have; null before that is known. */
export const datasetReply = z.object({
  sample_shape: shape.nullable(),
  target_shape: shape.nullable(),
  error: wireError.optional(),
});
export type DatasetReply = z.infer<typeof datasetReply>;

const far = {
  rounds: count,
  /** that is open, or was last; null before the first */
  round: count.nullable(),
  /** 0 to 1, by the rounds that have closed */
  progress: z.number().min(0).max(1),
};

/** A record with how far it is. */
export const listed = z.object({ ...experimentRecord.shape, tasks: count, ...far });
export type Listed = z.infer<typeof listed>;
export const listReply = z.object({ experiments: z.array(listed), error: wireError.optional() });

export const description = z.object({
  name,
  owner: name,
  state: experimentState,
  attempt: count,
  ...far,
  waiting: waiting.nullable(),
  /** rounds of training in each that can be had now; null: there is none yet */
  models: z.object({ best: count.nullable(), last: count.nullable(), kept: z.array(count) }),
  tasks: z.array(
    z.object({ label: z.string(), task: z.string(), on: z.enum(["global", "tuned"]).nullable(), trains: z.boolean() }),
  ),
  collaborators: z.array(
    z.object({
      name,
      /** null if nobody knows */
      online: z.boolean().nullable(),
      /** as its Aggregator sees it; null while none runs */
      state: peerState.nullable(),
      round: count.nullable(),
      doing: z.string(),
      done: count,
      total: count,
      /** labels of the plan's: what it is at, and what it does then in this round */
      task: z.string().nullable(),
      next: z.string().nullable(),
    }),
  ),
});
export type Description = z.infer<typeof description>;
export const describeReply = z.object({ description: description.optional(), error: wireError.optional() });

export const ordered = z.object({
  ok: z.boolean(),
  /** absent if it was refused, or is no more */
  state: experimentState.optional(),
  error: wireError.optional(),
});
export type Ordered = z.infer<typeof ordered>;
