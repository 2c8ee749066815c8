/** Swappable parts on the bus: an aggregation's rounds and a device monitor's reports. M1–M3: src/wire/messages.ts. */
import { z } from "zod";
import { tensorSpec } from "../../tensor/layout.ts";
import { deviceReport } from "./envoy.ts";
import { count, name, wireError } from "./form.ts";

/**
 * Aggregator → actor: a round begins. `session` names the round as this Aggregator process began it, and all that belongs to
 * the round carries it: a restarted actor does not know it, and a restarted Aggregator makes another.
 */
export const aggregationBegin = z.object({
  session: name,
  /** the session whose `finish` left the state this round starts from: an actor that still rests there restores nothing */
  after: name.nullable(),
  round: count,
  options: z.record(z.string(), z.unknown()),
  specs: z.array(tensorSpec),
  /** an upper bound of one update's weight */
  weight_bound: z.number().positive(),
  /** an upper bound of the number of updates */
  updates_bound: count.optional(),
  /** of the rule's own state, to be pulled as `state`; null if it has none */
  state_bytes: count.nullable(),
});
export type AggregationBegin = z.infer<typeof aggregationBegin>;

/** The update is the size of the model; the actor pulls it as `update` of this collaborator. */
export const aggregationAccept = z.object({ session: name, collaborator: name, weight: z.number() });
export type AggregationAccept = z.infer<typeof aggregationAccept>;

export const aggregationFinish = z.object({ session: name });

export const aggregationReply = z.object({
  /** `working`: it takes longer; ask again, with the same words */
  outcome: z.enum(["done", "working", "failed"]),
  /** after `finish`: of the rule's own state, to be pulled as `state`; null if it has none */
  state_bytes: count.nullable().optional(),
  error: wireError.optional(),
});
export type AggregationReply = z.infer<typeof aggregationReply>;

/**
 * One credit, in either direction: the actor pulls `global`, `update` and `state`, the aggregator `next` and `state`.
 * `probe` is an empty frame and asks only whether the session still lasts. No bytes at all: there is no such thing (any more).
 */
export const aggregationPull = z.object({
  session: name,
  transfer: z.enum(["global", "update", "state", "next", "probe"]),
  /** of an `update` */
  collaborator: name.optional(),
  index: count,
});
export type AggregationPull = z.infer<typeof aggregationPull>;

export const reportReply = z.object({ report: deviceReport.optional(), error: wireError.optional() });
export type ReportReply = z.infer<typeof reportReply>;
