/**
 * The checkpoint in the round record, and what the record says of an experiment's end.
 *
 * CP1 checkpointOf(recordOf(c)) is c: a restarted Aggregator goes on from what the record holds.
 */
import { codes } from "../../src/errors.ts";
import type { Failure, RoundRecord } from "../../src/wire/messages.ts";
import type { Checkpoint, Recovered } from "./machine.ts";

export const checkpointOf = (r: RoundRecord): Checkpoint => ({
  ...{ round: r.round, trained: r.trained, model: r.model, best: r.best },
  ...(r.change === undefined ? {} : { change: r.change }),
  ...{ metrics: r.metrics, plateau: r.plateau, kept: r.kept, state: r.state_ref },
});

/** What of a record the checkpoint makes. */
export const recordOf = ({ state, kept, metrics, ...c }: Checkpoint) => ({
  ...c,
  ...{ metrics: { ...metrics }, kept: [...kept], state_ref: state },
});

/** How an experiment ended, if its record says that it did: nothing is resumed then. */
export function endOf({ state, outcome, failure }: RoundRecord): Recovered["ended"] {
  if (state === "finished" && outcome !== null) return { state, outcome };
  if (state === "failed" && failure !== null) return { state, failure };
  return state === "cancelled" ? { state } : null;
}

/** The cause lay outside, or a successor owns the experiment already. */
export const isMendable = ({ role, error }: Failure): boolean =>
  role === "aggregator" && (error.code === "FL_FENCED" || codes[error.code].retryable);
