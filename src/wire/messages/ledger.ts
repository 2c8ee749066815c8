/** What is written down beside the rounds, for whoever follows an experiment. M1–M3: src/wire/messages.ts. */
import { z } from "zod";
import { count, failure, name, time } from "./form.ts";

export const metric = z.object({
  v: z.literal(1),
  experiment: name,
  round: count,
  /** a collaborator's name, or `aggregator` for the weighted mean over the round's collaborators */
  origin: name,
  /** the task's label in the plan */
  task: z.string(),
  metric: z.string(),
  value: z.number(),
  at: time,
});
export type Metric = z.infer<typeof metric>;

export const event = z.object({
  v: z.literal(1),
  experiment: name,
  type: z.enum([
    "experiment.accepted",
    "experiment.refused",
    "experiment.waiting",
    "experiment.started",
    "experiment.paused",
    "experiment.resumed",
    "experiment.retried",
    "experiment.finished",
    "experiment.failed",
    "experiment.rejected",
    "experiment.cancelled",
    "aggregator.restarted",
    "round.closed",
    "collaborator.joined",
    "collaborator.lost",
    "collaborator.returned",
    "collaborator.failed",
    "update.refused",
  ]),
  origin: name,
  round: count.nullable(),
  at: time,
  detail: z.record(z.string(), z.unknown()),
  failure: failure.nullable(),
});
export type Event = z.infer<typeof event>;
