/**
 * What may become of an experiment, as pure functions: the present record in, the next one out.
 *
 *   pending ⇄ in_review → in_progress → finished | failed | cancelled        in_review → rejected
 *   pending, in_review, in_progress → paused → pending                       failed, rejected, cancelled → pending
 *
 * It is in review twice: at the Director, then, when its turn has come, at those who are to take part.
 *
 * L1 An order that takes longer than this step is written down in the record (`order`) before anything else happens, so that
 *    whichever Director finds it goes on with it. What needs no more than this step is done with it.
 * L2 The first ending counts. Only `retried` leaves it.
 * L3 An order that was given already, or has come about, changes nothing and is no error: whoever did not hear the answer may
 *    ask again. The same record comes back then.
 */
import { FlError } from "../../src/errors.ts";
import { momentMs } from "../../src/plan/duration.ts";
import { parsePlan, planDigest } from "../../src/plan/plan.ts";
import type { ExperimentRecord, Failure, Order, Outcome, Review, Submission } from "../../src/wire/messages.ts";
import type { DeadlineOrder } from "../../src/wire/requests.ts";

export type Ending =
  | { state: "finished"; outcome: Outcome }
  | { state: "failed"; failure: Failure }
  | { state: "rejected"; failure: Failure }
  | { state: "cancelled" };

type State = ExperimentRecord["state"];

const ENDED = new Set<State>(["finished", "failed", "rejected", "cancelled"]);
export const hasEnded = ({ state }: Pick<ExperimentRecord, "state">): boolean => ENDED.has(state);

/** Its turn has come: it has collaborators that know of it, so an order on it takes a moment. */
export const isUnderWay = ({ state, collaborators }: ExperimentRecord): boolean =>
  state === "in_progress" || (state === "in_review" && collaborators.length > 0);

/** An order on it is done at once. */
const rests = (record: ExperimentRecord): boolean => !isUnderWay(record) && !hasEnded(record);

/** Something is to be done about it: it waits, runs, or goes away. */
export const isLive = ({ state, order }: Pick<ExperimentRecord, "state" | "order">): boolean =>
  state === "pending" || state === "in_review" || state === "in_progress" || order?.verb === "remove";

const isEndedBy = (order: Order | null): boolean => order !== null && order.verb !== "pause";

const words = { pause: "about to be paused", cancel: "being cancelled", fail: "being ended", remove: "being removed" };
const no = ({ name, state, order }: ExperimentRecord, why?: string): FlError => {
  const is = order === null ? state : words[order.verb];
  return new FlError("FL_STATE", { reason: `experiment ${name} is ${is}${why === undefined ? "" : `: ${why}`}` });
};

/** As it is taken in; what its plan says of it is not in it yet. */
export function submitted(submission: Submission, from: { owner: string; seq: number; at: number }): ExperimentRecord {
  const { owner, seq, at } = from;
  return {
    ...{ v: 1, name: submission.name, owner, seq, state: "pending", order: null },
    ...{ attempt: 1, priority: submission.priority ?? 0, resumed: false, fresh: false },
    ...{ submission, plan_digest: "0".repeat(64), rounds: 0, collaborators: [] },
    ...{ submitted_at: at, started_at: null, ended_at: null, limit_ms: null, deadline_at: null },
    ...{ reviews: [], failure: null, outcome: null },
  };
}

/** What its plan says of it. @throws FL_PLAN_INVALID */
export function planned(record: ExperimentRecord): ExperimentRecord {
  const plan = parsePlan(record.submission.plan);
  const { timeLimit } = plan;
  return {
    ...record,
    ...{ rounds: plan.rounds, plan_digest: planDigest(plan) },
    priority: record.submission.priority ?? plan.priority,
    limit_ms: typeof timeLimit === "number" ? timeLimit : null,
    deadline_at: momentMs(timeLimit) ?? null,
  };
}

/** The Director's reviewer looks at it. */
export const inReview = (record: ExperimentRecord): ExperimentRecord =>
  record.state === "pending" ? { ...record, state: "in_review" } : record;

/** The Director's reviewer has approved it. */
export const reviewed = (record: ExperimentRecord): ExperimentRecord =>
  record.state === "in_review" && !isUnderWay(record) ? { ...record, state: "pending" } : record;

/** Its turn has come: those who are to take part are asked. */
export const called = (record: ExperimentRecord, collaborators: readonly string[]): ExperimentRecord =>
  record.state === "pending" ? { ...record, state: "in_review", collaborators: [...collaborators] } : record;

/** @throws FL_STATE for a verdict that is about something else */
export function withReview(record: ExperimentRecord, review: Review): ExperimentRecord {
  if (hasEnded(record)) return record;
  if (review.plan_digest !== record.plan_digest || review.archive_digest !== record.submission.archive.digest) {
    throw new FlError("FL_STATE", { reason: `${review.role} ${review.name} has reviewed another plan or archive` });
  }
  const told = JSON.stringify(review);
  if (record.reviews.some((r) => JSON.stringify(r) === told)) return record; // L3
  return { ...record, reviews: [...record.reviews, review] };
}

export function started(record: ExperimentRecord, collaborators: readonly string[], now: number): ExperimentRecord {
  if (record.state !== "pending" && record.state !== "in_review") return record;
  const from = record.started_at ?? now;
  const deadline_at = record.deadline_at ?? (record.limit_ms === null ? null : from + record.limit_ms);
  return {
    ...record,
    ...{ state: "in_progress", collaborators: [...collaborators], started_at: from, deadline_at, resumed: false },
  };
}

/** Somebody who came later takes part from now on. */
export const joined = (record: ExperimentRecord, envoy: string): ExperimentRecord =>
  record.state !== "in_progress" || record.order !== null || record.collaborators.includes(envoy)
    ? record
    : { ...record, collaborators: [...record.collaborators, envoy] };

/** L2 */
export function ended(record: ExperimentRecord, ending: Ending, now: number): ExperimentRecord {
  if (hasEnded(record)) return record;
  return {
    ...record,
    state: ending.state,
    ended_at: now,
    failure: ending.state === "failed" || ending.state === "rejected" ? ending.failure : null,
    outcome: ending.state === "finished" ? ending.outcome : null,
    order: record.order?.verb === "remove" ? record.order : null,
  };
}

/** Takes an order in: done at once on what rests, written down for what is under way (L1). */
function taken(record: ExperimentRecord, order: Order, atOnce: () => ExperimentRecord): ExperimentRecord {
  if (rests(record)) return atOnce();
  if (hasEnded(record)) throw no(record);
  if (record.order?.verb === order.verb) return record; // L3
  if (isEndedBy(record.order)) throw no(record); // L2
  return { ...record, order };
}

/** @throws FL_STATE when it has ended, or is about to */
export const paused = (record: ExperimentRecord): ExperimentRecord =>
  taken(record, { verb: "pause", failure: null }, () =>
    record.state === "paused" ? record : { ...record, state: "paused" },
  );

/** What was to be paused has left in order. */
export const rested = (record: ExperimentRecord): ExperimentRecord =>
  isUnderWay(record) && record.order?.verb === "pause" ? { ...record, state: "paused", order: null } : record;

/** @throws FL_STATE when it has ended, or is about to */
export const cancelled = (record: ExperimentRecord, now: number): ExperimentRecord =>
  taken(record, { verb: "cancel", failure: null }, () => ended(record, { state: "cancelled" }, now));

/** @throws FL_STATE when it has ended otherwise, or is about to */
export const failed = (record: ExperimentRecord, failure: Failure, now: number): ExperimentRecord =>
  record.state === "failed"
    ? record
    : taken(record, { verb: "fail", failure }, () => ended(record, { state: "failed", failure }, now));

export function removed(record: ExperimentRecord, now: number): ExperimentRecord {
  if (record.order?.verb === "remove") return record;
  const over = rests(record) ? ended(record, { state: "cancelled" }, now) : record;
  return { ...over, order: { verb: "remove", failure: null } };
}

/** @throws FL_STATE when it has ended, or is about to */
export function resumed(record: ExperimentRecord): ExperimentRecord {
  if (hasEnded(record)) throw no(record, "retry runs it again");
  if (record.order !== null) throw no(record);
  if (record.state !== "paused") return record;
  return { ...record, state: "pending", attempt: record.attempt + 1, resumed: true };
}

/** @throws FL_STATE unless it has failed or was rejected or cancelled; FL_PLAN_INVALID */
export function retried(record: ExperimentRecord, fresh: boolean, now: number): ExperimentRecord {
  if (!hasEnded(record) && record.attempt > 1 && record.state !== "paused" && record.order === null) return record; // L3
  if (!hasEnded(record) || record.state === "finished" || record.order !== null) throw no(record);
  const could = record.rounds === 0 ? planned(record) : record; // 0: it was refused when it was taken in
  const { limit_ms, deadline_at, reviews } = could;
  // A limit counts from the new start; a point in time that has passed would fail it before that.
  const over = limit_ms !== null || (deadline_at !== null && deadline_at <= now);
  return {
    ...could,
    ...{ state: "pending", attempt: record.attempt + 1, fresh, resumed: false, collaborators: [] },
    ...{ started_at: null, ended_at: null, deadline_at: over ? null : deadline_at, failure: null, outcome: null },
    reviews: record.state === "rejected" ? [] : reviews,
  };
}

/** @throws FL_STATE when it does not wait any more */
export function prioritised(record: ExperimentRecord, priority: number): ExperimentRecord {
  if (record.priority === priority) return record;
  if (!rests(record)) throw no(record, "only one that waits can be moved");
  return { ...record, priority };
}

/** @throws FL_STATE when it has ended, FL_USAGE for a point in time that has passed */
export function limited(record: ExperimentRecord, { at, within_ms }: DeadlineOrder, now: number): ExperimentRecord {
  if (hasEnded(record)) throw no(record);
  if (at !== null && within_ms !== null) {
    throw new FlError("FL_USAGE", { reason: "a deadline is either a point in time or a time from the start" });
  }
  const from = record.started_at;
  const deadline_at = within_ms === null ? at : from === null ? null : from + within_ms;
  if (deadline_at !== null && deadline_at <= now) {
    throw new FlError("FL_USAGE", { reason: "this deadline has passed already", deadline_at });
  }
  return { ...record, limit_ms: within_ms, deadline_at };
}
