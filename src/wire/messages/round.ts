/**
 * Rounds: their record, what a Collaborator and its Aggregator say to each other, and what is seen of it.
 * M1–M3: src/wire/messages.ts.
 */
import { z } from "zod";
import { tensorSpec } from "../../tensor/layout.ts";
import { modelChange, modelRef, outcome, scored } from "./experiment.ts";
import { binary, count, digest, failure, kept, name, time, wireError } from "./form.ts";

/**
 * The current state of an experiment's rounds: written by its Aggregator with compare-and-set once per round, watched by
 * its collaborators. It is also the checkpoint: whoever holds it can go on.
 * Round 0 exists only where no initial model was given: its one collaborator builds the model and offers it.
 */
export const roundRecord = z.object({
  v: z.literal(1),
  experiment: name,
  /** of the experiment that this belongs to: the ending of an earlier one is none of a later */
  attempt: count.default(1),
  /** counts the Aggregator processes that have owned this experiment; a higher one fences the lower */
  epoch: count,
  /** 1 to the plan's rounds; 0 makes the model; one past the last rates the final model */
  round: count,
  /** rounds of training that are in the model */
  trained: count,
  state: z.enum(["open", "finished", "failed", "cancelled"]),
  /** labels of the plan's tasks, in order, for each collaborator of this round */
  assigned: z.record(z.string(), z.array(z.string())),
  /** answers of them that make the round count */
  quorum: count,
  opened_at: time,
  deadline_at: time.nullable(),
  /** null in round 0 */
  model: modelRef.nullable(),
  /** the same model, for whoever holds the one before; there only where the plan compresses models and it is worth it */
  change: modelChange.optional(),
  specs: z.array(tensorSpec).nullable(),
  best: scored.nullable(),
  /** metrics of the last closed round, averaged over its collaborators */
  metrics: z.record(z.string(), z.number()),
  /** of the metric that the plan's `stop` names: its best value, and the rounds since */
  plateau: z.object({ value: z.number(), rounds: count }).nullable(),
  /** rounds whose models lie in the object store of models as `{exp}.round-{n}` */
  kept: z.array(count),
  /** what lasts beside the model (`roundState`), if anything does */
  state_ref: modelRef.nullable(),
  failure: failure.nullable(),
  outcome: outcome.nullable(),
});
export type RoundRecord = z.infer<typeof roundRecord>;

/** Said when it is stored. Whoever misses it finds the record in its bucket; a lower revision is an older record. */
export const roundNews = z.object({ revision: count, record: roundRecord });

/** A closed round, as parts of a user's own are told of it. */
export const pastRound = z.object({
  round: count,
  assigned: z.record(z.string(), z.array(z.string())),
  /** whose answer was in when the round closed, who had failed, and who had done neither */
  answered: z.array(name),
  failed: z.array(name),
  late: z.array(name),
  metrics: z.record(z.string(), z.number()),
  /** each collaborator's own */
  measured: z.record(z.string(), z.record(z.string(), z.number())),
  seconds: z.number(),
});
export type PastRound = z.infer<typeof pastRound>;

/** In how many rounds a collaborator was asked, and what came of it. */
export const standing = z.object({ asked: count, answered: count, failed: count, late: count });
export type Standing = z.infer<typeof standing>;

/** What lasts from round to round beside the model: stored in frames on the MODEL stream, or in the reference to it. */
export const roundState = z.object({
  v: z.literal(1),
  /** of the aggregation's own */
  aggregation: kept.nullable(),
  /** what compression has left out of the model so far, f32; only with error feedback */
  residual: kept.optional(),
  /** the newest closed rounds, oldest first; empty unless a part asks for them */
  past: z.array(pastRound),
  standings: z.record(z.string(), standing),
});
export type RoundState = z.infer<typeof roundState>;

export const metricsOfTask = z.object({ task: z.string(), values: z.record(z.string(), z.number()) });
export type MetricsOfTask = z.infer<typeof metricsOfTask>;

/** Collaborator → Aggregator: an update is ready. Answered by its verdict, once the aggregator has pulled the chunks. */
export const offer = z.object({
  round: count,
  epoch: count,
  /** of this update in the average: samples trained on, or 1 */
  weight: z.number().positive().finite(),
  metrics: z.array(metricsOfTask),
  bytes: count,
  layout: digest,
  /** in round 0 only */
  specs: z.array(tensorSpec).optional(),
  /** the one frame of an update that fits in it: nothing is pulled then */
  frame: binary.optional(),
});
export type Offer = z.infer<typeof offer>;

export const verdict = z.object({
  verdict: z.enum([
    "accepted",
    /** this collaborator's update of this round is in already */
    "duplicate",
    /** the round has closed: drop the update */
    "late",
    /** the update itself is not acceptable; `error` says why */
    "refused",
    /** the pull broke off: offer again */
    "again",
  ]),
  error: wireError.optional(),
});
export type Verdict = z.infer<typeof verdict>;

/** Aggregator → Collaborator: one credit. The answer is the frame (src/tensor/frame.ts), not a message. */
export const pull = z.object({ round: count, index: count });
export type Pull = z.infer<typeof pull>;

/** Collaborator → all, each second and at each change: that it lives, and how far it is. Two different things. */
export const alive = z.object({
  round: count,
  /** preparing, waiting, fetching, offering, failed, or the label of the running task */
  doing: z.string(),
  done: count,
  total: count,
  /** of its training split, once it is loaded */
  samples: count.optional(),
});
export type Alive = z.infer<typeof alive>;

/** A task threw: this collaborator will not offer an update in this round. */
export const taskFailed = z.object({ round: count, epoch: count, error: wireError });
export type TaskFailed = z.infer<typeof taskFailed>;

export const peerState = z.enum(["absent", "resting", "working", "offering", "accepted", "failed", "silent"]);
export type PeerState = z.infer<typeof peerState>;

/** Aggregator → all: what it sees of its round, a few times a second while something changes. */
export const progress = z.object({
  round: count,
  rounds: count,
  epoch: count,
  state: z.string(),
  quorum: count,
  deadline_at: time.nullable(),
  /** a part elsewhere that does not answer, or is long at work: `nats:<name>`, as the plan names it */
  waiting_for: z.string().nullable(),
  peers: z.array(
    z.object({
      name,
      state: peerState,
      /** as in `alive`; empty until it says something in this round */
      doing: z.string(),
      done: count,
      total: count,
      /** bytes of its update that are here */
      bytes: count,
      seen_at: time.nullable(),
    }),
  ),
});
export type Progress = z.infer<typeof progress>;

/** The Aggregator is to end its experiment: as failed, if that is given, else as cancelled. */
export const ending = z.object({ failure: failure.nullable().default(null) });
