/** The reviews of an experiment as its Director runs them: RW1–RW4 of actors/director/reviews.ts, ER1 and ER2 of the envoy's. */
import test from "ava";
import { Envoys } from "../../actors/director/envoys.ts";
import type { Reviewed } from "../../actors/director/experiment.ts";
import { called } from "../../actors/director/lifecycle.ts";
import { Records } from "../../actors/director/records.ts";
import { failureOf, missingIn, Reviews } from "../../actors/director/reviews.ts";
import { reviewAssigned } from "../../actors/envoy/review.ts";
import type { Consultation } from "../../actors/reviewer/consult.ts";
import { reviewOf } from "../../actors/reviewer/review.ts";
import { FlError } from "../../src/errors.ts";
import type { Decision } from "../../src/parts/reviewer.ts";
import type { Clock } from "../../src/ports.ts";
import { buckets } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { manualClock } from "../support/clock.ts";
import { quiet, testWorld } from "../support/ports.ts";
import { recordOf } from "../support/record.ts";
import { ARCHIVE, answering, PLAN, requested, submission } from "../support/review.ts";

type Answer = () => Decision | Promise<Decision>;
const both = ["north", "south"];
const assigned = { experiment: "x", attempt: 1, phase: "review", planDigest: PLAN, archiveDigest: ARCHIVE } as const;

/** A consultation without an archive; `asked` counts. */
function consulted(clock: Clock, answer: Answer): Pick<Consultation, "review" | "immediate"> & { asked: number } {
  const self = {
    asked: 0,
    immediate: false,
    review: (about: { role: "director" | "envoy"; name: string }, signal: AbortSignal) => {
      self.asked++;
      return reviewOf(
        { ...requested, ...about } as never,
        { reviewer: answering(answer), limitMs: null, clock },
        signal,
      );
    },
  };
  return self as never;
}

async function reviewing(t: { teardown(end: () => void): void }, { limitMs = null as number | null } = {}) {
  const clock = manualClock();
  const world = testWorld({ clock });
  const yes: Answer = () => ({ approved: true });
  const state = { director: yes };
  const direct = async () => {
    const wire = world.wire("director");
    const records = await Records.open(wire);
    const envoys = await Envoys.open(wire, { director: "director", periodMs: 1_000 });
    const consultation = consulted(clock, () => state.director());
    const reviews = new Reviews({ wire, records, consultation, director: "director", limitMs });
    const run = async (signal: AbortSignal): Promise<Reviewed> => {
      const own = await reviews.own("x", both, signal);
      if (!own.approved) return own;
      const record = await records.change("x", (r) => ({ record: called(r, both) }));
      await Promise.all(both.map((name) => envoys.assign(name, record, "review")));
      return reviews.ofEnvoys("x", both, signal);
    };
    const end = reviews.serve();
    const stop = new AbortController();
    t.teardown(() => stop.abort());
    return {
      wire,
      records,
      consultation,
      run: async () => {
        const { approved } = await run(stop.signal);
        return { approved, reviews: (await records.get("x"))!.reviews };
      },
      stop,
      end,
    };
  };
  const first = await direct();
  await first.records.make({ ...recordOf("x"), submission: submission(), plan_digest: PLAN });
  /** an envoy that is assigned the experiment */
  const envoy = (name: string, answer: Answer = yes) => {
    const wire: Wire = world.wire(name);
    const consultation = consulted(clock, answer);
    const stop = new AbortController();
    t.teardown(() => stop.abort());
    const verdict = reviewAssigned(
      { wire, envoy: name, consultation },
      assigned,
      { owner: "ann", ...submission() },
      stop.signal,
    );
    verdict.catch(() => {});
    return { verdict, consultation, stop };
  };
  const assignments = async (name: string) =>
    (await (await first.wire.table(buckets.assignments)).get({ envoy: name }))?.value.experiments ?? [];
  return { clock, state, first, direct, envoy, assignments };
}

test("D21 what the Director's review rejects is given to no envoy (RW1)", async (t) => {
  const { state, first, assignments } = await reviewing(t);
  state.director = () => ({ approved: false, reason: "not here", by: "carol" });
  const { approved, reviews } = await first.run();
  t.false(approved);
  t.like(reviews, [{ role: "director", name: "director", by: "carol", approved: false, reason: "not here" }]);
  for (const name of both) t.deepEqual(await assignments(name), []);
  t.like(failureOf(reviews), { role: "director", name: "director", error: { code: "FL_REJECTED" } });
});

test("nothing is given to an envoy while the Director's review is under way, then all are asked to review (RW1)", async (t) => {
  const { state, first, assignments } = await reviewing(t);
  let decide = (_: Decision): void => {};
  state.director = () => new Promise((resolve) => (decide = resolve));
  const running = first.run();
  await quiet();
  t.deepEqual(await assignments("north"), []);
  decide({ approved: true });
  await quiet();
  for (const name of both) t.like(await assignments(name), [{ name: "x", phase: "review" }]);
  first.stop.abort(new FlError("FL_CLOSED"));
  await t.throwsAsync(running);
});

test("when all have approved, all is approved, and the record says who, when and of what", async (t) => {
  const { clock, first, envoy } = await reviewing(t);
  const running = first.run();
  await quiet();
  const sites = both.map((name) => envoy(name, () => ({ approved: true, by: `${name}'s manager` })));
  t.true((await running).approved);
  for (const { verdict } of sites) t.deepEqual(await verdict, { approved: true });
  const { reviews } = (await first.records.get("x"))!;
  const about = { at: clock.now(), plan_digest: PLAN, archive_digest: ARCHIVE, approved: true };
  t.like(reviews[0], { role: "director", name: "director", by: "mine", ...about });
  t.deepEqual(
    reviews
      .slice(1)
      .map((r) => r.by)
      .sort(),
    ["north's manager", "south's manager"],
  );
  t.like(reviews[1], about);
  t.is(failureOf(reviews), null);
});

test("D22 the first envoy that rejects decides: nobody else is waited for (RW3)", async (t) => {
  const { first, envoy } = await reviewing(t);
  const running = first.run();
  envoy("north", () => ({ approved: false, reason: "not our patients" }));
  const { approved, reviews } = await running;
  t.false(approved);
  t.like(failureOf(reviews), { role: "envoy", name: "north", error: { code: "FL_REJECTED" } });
  t.regex(failureOf(reviews)!.error.message, /not our patients/);
  t.deepEqual(missingIn((await first.records.get("x"))!, both), ["south"]);
});

test("a restarted Director asks nobody again whose verdict is recorded, itself neither (RW2)", async (t) => {
  const { first, direct, envoy } = await reviewing(t);
  const running = first.run();
  await envoy("north").verdict;
  first.stop.abort(new FlError("FL_CLOSED"));
  first.end();
  await t.throwsAsync(running);
  const second = await direct();
  const again = second.run();
  await quiet();
  const north = envoy("north");
  t.deepEqual(await north.verdict, { approved: true });
  t.is(north.consultation.asked, 0, "nor does a restarted envoy (ER1)");
  envoy("south");
  t.true((await again).approved);
  t.is(second.consultation.asked, 0);
});

test("a verdict that falls into the Director's absence is told once it is back (ER2)", async (t) => {
  const { clock, first, direct, envoy } = await reviewing(t);
  const running = first.run();
  await quiet();
  first.stop.abort(new FlError("FL_CLOSED"));
  first.end();
  await t.throwsAsync(running);
  const sites = both.map((name) => envoy(name));
  await quiet();
  const second = await direct();
  const again = second.run();
  await Promise.all(sites.map((s) => s.verdict));
  clock.advance(1);
  t.true((await again).approved);
  t.deepEqual(
    sites.map((s) => s.consultation.asked),
    [1, 1],
  );
});

test("an envoy that has not answered within the Director's limit has rejected (RW4)", async (t) => {
  const { clock, first, envoy } = await reviewing(t, { limitMs: 60_000 });
  const running = first.run();
  await envoy("north").verdict;
  await quiet();
  clock.advance(59_999);
  await quiet();
  clock.advance(1);
  const { approved, reviews } = await running;
  t.false(approved);
  t.like(failureOf(reviews), { role: "envoy", name: "south", error: { code: "FL_REVIEW_LIMIT" } });
  t.is(clock.waiting, 0);
});

test("a verdict about another plan or archive is not recorded, and one that repeats itself is recorded once", async (t) => {
  const { clock, first } = await reviewing(t);
  const review = await reviewOf(
    requested,
    { reviewer: answering(() => ({ approved: true })), limitMs: null, clock },
    new AbortController().signal,
  );
  for (let i = 0; i < 2; i++) await first.records.review("x", review);
  t.is((await first.records.get("x"))?.reviews.length, 1);
  const other = { ...review, archive_digest: "0".repeat(64) };
  await t.throwsAsync(first.records.review("x", other), { message: /has reviewed another plan or archive/ });
  await Promise.all(["south", "west"].map((name) => first.records.review("x", { ...review, name })));
  t.is((await first.records.get("x"))?.reviews.length, 3, "also of those that answer at once");
});
