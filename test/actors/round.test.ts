import test from "ava";
import { waitFor } from "xstate";
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { FlError } from "../../src/errors.ts";
import type { Aggregation } from "../../src/parts/aggregation.ts";
import { CHUNK_BYTES } from "../../src/tensor/frame.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { subjects } from "../../src/wire/table.ts";
import { hurried, manualClock } from "../support/clock.ts";
import { EXP, expected, experiment, fakeTrainer, gate, type Hook } from "../support/experiment.ts";
import { quiet } from "../support/ports.ts";

const everyone = ["a", "b", "c"];
const equal = (a: Float32Array, b: Float32Array): boolean => Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
const trained = (ran: readonly string[]): string[] => ran.filter((r) => r.includes(" train "));
const rounds = (name: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${name} train ${i + 1}`);

/** Small numbers that repeat: a shuffle that a failing test can show. */
function shuffle(seed: number): Hook {
  let state = seed * 2654435761;
  return async () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    for (let turns = state % 40; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  };
}

for (const [what, length] of [
  ["in its offer", 8],
  ["in three chunks", (2.5 * CHUNK_BYTES) / 4],
] as const) {
  test(`C03 D27 A06 three rounds end in the model that plain arithmetic gives, whatever order the updates come in: ${what}`, async (t) => {
    const want = expected(length, 3, () => everyone);
    for (const seed of length < 100 ? [1, 2, 3, 4, 5] : [6]) {
      const e = experiment(t, { length });
      const aggregator = await e.aggregator();
      const all = await Promise.all(
        everyone.map((name, i) => e.collaborator(name, fakeTrainer(length, shuffle(seed * 10 + i)))),
      );
      const output = await aggregator.done;
      t.like(output, { state: "finished", outcome: { rounds: 3, objects: { last: "e.last", best: "e.best" } } });
      t.true(equal(await e.model("last"), want), `seed ${seed}`);
      for (const { done, trainer } of all) {
        t.deepEqual(await done, { state: "ended" });
        t.true(trainer.disposed);
      }
      for (const [i, name] of everyone.entries()) t.deepEqual(trained(all[i]!.trainer.ran), rounds(name, 3));
      t.deepEqual(aggregator.ports.counters.all(), {});
    }
  });
}

test("A08 no round waits for the time to pass: a whole experiment runs on a clock that stands still", async (t) => {
  const e = experiment(t, { clock: manualClock() });
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((name) => e.collaborator(name)));
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3 } });
});

test("C19 the best model is the one that was rated best, which entered the round of its rating", async (t) => {
  // accuracy grows with the round, so the best model is the one that the rating round after the last sees
  const e = experiment(t);
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((name) => e.collaborator(name)));
  const output = await aggregator.done;
  t.like(output, { outcome: { best: { round: 3, metric: "validate_global.accuracy", value: 0.4 } } });
  t.true(equal(await e.model("best"), await e.model("last")));

  const worse = experiment(t, { plan: { best: { metric: "validate_global.accuracy", mode: "min" } } });
  const other = await worse.aggregator();
  await Promise.all(everyone.map((name) => worse.collaborator(name)));
  t.like(await other.done, { outcome: { best: { round: 0, value: 0.1 } } });
  t.true(
    equal(
      await worse.model("best"),
      expected(8, 0, () => everyone),
    ),
  );
});

test("metrics and events tell the whole story, once", async (t) => {
  const e = experiment(t, { plan: { rounds: 2 } });
  const aggregator = await e.aggregator();
  const all = await Promise.all(everyone.map((name) => e.collaborator(name)));
  await aggregator.done;
  await Promise.all(all.map((c) => c.done));
  const events = (await e.events()).map((v) => `${v.type} ${v.round} ${v.origin}`);
  const told = [0, 1, 2, 3].map((r) => `round.closed ${r} aggregator`);
  t.deepEqual(events, told);
  const metrics = (await e.metrics()).map((m) => `${m.round} ${m.origin} ${m.task}.${m.metric}`);
  t.is(new Set(metrics).size, metrics.length, "each value once");
  const names = ["train.loss", "train.samples", "validate_global.accuracy", "validate_global.samples"];
  const tuned = ["validate_tuned.accuracy", "validate_tuned.samples"];
  for (const origin of ["aggregator", ...everyone]) {
    const own = metrics.filter((m) => m.includes(` ${origin} `));
    const inRounds = [1, 2].flatMap((r) => [...names, ...tuned].map((n) => `${r} ${origin} ${n}`));
    const rating = names.slice(2).map((n) => `3 ${origin} ${n}`);
    t.deepEqual(own.sort(), [...inRounds, ...rating].sort());
  }
});

test("an Aggregator that dies in mid-round is replaced: same model, and nobody trains again (L1, C2)", async (t) => {
  const e = experiment(t);
  const held = gate();
  const reached = gate();
  const hold: Hook = async ({ task, round }) => {
    if (task !== "train" || round !== 2) return;
    reached.open();
    await held.opened;
  };
  const first = await e.aggregator();
  const all = await Promise.all(
    everyone.map((name) => e.collaborator(name, fakeTrainer(8, name === "c" ? hold : () => {}))),
  );
  await reached.opened;
  await waitFor(first.actor, ({ context }) => context.checkpoint.round === 2 && context.accepted.length === 2);
  await first.kill();
  t.is((await e.round())?.epoch, 1);

  const second = await e.aggregator();
  held.open();
  t.like(await second.done, { state: "finished", outcome: { rounds: 3 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, () => everyone),
    ),
  );
  for (const [i, name] of everyone.entries()) t.deepEqual(trained(all[i]!.trainer.ran), rounds(name, 3));
  t.is((await e.round())?.epoch, 2);
});

test("an Aggregator that is asked to leave leaves the experiment to the next one", async (t) => {
  const e = experiment(t);
  const first = await e.aggregator();
  const reached = gate();
  const hold: Hook = ({ round }) => (round === 2 ? reached.open() : undefined);
  const all = await Promise.all(everyone.map((name) => e.collaborator(name, fakeTrainer(8, hold))));
  await reached.opened;
  first.leave();
  t.deepEqual(await first.done, { state: "left" });
  t.is((await e.round())?.state, "open");
  const second = await e.aggregator();
  t.like(await second.done, { state: "finished" });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, () => everyone),
    ),
  );
  for (const [i, name] of everyone.entries()) t.deepEqual(trained(all[i]!.trainer.ran), rounds(name, 3));
});

test("a second Aggregator fences the first, which fails with FL_FENCED and writes nothing more (L2)", async (t) => {
  const e = experiment(t);
  const held = gate();
  const first = await e.aggregator();
  const hold: Hook = ({ task, round }) => (task === "train" && round === 1 ? held.opened : undefined);
  await Promise.all(everyone.map((name) => e.collaborator(name, fakeTrainer(8, hold))));
  await new Promise<void>((resolve) => {
    first.actor.subscribe(
      ({ context }) => context.checkpoint.round === 1 && context.expected.length === 3 && resolve(),
    );
  });
  const second = await e.aggregator();
  await waitFor(second.actor, ({ context }) => context.expected.length === 3); // the experiment is its own
  held.open();
  const outputs = await Promise.all([first.done, second.done]);
  t.like(outputs[1], { state: "finished" });
  t.like(outputs[0], { state: "failed", failure: { error: { code: "FL_FENCED" } } });
  t.like(await e.round(), { state: "finished", epoch: 2, failure: null });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, () => everyone),
    ),
  );
});

/** Adds to the mean what it added the round before, and half of the mean again: a rule that needs its past. */
function withMomentum(): Aggregation {
  const inner = fedavg.create();
  let past = new Float32Array(0);
  return {
    begin: async (round) => {
      if (past.length !== round.layout.length) past = new Float32Array(round.layout.length);
      await inner.begin(round);
    },
    accept: (update) => inner.accept(update),
    finish: async (out) => {
      await inner.finish(out);
      for (const i of out.keys()) {
        past[i] = past[i]! / 2 + out[i]! / 4;
        out[i]! += past[i]!;
      }
    },
    save: () => bytesOf(past).slice(),
    restore: (state) => {
      past = new Float32Array(state.slice().buffer);
    },
  };
}

test("C09 an aggregation's own state is part of the checkpoint: a replaced Aggregator arrives at the same model (L1)", async (t) => {
  const undisturbed = experiment(t);
  const one = await undisturbed.aggregator({ aggregation: withMomentum() });
  await Promise.all(everyone.map((n) => undisturbed.collaborator(n)));
  t.like(await one.done, { state: "finished" });
  const want = await undisturbed.model("last");
  t.false(
    equal(
      want,
      expected(8, 3, () => everyone),
    ),
    "the state matters",
  );

  const e = experiment(t);
  const reached = gate();
  const held = gate();
  const hold: Hook = ({ task, round }) => {
    if (task !== "train" || round !== 3) return;
    reached.open();
    return held.opened;
  };
  const first = await e.aggregator({ aggregation: withMomentum() });
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, hold))));
  await reached.opened;
  t.like(await e.round(), { round: 3, state_ref: { round: 3, epoch: 1 } });
  await first.kill();
  const second = await e.aggregator({ aggregation: withMomentum() });
  held.open();
  t.like(await second.done, { state: "finished" });
  t.true(equal(await e.model("last"), want));
});

test("a collaborator that dies in mid-round is replaced, and the model is the same (K3)", async (t) => {
  const e = experiment(t);
  const reached = gate();
  const never: Hook = ({ task, round }) => {
    if (task !== "train" || round !== 2) return;
    reached.open();
    return new Promise(() => {});
  };
  const aggregator = await e.aggregator();
  const [, b] = await Promise.all([
    e.collaborator("a"),
    e.collaborator("b", fakeTrainer(8, never)),
    e.collaborator("c"),
  ]);
  await reached.opened;
  await b!.kill();
  const again = await e.collaborator("b");
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, () => everyone),
    ),
  );
  t.deepEqual(trained(again.trainer.ran), ["b train 2", "b train 3"]);
});

test("a collaborator whose offer was cut off is replaced, and its update counts once", async (t) => {
  const length = (2.5 * CHUNK_BYTES) / 4;
  let cut = true;
  const reached = gate();
  const e = experiment(t, {
    length,
    clock: hurried(20), // a lost chunk is noticed by its timeout only
    lose: (subject) => {
      if (!cut || !/agg\.pull\.b$/.test(subject)) return false;
      reached.open();
      return true;
    },
  });
  const aggregator = await e.aggregator();
  const [, b] = await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(length))));
  await reached.opened;
  await b!.kill();
  cut = false;
  const again = await e.collaborator("b", fakeTrainer(length));
  t.like(await aggregator.done, { state: "finished" });
  t.true(
    equal(
      await e.model("last"),
      expected(length, 3, () => everyone),
    ),
  );
  t.deepEqual(trained(again.trainer.ran), rounds("b", 3));
});

test("a collaborator whose task fails is left out of that round only, and said so (A4, C3)", async (t) => {
  const e = experiment(t, { plan: { quorum: 2 } });
  const fails: Hook = ({ task, round }) => {
    if (task === "train" && round === 2) throw new FlError("FL_TASK_FAILED", { reason: "no" });
  };
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, n === "b" ? fails : undefined))));
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, (r) => (r === 2 ? ["a", "c"] : everyone)),
    ),
  );
  const failure = (await e.events()).find((v) => v.type === "collaborator.failed");
  t.like(failure, {
    round: 2,
    detail: { collaborator: "b", error: { code: "FL_TASK_FAILED", detail: { reason: "no" } } },
  });
});

test("where every update is needed, a task that fails ends the experiment with its own cause, for everyone", async (t) => {
  const e = experiment(t);
  const fails: Hook = ({ task, round }) => {
    if (task === "train" && round === 2) throw new FlError("FL_TASK_FAILED", { reason: "its own" });
  };
  const aggregator = await e.aggregator();
  const all = await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, n === "b" ? fails : undefined))));
  const failure = {
    role: "collaborator",
    name: "b",
    round: 2,
    error: { code: "FL_TASK_FAILED", detail: { reason: "its own" } },
  };
  t.like(await aggregator.done, { state: "failed", failure });
  t.like(await e.round(), { state: "failed", failure });
  for (const { done } of all) t.deepEqual(await done, { state: "ended" });
  const next = await e.aggregator();
  t.like(
    await next.done,
    { state: "failed", failure },
    "a restarted Aggregator says the same and resumes nothing (A1)",
  );
});

test("the initial model comes from the next collaborator when the first cannot make it (A3)", async (t) => {
  const e = experiment(t, { names: ["a", "b"] });
  const aggregator = await e.aggregator();
  const broken = fakeTrainer(8);
  broken.read = () => {
    throw new FlError("FL_TASK_FAILED", { reason: "no model" });
  };
  const b = await e.collaborator("b"); // it sees round 0 and is not asked at first
  const a = await e.collaborator("a", broken);
  await waitFor(b.actor, ({ context }) => context.place.round >= 1);
  t.is((await e.round())?.round, 1);
  await Promise.all([aggregator.kill(), a.kill(), b.kill()]);
});

test("a collaborator whose old work goes on when a new round begins never runs two at once (C1, E3)", async (t) => {
  const held = gate();
  const busy = gate();
  const slow: Hook = ({ task, round }) => {
    if (task !== "train" || round !== 1) return;
    busy.open();
    return held.opened; // whatever the signal says
  };
  const e = experiment(t, { plan: { quorum: 2, rounds: 2, tasks: ["train"] } });
  const aggregator = await e.aggregator();
  const [, , c] = await Promise.all(
    everyone.map((n) => e.collaborator(n, fakeTrainer(8, n === "c" ? slow : undefined))),
  );
  await busy.opened;
  const failed = { round: 1, epoch: 1, error: new FlError("FL_TASK_FAILED").toJSON() }; // out of this round, not the next
  await e.reader.request(subjects.taskFailed, { collaborator: "c", exp: EXP }, failed, { timeoutMs: 5_000 });
  await waitFor(c!.actor, ({ context }) => context.place.round === 2);
  await quiet(50); // whatever the new round could begin by now
  held.open();
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 2 } });
  t.deepEqual(trained(c!.trainer.ran), ["c train 2"], "what was called off has left nothing");
  t.true(
    equal(
      await e.model("last"),
      expected(8, 2, (r) => (r === 1 ? ["a", "b"] : everyone)),
    ),
  );
});

test("a plan that only rates is a federation that only rates: no tensors come up, and the model stays", async (t) => {
  const e = experiment(t, { plan: { rounds: 2, tasks: [{ task: "validate", on: "global" }] } });
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n)));
  t.like(await aggregator.done, {
    state: "finished",
    outcome: { rounds: 0, metrics: { "validate_global.samples": 15 } },
  });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 0, () => everyone),
    ),
  );
});

test("a reached target ends the training, and the final model is still rated (A3)", async (t) => {
  const stop = { metric: "validate_global.accuracy", atLeast: 0.2 };
  const e = experiment(t, { plan: { rounds: 50, stop } });
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n)));
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 2 } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 2, () => everyone),
    ),
  );
  t.is((await e.events()).at(-1)?.type, "round.closed");
});

test("live frames lost on the way change nothing: the record has them (D2)", async (t) => {
  let n = 0;
  const length = (1.5 * CHUNK_BYTES) / 4;
  const e = experiment(t, {
    length,
    plan: { rounds: 2 },
    lose: (subject) => /\.model\./.test(subject) && n++ % 2 === 0,
  });
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((name) => e.collaborator(name, fakeTrainer(length))));
  t.like(await aggregator.done, { state: "finished" });
  t.true(
    equal(
      await e.model("last"),
      expected(length, 2, () => everyone),
    ),
  );
});

test("cancelling ends the experiment for everyone, and a restarted Aggregator does not take it up again", async (t) => {
  const e = experiment(t);
  const reached = gate();
  const aggregator = await e.aggregator();
  const hold: Hook = ({ task, round, signal }) => {
    if (task !== "train" || round !== 2) return;
    reached.open();
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new FlError("FL_CANCELLED"))));
  };
  const all = await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, hold))));
  await reached.opened;
  aggregator.actor.send({ type: "cancel" });
  t.deepEqual(await aggregator.done, { state: "cancelled" });
  for (const { done } of all) t.deepEqual(await done, { state: "ended" });
  t.deepEqual(await (await e.aggregator()).done, { state: "cancelled" });
});

test("a collaborator that has left is silent: what its task still reports reaches no closed bus (V5)", async (t) => {
  const clock = manualClock();
  const e = experiment(t, { clock, names: ["a"], plan: { tasks: ["train"] } });
  await e.aggregator();
  const reached = gate();
  const held = gate();
  const hold: Hook = async ({ progress }) => {
    reached.open();
    await held.opened;
    progress(1, 2);
  };
  const a = await e.collaborator("a", fakeTrainer(8, hold));
  await reached.opened;
  clock.advance(1_000); // its last pulse is out, so that what follows would be a new one
  a.leave();
  t.deepEqual(await a.done, { state: "left" });
  await a.ports.bus.close();
  held.open();
  await quiet();
  clock.advance(10_000);
  t.deepEqual(a.ports.counters.all(), {});
});
