/** What may become of an experiment: L1–L3 of actors/director/lifecycle.ts. */
import test from "ava";
import * as lifecycle from "../../actors/director/lifecycle.ts";
import { FlError } from "../../src/errors.ts";
import type { ExperimentRecord, Failure, Review } from "../../src/wire/messages.ts";
import { recordOf } from "../support/record.ts";

const now = 1_000;
const error = new FlError("FL_SET_FAILED", { reason: "no more money" }).toJSON();
const failure: Failure = { role: "owner", name: "ann", round: null, error };
const outcome = { rounds: 1, metrics: {}, best: null, objects: { last: "x.last", best: "x.best" } };

const pending = recordOf("x");
const running = lifecycle.started(pending, ["a", "b"], 10);
const paused = lifecycle.rested(lifecycle.paused(running));
const over = (ending: lifecycle.Ending): ExperimentRecord => lifecycle.ended(running, ending, 20);
const finished = over({ state: "finished", outcome });
const failed = over({ state: "failed", failure });
const cancelled = over({ state: "cancelled" });
const rejected = lifecycle.ended(pending, { state: "rejected", failure }, 20);

const review: Review = {
  ...{ role: "director", name: "d", by: "carol", at: 1, approved: false, reason: "no" },
  ...{ plan_digest: pending.plan_digest, archive_digest: pending.submission.archive.digest },
};

const cancel = (r: ExperimentRecord): ExperimentRecord => lifecycle.cancelled(r, now);
const fail = (r: ExperimentRecord): ExperimentRecord => lifecycle.failed(r, failure, now);
const remove = (r: ExperimentRecord): ExperimentRecord => lifecycle.removed(r, now);
const retry = (r: ExperimentRecord, fresh = false): ExperimentRecord => lifecycle.retried(r, fresh, now);
const code = (work: () => unknown): string | undefined => {
  try {
    work();
    return undefined;
  } catch (e) {
    return e instanceof FlError ? e.code : String(e);
  }
};

test("what is taken in has the plan's rounds, priority and limit, and the submission's own priority before them", (t) => {
  const { submission } = pending;
  t.like(recordOf("x", { plan: { rounds: 7, priority: 3, timeLimit: "2h" } }), {
    ...{ state: "pending", attempt: 1, rounds: 7, priority: 3, limit_ms: 7_200_000, deadline_at: null },
  });
  const at = "2031-05-01T18:00:00Z";
  t.like(recordOf("x", { plan: { timeLimit: at } }), { limit_ms: null, deadline_at: Date.parse(at) });
  const own = { ...submission, priority: 9, plan: { ...submission.plan, priority: 3 } };
  t.is(lifecycle.planned(lifecycle.submitted(own, { owner: "ann", seq: 1, at: 0 })).priority, 9);
});

test("it starts once, with those who take part; a limit counts from there", (t) => {
  t.like(running, { state: "in_progress", collaborators: ["a", "b"], started_at: 10 });
  t.is(lifecycle.started(running, ["c"], 99), running);
  t.is(lifecycle.started({ ...pending, limit_ms: 500 }, ["a"], 10).deadline_at, 510);
  for (const record of [cancelled, paused]) t.is(lifecycle.started(record, ["a"], 99), record, record.state);
});

test("it is in review at the Director, then, with its collaborators, at those; orders on the latter take a moment", (t) => {
  const own = lifecycle.inReview(pending);
  t.like(own, { state: "in_review", collaborators: [] });
  t.is(lifecycle.reviewed(own).state, "pending");
  const asked = lifecycle.called(pending, ["a", "b"]);
  t.like(asked, { state: "in_review", collaborators: ["a", "b"] });
  t.is(lifecycle.reviewed(asked), asked, "that is not the Director's to end");
  t.is(lifecycle.called(own, ["a"]), own, "nobody is asked before");
  t.is(lifecycle.started(asked, ["a", "b"], 10).state, "in_progress");
  t.is(cancel(own).state, "cancelled");
  t.like(cancel(asked), { state: "in_review", order: { verb: "cancel" } });
  t.is(lifecycle.rested(lifecycle.paused(asked)).state, "paused");
  for (const record of [running, cancelled]) {
    for (const step of [lifecycle.inReview, lifecycle.reviewed]) t.is(step(record), record);
    t.is(lifecycle.called(record, ["c"]), record);
  }
});

test("a verdict is kept once, if it is about this plan and archive, and none after the end", (t) => {
  t.deepEqual(lifecycle.withReview(pending, review).reviews, [review]);
  const once = lifecycle.withReview(pending, review);
  t.is(lifecycle.withReview(once, { ...review }), once);
  t.is(lifecycle.withReview(cancelled, review), cancelled);
  t.is(
    code(() => lifecycle.withReview(pending, { ...review, plan_digest: "1".repeat(64) })),
    "FL_STATE",
  );
});

test("the first ending counts (L2)", (t) => {
  t.like(failed, { state: "failed", failure, outcome: null, ended_at: 20 });
  t.like(finished, { state: "finished", failure: null, outcome });
  t.like(rejected, { state: "rejected", failure });
  for (const record of [finished, failed, cancelled, rejected]) {
    t.is(lifecycle.ended(record, { state: "cancelled" }, 30), record, record.state);
  }
});

test("an order on what is in progress is written down, on what rests it is done (L1)", (t) => {
  t.deepEqual(lifecycle.paused(running).order, { verb: "pause", failure: null });
  t.like(cancel(running), { state: "in_progress", order: { verb: "cancel" } });
  t.like(fail(running), { state: "in_progress", order: { verb: "fail", failure } });
  t.like(remove(running), { state: "in_progress", order: { verb: "remove" } });
  for (const record of [pending, { ...pending, state: "in_review" as const }, paused]) {
    t.like(lifecycle.paused(record), { state: "paused", order: null });
    t.like(cancel(record), { state: "cancelled", order: null, ended_at: now });
    t.like(fail(record), { state: "failed", failure });
    t.like(remove(record), { state: "cancelled", order: { verb: "remove" } });
  }
  t.like(remove(finished), { state: "finished", order: { verb: "remove" }, outcome });
});

test("what was ordered is carried out: it rests, or ends with that cause", (t) => {
  t.like(paused, { state: "paused", order: null, collaborators: ["a", "b"] });
  t.is(lifecycle.rested(running), running, "nobody wants it to rest");
  t.is(lifecycle.rested(cancel(lifecycle.paused(running))).state, "in_progress", "it is to end instead");
  t.like(lifecycle.ended(fail(running), { state: "failed", failure }, now), { state: "failed", order: null });
  const removing = lifecycle.ended(remove(running), { state: "cancelled" }, now);
  t.like(removing, { state: "cancelled", order: { verb: "remove" } });
  t.true(lifecycle.isLive(removing), "until it is gone");
});

test("every order may be given twice and has the effect of one (L3)", (t) => {
  for (const [order, records] of [
    [lifecycle.paused, [running, pending]],
    [fail, [running, pending]],
    [remove, [running, pending, finished]],
    [lifecycle.resumed, [paused]],
    [retry, [failed, cancelled, rejected]],
  ] as const) {
    for (const record of records) {
      const once = order(record);
      t.is(order(once), once, `${order.name} ${record.state}`);
    }
  }
  t.is(cancel(cancel(running)).order?.verb, "cancel");
  t.is(lifecycle.resumed(running), running, "it goes on already");
});

test("a stronger order takes the place of a pause, and none takes the place of an ending (L2)", (t) => {
  for (const order of [cancel, fail, remove]) t.not(order(lifecycle.paused(running)).order?.verb, "pause");
  for (const being of [cancel(running), fail(running), remove(running)]) {
    t.is(
      code(() => lifecycle.paused(being)),
      "FL_STATE",
      being.order?.verb,
    );
  }
  t.is(
    code(() => cancel(fail(running))),
    "FL_STATE",
  );
  t.is(remove(cancel(running)).order?.verb, "remove", "what is being cancelled may be removed when it has ended");
});

test("an ended experiment takes no order but retry and remove, and says which state it is in", (t) => {
  for (const record of [finished, failed, cancelled, rejected]) {
    for (const order of [cancel, lifecycle.paused, lifecycle.resumed]) {
      const thrown = t.throws(() => order(record), { instanceOf: FlError });
      t.is(thrown.code, "FL_STATE");
      t.true(thrown.message.includes(record.state));
    }
    if (record.state !== "failed")
      t.is(
        code(() => fail(record)),
        "FL_STATE",
      );
  }
  t.is(fail(failed), failed, "it stays failed, with its first cause");
});

test("resumed, it is another attempt with the same collaborators, before the others of its priority", (t) => {
  t.like(lifecycle.resumed(paused), { state: "pending", attempt: 2, resumed: true, collaborators: ["a", "b"] });
  const again = lifecycle.started(lifecycle.resumed(paused), ["a", "b"], 99);
  t.like(again, { state: "in_progress", attempt: 2, resumed: false, started_at: 10 });
});

test("retried, it is another attempt with collaborators chosen anew; finished or never ended, it cannot be", (t) => {
  for (const record of [failed, cancelled]) {
    t.like(retry(record), {
      ...{ state: "pending", attempt: 2, fresh: false, collaborators: [], started_at: null, ended_at: null },
      ...{ failure: null, outcome: null, order: null },
    });
  }
  t.true(retry(failed, true).fresh);
  t.deepEqual(retry({ ...rejected, reviews: [review] }).reviews, [], "it is reviewed again");
  t.deepEqual(retry({ ...failed, reviews: [review] }).reviews, [review]);
  for (const record of [pending, running, paused, finished, remove(failed)])
    t.is(
      code(() => retry(record)),
      "FL_STATE",
    );
});

test("retried, a limit counts from the new start, and a point in time that has passed is dropped", (t) => {
  const timed = { ...failed, limit_ms: 500, deadline_at: 510 };
  t.is(retry(timed).deadline_at, null);
  t.is(lifecycle.started(retry(timed), ["a"], 2_000).deadline_at, 2_500);
  t.is(retry({ ...failed, deadline_at: now - 1 }).deadline_at, null);
  t.is(retry({ ...failed, deadline_at: now + 1 }).deadline_at, now + 1);
});

test("what waits can be moved in the queue, what runs cannot", (t) => {
  for (const record of [pending, paused]) t.is(lifecycle.prioritised(record, 5).priority, 5);
  t.is(lifecycle.prioritised(running, 0), running, "it has that priority");
  for (const record of [running, finished])
    t.is(
      code(() => lifecycle.prioritised(record, 5)),
      "FL_STATE",
    );
});

test("a deadline is a point in time or a time from the start, and can be lifted; one that has passed is refused", (t) => {
  const at = (at: number | null, within_ms: number | null = null) => ({ experiment: "x", at, within_ms });
  t.like(lifecycle.limited(pending, at(5_000), now), { deadline_at: 5_000, limit_ms: null });
  t.like(lifecycle.limited(pending, at(null, 5_000), now), { deadline_at: null, limit_ms: 5_000 });
  t.like(lifecycle.limited(running, at(null, 5_000), now), { deadline_at: 5_010, limit_ms: 5_000 });
  t.like(lifecycle.limited({ ...running, deadline_at: 5_000 }, at(null), now), { deadline_at: null, limit_ms: null });
  t.is(
    code(() => lifecycle.limited(pending, at(now), now)),
    "FL_USAGE",
  );
  t.is(
    code(() => lifecycle.limited(running, at(null, 5), now)),
    "FL_USAGE",
  );
  t.is(
    code(() => lifecycle.limited(running, at(5_000, 5_000), now)),
    "FL_USAGE",
  );
  t.is(
    code(() => lifecycle.limited(finished, at(5_000), now)),
    "FL_STATE",
  );
});
