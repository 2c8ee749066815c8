/** Tasks that take longer than the plan allows: row C48. */
import test from "ava";
import { withinTime } from "../../actors/collaborator/within-time.ts";
import { FlError } from "../../src/errors.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { manualClock } from "../support/clock.ts";
import { expected, experiment, fakeTrainer, gate, type Hook } from "../support/experiment.ts";

const everyone = ["a", "b", "c"];
const tasks = [{ task: "train", timeout: "2s" }];
const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

test("C48 a task that takes longer than its timeout has failed; where every answer is needed, so has the experiment", async (t) => {
  const e = experiment(t, { plan: { rounds: 2, tasks } });
  const slow: Hook = ({ round, signal }) => (round === 2 ? aborted(signal) : undefined);
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, n === "b" ? slow : undefined))));
  const error = { code: "FL_TASK_TIMEOUT", detail: { task: "train", timeout_ms: 2_000 } };
  t.like(await aggregator.done, { state: "failed", failure: { role: "collaborator", name: "b", round: 2, error } });
});

test("C48 with a quorum the round goes on without it, and the next one has it again, also if the task does not heed its signal", async (t) => {
  for (const heeds of [true, false]) {
    const e = experiment(t, { plan: { rounds: 3, quorum: 2, tasks } });
    const held = gate();
    const slow: Hook = ({ round, signal }) => (round !== 1 ? undefined : heeds ? aborted(signal) : held.opened);
    // the others give b's task the time to end: it would run beside the next one's otherwise (E3)
    const wait: Hook = ({ round }) => (round === 2 ? held.opened : undefined);
    const aggregator = await e.aggregator();
    const all = await Promise.all(
      everyone.map((n) => e.collaborator(n, fakeTrainer(8, n === "b" ? slow : n === "a" ? wait : undefined))),
    );
    const second = new Promise<void>((resolve) => {
      aggregator.actor.subscribe(({ context }) => context.checkpoint.round === 2 && resolve());
    });
    await second;
    held.open();
    t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3 } });
    const want = expected(8, 3, (round) => (round === 1 ? ["a", "c"] : everyone));
    t.is(Buffer.compare(bytesOf(await e.model("last")), bytesOf(want)), 0, `heeds its signal: ${heeds}`);
    t.deepEqual(
      all[1]!.trainer.ran.filter((ran) => !ran.endsWith(" 1")),
      ["b train 2", "b train 3"],
    );
  }
});

test("C48 time is counted also of work that let no timer fire, and a signal from outside stays what it was", async (t) => {
  const clock = manualClock();
  const { signal } = new AbortController();
  const limit = { ms: 100, what: "train", clock, signal };
  t.is(await withinTime(limit, async () => 7), 7);
  t.is(clock.waiting, 0);
  const late = withinTime(limit, async () => {
    clock.advance(101); // its own timer is too late, too
    return 7;
  });
  await t.throwsAsync(late, { code: "FL_TASK_TIMEOUT" });
  const stop = new AbortController();
  const reason = new FlError("FL_CANCELLED");
  const called = withinTime({ ...limit, signal: stop.signal }, async (within) => {
    stop.abort(reason);
    within.throwIfAborted();
  });
  t.is(await t.throwsAsync(called), reason);
  await t.throwsAsync(
    withinTime(limit, async () => {
      throw new FlError("FL_TASK_FAILED");
    }),
    { code: "FL_TASK_FAILED" },
  );
  t.is(clock.waiting, 0);
});

test("C48 a timeout is a duration, and without one a plan says nothing of it", (t) => {
  const plan = parsePlan({ version: 1, rounds: 1, tasks: ["validate", { task: "train", timeout: "2m" }] });
  t.deepEqual(
    plan.tasks.map((task) => task.timeout),
    [undefined, 120_000],
  );
  t.throws(() => parsePlan({ version: 1, rounds: 1, tasks: [{ task: "train", timeout: "soon" }] }), {
    code: "FL_PLAN_INVALID",
    message: /tasks\[0\]\.timeout must be a duration/,
  });
});
