/**
 * What owners ask of a Director beyond a first look (src/wire/messages.ts): orders on their experiments, and the answers.
 *
 * Q1 Every order may be repeated and has the effect of one. Its answer tells the state that the experiment is in by then: one
 *    that takes longer goes on, whoever asked.
 */
import { z } from "zod";
import { experimentState, which, wireError } from "./messages.ts";

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

export const ordered = z.object({
  ok: z.boolean(),
  /** absent if it was refused, or is no more */
  state: experimentState.optional(),
  error: wireError.optional(),
});
export type Ordered = z.infer<typeof ordered>;
