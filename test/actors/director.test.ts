/**
 * A Director and what is asked of it, over a memory world: what its machine, records, line and desk do together.
 */
import test, { type ExecutionContext } from "ava";
import { readMetrics } from "../../src/client/reading.ts";
import { systemClock } from "../../src/clock.ts";
import { FlError } from "../../src/errors.ts";
import type { Clock } from "../../src/ports.ts";
import type { ExperimentRecord } from "../../src/wire/messages.ts";
import type { Ordered } from "../../src/wire/requests.ts";
import { subjects } from "../../src/wire/table.ts";
import { fast, manualClock } from "../support/clock.ts";
import { type Death, directing } from "../support/director.ts";
import { quiet } from "../support/ports.ts";

type Scene = ReturnType<typeof directing>;
const verbs = { pause: subjects.pause, resume: subjects.resume, cancel: subjects.cancel, remove: subjects.remove };
type Verb = keyof typeof verbs | "retry" | "fail";

const order = (s: Scene, verb: Verb, experiment: string, caller = "ann"): Promise<Ordered> => {
  const options = { timeoutMs: 10_000 };
  if (verb === "retry") return s.wire.request(subjects.retry, { caller }, { experiment, fresh: false }, options);
  if (verb === "fail") return s.wire.request(subjects.fail, { caller }, { experiment, reason: "enough" }, options);
  return s.wire.request(verbs[verb], { caller }, { experiment }, options);
};
const outcome = { rounds: 3, metrics: {}, best: null, objects: { last: "x.last", best: "x.best" } };
const finish = (s: Scene, exp: string): void => s.aggregators.get(exp)?.({ state: "finished", outcome });
const is = (state: ExperimentRecord["state"]) => (r: ExperimentRecord | undefined) => r?.state === state;
const types = async (s: Scene, exp: string) => (await s.told(exp)).map((e) => e.type.slice("experiment.".length));

async function scene(
  t: ExecutionContext,
  config: Parameters<Scene["start"]>[0] = {},
  envoys = ["a"],
  clock: Clock = systemClock,
) {
  const s = directing(t, { clock });
  const director = await s.start(config);
  for (const envoy of envoys) await s.envoy(envoy);
  return { ...s, director };
}

test("D14 D37 experiments run in the order of their submission, and what is told of each is its life", async (t) => {
  const s = await scene(t);
  for (const name of ["x", "y"]) await s.submit(name);
  await s.running("x");
  t.deepEqual(await s.assigned("a"), ["x 1"]);
  t.is((await s.experiment("y"))?.state, "pending");
  finish(s, "x");
  await s.running("y");
  t.deepEqual(await s.assigned("a"), ["y 1"]);
  t.like(await s.experiment("x"), { state: "finished", outcome });
  finish(s, "y");
  await s.until("y", is("finished"));
  t.deepEqual(await s.assigned("a"), []);
  t.deepEqual(await types(s, "x"), ["accepted", "started", "finished"]);
  t.deepEqual(await types(s, "y"), ["accepted", "waiting", "started", "finished"]);
});

test("D39 paused, it frees its envoys and the queue goes on; resumed, it goes on before the others with those it had", async (t) => {
  const s = await scene(t);
  for (const name of ["x", "y", "z"]) await s.submit(name);
  await s.running("x");
  t.like(await order(s, "pause", "x"), { ok: true, state: "paused" });
  t.is((await s.round("x"))?.state, "open", "that is its checkpoint");
  await s.running("y");
  t.deepEqual(await s.assigned("a"), ["y 1"]);
  t.like(await order(s, "resume", "x"), { ok: true, state: "pending" });
  t.like(await order(s, "resume", "x"), { ok: true, state: "pending" }, "once more is no harm");
  finish(s, "y");
  t.is((await s.running("x", 2)).epoch, 2, "it goes on from its round record");
  t.deepEqual(await s.assigned("a"), ["x 2"]);
  finish(s, "x");
  await s.running("z");
  t.deepEqual(await types(s, "x"), ["accepted", "started", "paused", "resumed", "waiting", "started", "finished"]);
});

test("what waits is paused and resumed, too, and priority moves it", async (t) => {
  const s = await scene(t);
  for (const name of ["x", "y", "z"]) await s.submit(name);
  await s.running("x");
  await s.until("z", is("pending"));
  t.like(await order(s, "pause", "y"), { ok: true, state: "paused" });
  const up = { experiment: "z", priority: 1 };
  t.like(await s.wire.request(subjects.priority, { caller: "ann" }, up, { timeoutMs: 10_000 }), { ok: true });
  await order(s, "resume", "y");
  finish(s, "x");
  await s.running("z");
  t.is((await s.experiment("y"))?.state, "pending", "resumed, but of a lower priority");
  t.deepEqual((await s.wire.request(subjects.priority, { caller: "ann" }, up, { timeoutMs: 10_000 })).ok, true);
});

test("a submission's own priority counts before its plan's", async (t) => {
  const s = await scene(t);
  await s.submit("x");
  await s.running("x");
  await s.submit("y", { priority: 5 });
  await s.submit("z", { priority: 1 }, "ann", { priority: 9 });
  await s.until("z", is("pending"));
  finish(s, "x");
  await s.running("z");
  t.pass();
});

test("D17 D16 set failed by its owner, or by an envoy that takes part, it fails with that reason and stays failed", async (t) => {
  const s = await scene(t, {}, ["a", "b"]);
  await s.submit("x", { collaborators: ["a"] });
  await s.running("x");
  t.like(await order(s, "fail", "x"), { ok: true });
  const failed = await s.until("x", is("failed"));
  t.like(failed?.failure, { role: "owner", name: "ann", error: { code: "FL_SET_FAILED" } });
  t.regex(failed!.failure!.error.message, /enough/);
  t.like(await s.round("x"), { state: "failed", failure: { role: "owner" } });
  t.like(await order(s, "fail", "x"), { ok: true, state: "failed" });
  t.like(await order(s, "cancel", "x"), { ok: false, error: { code: "FL_STATE" } });

  await s.submit("y", { collaborators: ["a"] });
  await s.running("y");
  const error = new FlError("FL_SHARD_FAILED", { reason: "the disk is full" }).toJSON();
  const told = (envoy: string) =>
    s.wire.request(subjects.envoyFails, { envoy, exp: "y" }, { error }, { timeoutMs: 10_000 });
  t.like(await told("b"), { ok: false, error: { code: "FL_NOT_FOUND" } });
  t.like(await told("a"), { ok: true });
  t.like((await s.until("y", is("failed")))?.failure, { role: "envoy", name: "a", error });
});

test("retried, it goes through the queue as another attempt; what has finished, or runs, cannot be", async (t) => {
  const s = await scene(t);
  await s.submit("x");
  await s.running("x");
  t.like(await order(s, "retry", "x"), { ok: false, error: { code: "FL_STATE" } });
  await order(s, "fail", "x");
  await s.until("x", is("failed"));
  t.like(await order(s, "retry", "x"), { ok: true });
  await s.running("x", 2);
  t.like(await order(s, "retry", "x"), { ok: true, state: "in_progress" }, "it was heard");
  finish(s, "x");
  t.like(await s.until("x", is("finished")), { attempt: 2, failure: null, outcome });
  t.like(await order(s, "retry", "x"), { ok: false, error: { code: "FL_STATE" } });
  t.deepEqual(await types(s, "x"), ["accepted", "started", "failed", "retried", "started", "finished"]);
});

test("what was refused when it was taken in can be retried when its cause is mended", async (t) => {
  const s = await scene(t);
  await s.submit("x", { round: 3 });
  t.like((await s.until("x", is("failed")))?.failure, { error: { code: "FL_PLAN_INVALID" } });
  t.like(await order(s, "retry", "x"), { ok: false, error: { code: "FL_PLAN_INVALID" } });
});

test("D21 D23 rejected in review, nothing of it reaches an envoy, and the next one runs; retried, it is reviewed again", async (t) => {
  let approved = false;
  const s = await scene(t, { approve: async (name) => approved || name === "y" });
  await s.submit("x");
  await s.submit("y");
  t.like(await s.until("x", is("rejected")), { failure: { error: { code: "FL_REJECTED" } }, collaborators: [] });
  await s.running("y");
  t.deepEqual(await s.assigned("a"), ["y 1"]);
  finish(s, "y");
  approved = true;
  t.like(await order(s, "retry", "x"), { ok: true });
  await s.running("x", 2);
  t.deepEqual(await types(s, "x"), ["accepted", "rejected", "retried", "started"]);
});

test("while the Director's reviewer takes time it is in review, out of the line, and can be withdrawn", async (t) => {
  const s = await scene(t, { approve: (name) => (name === "x" ? new Promise(() => {}) : Promise.resolve(true)) });
  await s.submit("x");
  await s.until("x", is("in_review"));
  await s.submit("y");
  await s.running("y");
  t.like(await order(s, "pause", "x"), { ok: true, state: "paused" });
  t.like(await order(s, "resume", "x"), { ok: true });
  await s.until("x", is("in_review"));
  t.like(await order(s, "cancel", "x"), { ok: true, state: "cancelled" });
});

test("D23 whoever follows the metrics of an experiment that is rejected, or never starts, is done when it has ended", async (t) => {
  let decide = (_: boolean): void => {};
  const approve = () =>
    new Promise<boolean>((resolve) => {
      decide = resolve;
    });
  const s = await scene(t, { approve });
  await s.submit("x");
  const owned = (await s.until("x", is("in_review")))!;
  const read = (async () => {
    for await (const _ of readMetrics(s.wire, owned, { follow: true })) t.fail();
  })();
  await quiet();
  decide(false);
  await read;
  t.is((await s.experiment("x"))?.state, "rejected");
});

test("D28 only its owner gives orders on an experiment: another's have no effect and are refused", async (t) => {
  const s = await scene(t);
  await s.submit("x");
  await s.running("x");
  for (const verb of ["pause", "resume", "cancel", "fail", "retry", "remove"] as const) {
    t.like(await order(s, verb, "x", "mallory"), { ok: false, error: { code: "FL_NOT_FOUND" } }, verb);
  }
  t.like(await s.experiment("x"), { state: "in_progress", order: null });
  t.like(await order(s, "pause", "nothing"), { ok: false, error: { code: "FL_NOT_FOUND" } });
});

test("D28 removed, nothing is left of it, be it running, waiting or over, and its name is free", async (t) => {
  const s = await scene(t);
  for (const name of ["x", "y"]) await s.submit(name);
  await s.running("x");
  const chunk = { owner: "ann", digest: (await s.experiment("x"))!.submission.archive.digest, index: 0 };
  t.not(await (await s.wire.journal("uploads")).last(s.wire.subject(subjects.uploadChunk, chunk)), undefined);
  for (const name of ["y", "x"]) {
    t.deepEqual(await order(s, "remove", name), { ok: true });
    t.is(await s.experiment(name), undefined);
    t.is(await s.round(name), undefined);
    t.deepEqual(await s.told(name), []);
  }
  t.deepEqual(await s.assigned("a"), []);
  t.is(await (await s.wire.journal("uploads")).last(s.wire.subject(subjects.uploadChunk, chunk)), undefined);
  t.like(await order(s, "remove", "x"), { ok: false, error: { code: "FL_NOT_FOUND" } });
  await s.wire.append(
    subjects.submit,
    await s.wire.journal("submissions"),
    { owner: "bob" },
    { v: 1, name: "x", plan: { version: 1, rounds: 1 }, archive: { digest: "0".repeat(64), bytes: 1 } },
    "again",
  );
  t.like(await s.until("x", is("failed")), { owner: "bob", attempt: 1 });
});

test("D15 two experiments on disjoint envoys run at the same time, and one that waits for an envoy holds up none", async (t) => {
  const s = await scene(t, { limit: 3 }, ["a", "b"]);
  await s.submit("x", { collaborators: ["a"] });
  await s.submit("absent", { collaborators: ["c"] });
  await s.submit("busy", { collaborators: ["a"] });
  await s.submit("y", { collaborators: ["b"] });
  await Promise.all([s.running("x"), s.running("y")]);
  t.deepEqual([...s.aggregators.keys()].sort(), ["x", "y"]);
  t.deepEqual([await s.assigned("a"), await s.assigned("b")], [["x 1"], ["y 1"]]);
  const status = async (experiment: string) =>
    (await s.wire.request(subjects.status, { caller: "ann" }, { experiment }, { timeoutMs: 10_000 })).status;
  t.like((await status("busy"))?.waiting, { ahead: ["x"] });
  t.like((await status("absent"))?.waiting, { for: ["c"] });
  finish(s, "x");
  await s.running("busy");
  t.is((await s.experiment("absent"))?.state, "pending");
});

test("who comes after the start joins if the plan lets it, once it has approved; at the end all are free", async (t) => {
  const s = await scene(t, {}, ["a"]);
  await s.submit("x", { join: true });
  await s.running("x");
  t.deepEqual((await s.experiment("x"))?.collaborators, ["a"]);
  await s.envoy("no", false);
  await s.envoy("b");
  const names = (r: ExperimentRecord | undefined) => r?.collaborators.join(" ");
  await s.until("x", (r) => names(r) === "a b");
  await s.untilAssigned("b", ["x 1 run"]);
  await s.untilAssigned("no", []);
  await order(s, "pause", "x");
  await s.until("x", is("paused"));
  t.deepEqual([await s.assigned("a"), await s.assigned("b"), await s.assigned("no")], [[], [], []]);
  await order(s, "resume", "x");
  await s.running("x", 2);
  t.is(
    names(await s.experiment("x")),
    "a b",
    "it goes on with those it had, and who would not join keeps nobody from it",
  );
  finish(s, "x");
  t.is((await s.until("x", is("finished")))?.failure, null);
  t.deepEqual([await s.assigned("a"), await s.assigned("b")], [[], []]);

  await s.submit("y", { collaborators: ["a", "b"], join: false, quorum: 1 });
  await s.running("y");
  await s.envoy("c");
  await quiet();
  t.is(names(await s.experiment("y")), "a b");
});

test("whoever waits for an envoy has it before an experiment that it might join; that has it when it is free", async (t) => {
  const s = await scene(t, { limit: 2 }, ["a"]);
  await s.submit("x", { join: true });
  await s.running("x");
  await s.submit("y", { collaborators: ["b"] });
  await s.until("y", is("pending"));
  await s.envoy("b");
  await s.running("y");
  t.deepEqual((await s.experiment("x"))?.collaborators, ["a"]);
  finish(s, "y");
  await s.until("x", (r) => r?.collaborators.length === 2);
  await s.untilAssigned("b", ["x 1 run"]);
  await s.submit("z", { collaborators: ["b"] });
  await s.until("z", is("pending"));
  await quiet();
  const z = await s.wire.request(subjects.status, { caller: "ann" }, { experiment: "z" }, { timeoutMs: 10_000 });
  t.like(z.status?.waiting, { ahead: ["x"] });
});

test("a Director that comes later gives it to those who have joined, and takes it back from all", async (t) => {
  const s = await scene(t, {}, ["a"]);
  await s.submit("x", { join: true });
  await s.running("x");
  await s.envoy("b");
  await s.untilAssigned("b", ["x 1 run"]);
  s.director.kill();
  await s.start();
  for (const envoy of ["a", "b", "c"]) await s.envoy(envoy);
  await s.untilAssigned("c", ["x 1 run"]);
  t.like(await order(s, "cancel", "x"), { ok: true });
  await s.until("x", is("cancelled"));
  for (const envoy of ["a", "b", "c"]) t.deepEqual(await s.assigned(envoy), [], envoy);
});

test("an Aggregator is told the devices of the envoys that take part, and of no others", async (t) => {
  const s = await scene(t, {}, ["a", "b"]);
  await s.submit("x", { collaborators: ["a"] });
  await s.running("x");
  const { envoys } = await s.wire.request(subjects.devices, { exp: "x" }, {}, { timeoutMs: 10_000 });
  t.deepEqual(
    envoys.map((e) => e.name),
    ["a"],
  );
  t.like(await s.wire.request(subjects.devices, { exp: "y" }, {}, { timeoutMs: 10_000 }), {
    ...{ envoys: [], error: { code: "FL_NOT_FOUND" } },
  });
});

test("an envoy that may be shared runs several", async (t) => {
  const s = await scene(t, { limit: 2, share: true });
  await s.submit("x");
  await s.submit("y");
  await Promise.all([s.running("x"), s.running("y")]);
  t.deepEqual((await s.assigned("a")).sort(), ["x 1", "y 1"]);
});

test("D39 an experiment that has not ended by its deadline fails with that cause, while it runs, waits or rests", async (t) => {
  const clock = manualClock();
  const s = await scene(t, {}, ["a"], clock);
  await s.submit("x", { timeLimit: 300 });
  for (const name of ["y", "z"]) await s.submit(name);
  await s.running("x");
  await s.until("z", is("pending"));
  await order(s, "pause", "z");
  const soon = (experiment: string) => ({ experiment, at: clock.now() + 300, within_ms: null });
  for (const name of ["y", "z"]) {
    t.like(await s.wire.request(subjects.deadline, { caller: "ann" }, soon(name), { timeoutMs: 10_000 }), { ok: true });
  }
  clock.advance(299);
  await quiet();
  t.is((await s.experiment("x"))?.state, "in_progress");
  clock.advance(1);
  for (const name of ["x", "y", "z"]) {
    const { failure, deadline_at } = (await s.until(name, is("failed")))!;
    t.like(failure, { role: "director", name: "director", error: { code: "FL_DEADLINE", detail: { deadline_at } } });
  }
  t.like(await s.round("x"), { state: "failed" }, "its collaborators see it");
  t.deepEqual(await s.assigned("a"), []);
});

test("a deadline that passes while no Director runs is kept by the next", async (t) => {
  const clock = manualClock();
  const s = await scene(t, {}, ["a"], clock);
  await s.submit("x", { timeLimit: 50 });
  await s.running("x");
  s.director.kill();
  clock.advance(60);
  t.is((await s.experiment("x"))?.state, "in_progress");
  await s.start();
  await quiet();
  clock.advance(1);
  t.like((await s.until("x", is("failed")))?.failure, { error: { code: "FL_DEADLINE" } });
});

// --- kill -9 at any point ---------------------------------------------------------------------------------------------

type Ask = (verb: Verb, experiment: string) => Promise<Ordered>;
type Work = (t: ExecutionContext, s: Scene, ask: Ask, at: string) => Promise<void>;

/** Does it with a Director that dies at one of its writes, and another that comes then. @returns whether it came to that */
async function disturbed(t: ExecutionContext, death: Death, work: Work): Promise<boolean> {
  const s = directing(t, { clock: fast(20) });
  const alive = setInterval(() => {}, 1_000); // the clock's own timers keep no test waiting
  const config = { periodMs: 10_000_000 }; // its envoy registers once, and is online for as long as it takes
  let director = await s.start(config, death);
  let lost = director.died;
  let died = false;
  let over = false;
  const back = lost.then(async () => {
    if (over) return;
    died = true;
    director = await s.start(config);
    lost = director.died;
    await s.envoy("a");
  });
  const answered = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (;;) {
      const answer = await Promise.race([ask().catch(() => undefined), lost.then(() => undefined)]);
      if (answer !== undefined) return answer;
      await (died ? back : new Promise((resolve) => setImmediate(resolve))); // it may only have been slow
    }
  };
  await answered(() => s.envoy("a").then(() => true));
  await work(t, s, (verb, exp) => answered(() => order(s, verb, exp)), `${death.how} write ${death.at}`);
  over = true;
  clearInterval(alive);
  director.kill();
  return died;
}

for (const [what, work] of [
  [
    "paused and resumed",
    async (t: ExecutionContext, s: Scene, ask: Ask, at: string) => {
      await s.submit("x");
      await s.running("x");
      await ask("pause", "x");
      await s.until("x", is("paused"));
      t.deepEqual(await s.assigned("a"), [], at);
      await ask("resume", "x");
      await s.running("x", 2);
      finishWhen(s, "x");
      t.like(await s.until("x", is("finished")), { attempt: 2, outcome }, at);
      t.deepEqual(await s.assigned("a"), [], at);
      t.deepEqual(
        (await types(s, "x")).filter((type) => type !== "waiting"),
        ["accepted", "started", "paused", "resumed", "started", "finished"],
        at,
      );
    },
  ],
  [
    "cancelled and retried",
    async (t: ExecutionContext, s: Scene, ask: Ask, at: string) => {
      await s.submit("x");
      await s.running("x");
      await ask("cancel", "x");
      await s.until("x", is("cancelled"));
      t.deepEqual(await s.assigned("a"), [], at);
      t.is((await s.round("x"))?.state, "cancelled", at);
      await ask("retry", "x");
      await s.running("x", 2);
      finishWhen(s, "x");
      t.like(await s.until("x", is("finished")), { attempt: 2, outcome }, at);
      t.deepEqual(
        (await types(s, "x")).filter((type) => type !== "waiting"),
        ["accepted", "started", "cancelled", "retried", "started", "finished"],
        at,
      );
    },
  ],
  [
    "failed by its owner and removed",
    async (t: ExecutionContext, s: Scene, ask: Ask, at: string) => {
      await s.submit("x");
      await s.running("x");
      await ask("fail", "x");
      t.like((await s.until("x", is("failed")))?.failure, { role: "owner", error: { code: "FL_SET_FAILED" } }, at);
      await ask("remove", "x");
      await s.until("x", (r) => r === undefined);
      t.is(await s.round("x"), undefined, at);
      t.deepEqual(await s.told("x"), [], at);
    },
  ],
] as const) {
  test(`D37 D39 killed at any of its writes while an experiment is ${what}, the next Director ends where an undisturbed one does`, async (t) => {
    for (const how of ["before", "after"] as const) {
      for (let at = 1; ; at++) {
        const died = await disturbed(t, { at, how }, work);
        if (!died) break;
        t.true(at < 100);
      }
    }
  });
}

/** The Aggregator that runs, whichever Director's it is, ends well. */
function finishWhen(s: Scene, exp: string): void {
  const look = (): void => {
    if (s.aggregators.has(exp)) finish(s, exp);
    void s.experiment(exp).then((r) => {
      if (r?.state === "in_progress" || r?.state === "pending") setImmediate(look);
    });
  };
  look();
}
