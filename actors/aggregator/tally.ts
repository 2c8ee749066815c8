/**
 * An open round's count: who was asked, whose update is in, who has failed; and what follows from it.
 *
 * T1 What is in stays in: a collaborator that failed after its update was accepted has contributed.
 * T2 Where too few are in and one of those who were asked has failed, the cause is its own, under its name.
 */
import { FlError, type WireError } from "../../src/errors.ts";
import type { Failure } from "../../src/wire/messages.ts";

export type Failed = { readonly collaborator: string; readonly error: WireError };

export type Tally = {
  readonly experiment: string;
  readonly checkpoint: { readonly round: number };
  /** all of the experiment */
  readonly collaborators: readonly string[];
  /** answers that make the open round count */
  readonly quorum: number;
  /** who still can contribute to the open round, and who has */
  readonly expected: readonly string[];
  readonly accepted: readonly string[];
  readonly failed: readonly Failed[];
};

const hasFailed = ({ failed }: Tally, c: string): boolean => failed.some((f) => f.collaborator === c);

export const quorumIsIn = (t: Tally): boolean => t.accepted.length >= t.quorum;

/** Nobody else can come, and those who came are enough. */
export const everyoneIsIn = (t: Tally): boolean =>
  t.expected.every((c) => t.accepted.includes(c) || hasFailed(t, c)) && quorumIsIn(t);

/** Those who still can come are too few. */
export const quorumIsLost = (t: Tally): boolean =>
  t.expected.filter((c) => t.accepted.includes(c) || !hasFailed(t, c)).length < t.quorum; // T1

/** The one who was to make the initial model cannot, and another may be asked. */
export const initialIsLost = (t: Tally): boolean =>
  t.checkpoint.round === 0 &&
  !t.collaborators.every((c) => hasFailed(t, c)) &&
  t.expected.every((c) => hasFailed(t, c));

/** Of this round, of one who takes part, and not said before. */
export const isNews = (t: Tally, { collaborator, round, error }: Failed & { readonly round: number }): boolean =>
  round === t.checkpoint.round &&
  t.collaborators.includes(collaborator) &&
  !t.failed.some((f) => f.collaborator === collaborator && isSame(f.error, error));

const isSame = (a: WireError, b: WireError): boolean => a.code === b.code && a.message === b.message;

/** The newest failure of each. */
export const withFailure = ({ failed }: Tally, { collaborator, error }: Failed): readonly Failed[] => [
  ...failed.filter((f) => f.collaborator !== collaborator),
  { collaborator, error },
];

/** Why too few are in. */
export function quorumFailure(t: Tally): Failure {
  const { round } = t.checkpoint;
  const cause = t.failed.find((f) => t.expected.includes(f.collaborator));
  if (cause !== undefined) return { role: "collaborator", name: cause.collaborator, round, error: cause.error }; // T2
  return tooFew(t);
}

/** The same at the deadline. If the part that takes updates in is still waited for, that is the cause, whoever else has failed. */
export function deadlineFailure(t: Tally, awaited: string | null): Failure {
  if (awaited === null) return quorumFailure(t);
  const reason = `the aggregation ${awaited} is still waited for, and without it no update is taken in`;
  return tooFew(t, { part: awaited, reason });
}

function tooFew(t: Tally, why: Record<string, unknown> = {}): Failure {
  const missing = t.expected.filter((c) => !t.accepted.includes(c));
  const error = new FlError("FL_NO_QUORUM", { accepted: t.accepted.length, quorum: t.quorum, missing, ...why });
  return { role: "aggregator", name: t.experiment, round: t.checkpoint.round, error: error.toJSON() };
}
