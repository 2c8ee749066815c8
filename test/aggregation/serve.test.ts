/** The side that serves an aggregation on the bus: what it answers, what it holds and when it lets go. */
import test from "ava";
import { checkAggregation } from "../../actors/aggregation/guarded.ts";
import { type AggregationPart, defineAggregation } from "../../src/parts/aggregation.ts";
import { aggregate } from "../contract/aggregation.ts";
import { manualClock } from "../support/clock.ts";
import { quiet, testWorld } from "../support/ports.ts";
import {
  actor,
  fails,
  fedavg,
  finished,
  hurry,
  layout,
  remoteOn,
  roundOf,
  update,
  valuesOf,
} from "../support/remote.ts";

test("a rule that takes long is not taken for a dead one (SA1)", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  let go = (): void => {};
  const free = new Promise<void>((resolve) => {
    go = resolve;
  });
  let accepts = 0;
  const slow = defineAggregation({
    name: "slow",
    create: () => {
      const inner = fedavg.create();
      return {
        begin: (r) => inner.begin(r),
        accept: async (u) => {
          accepts++;
          await free;
          await inner.accept(u);
        },
        finish: (out) => inner.finish(out),
      };
    },
  });
  actor(t, world, slow);
  const rule = remoteOn(world.wire("agg"));
  await hurry(clock, rule.begin(roundOf(1)));
  const taken = rule.accept(update(7));
  clock.after(60_000, go);
  await hurry(clock, taken);
  t.is(accepts, 1);
  t.is(await hurry(clock, finished(rule)), 7);
});

test("experiments are served side by side, each with its own options over the actor's", async (t) => {
  const world = testWorld();
  const seen: unknown[] = [];
  const part: AggregationPart = {
    name: "seen",
    create: (options) => {
      seen.push(options);
      return fedavg.create();
    },
  };
  const { service } = actor(t, world, part, { a: 1, b: 1 });
  const rules = [1, 2, 3].map((k) => remoteOn(world.wire(`agg${k}`), { b: k }, `exp${k}`));
  const results = await Promise.all(
    rules.map(async (rule, k) => {
      await rule.begin(roundOf(1));
      await Promise.all([rule.accept(update(k)), rule.accept(update(k + 4))]);
      return finished(rule);
    }),
  );
  t.deepEqual(results, [2, 3, 4]);
  t.deepEqual(
    seen,
    [1, 2, 3].map((b) => ({ a: 1, b })),
  );
  t.deepEqual([...service.experiments].sort(), ["exp1", "exp2", "exp3"]);
});

test("options that the rule does not know end the round with its own error", async (t) => {
  const world = testWorld();
  actor(t, world, fedavg);
  const rule = remoteOn(world.wire("agg"), { no_such_option: 1 });
  const e = await fails(t, rule.begin(roundOf(1)), "FL_PLAN_INVALID");
  t.regex(e.message, /no_such_option/);
});

test("what the user's rule throws comes back as FL_PART_FAILED", async (t) => {
  const world = testWorld();
  const broken = defineAggregation({
    name: "broken",
    create: () => ({
      begin() {},
      accept() {},
      finish() {
        throw new TypeError("undefined is not a number");
      },
    }),
  });
  actor(t, world, checkAggregation(broken, "./broken.ts"));
  const rule = remoteOn(world.wire("agg"));
  await rule.begin(roundOf(1));
  await rule.accept(update(1));
  const e = await fails(t, rule.finish(valuesOf(0)), "FL_PART_FAILED");
  t.regex(e.message, /undefined is not a number/);
});

test("an experiment whose Aggregator is gone is let go of (SE1)", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  let disposed = 0;
  const part = defineAggregation({
    name: "mine",
    create: () => Object.assign(fedavg.create(), { dispose: () => void disposed++ }),
  });
  const { service } = actor(t, world, part);
  const [gone, stays] = [remoteOn(world.wire("a"), {}, "gone"), remoteOn(world.wire("b"), {}, "stays")];
  for (const rule of [gone, stays]) await hurry(clock, rule.begin(roundOf(1)));
  const pass = async (): Promise<void> => {
    for (let i = 0; i < 8; i++) {
      clock.advance(10_000);
      await quiet();
    }
  };
  await pass();
  t.deepEqual([...service.experiments].sort(), ["gone", "stays"]);
  gone.dispose();
  await pass();
  t.deepEqual(service.experiments, ["stays"]);
  t.is(disposed, 1);
  await hurry(clock, stays.accept(update(2)));
  t.is(await hurry(clock, finished(stays)), 2);
});

test("leaving lets go of everything, and whoever asks waits for a successor (SA2)", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  const first = actor(t, world, fedavg);
  const rule = remoteOn(world.wire("agg"));
  await hurry(clock, rule.begin(roundOf(1)));
  first.stop.abort();
  await hurry(clock, first.service.done);
  t.deepEqual(first.service.experiments, []);
  const begun = rule.begin(roundOf(1));
  await quiet();
  actor(t, world, fedavg);
  await hurry(clock, begun);
  t.is(
    await hurry(
      clock,
      rule.accept(update(2)).then(() => finished(rule)),
    ),
    2,
  );
});

test("updates on their way share buffers, whatever their number (HO5)", async (t) => {
  const world = testWorld();
  actor(t, world, fedavg);
  const rule = remoteOn(world.wire("agg"));
  const updates = Array.from({ length: 40 }, (_, k) => ({
    collaborator: `c${k}`,
    weight: 1 + (k % 3),
    values: Float32Array.from({ length: layout.length }, (_x, i) => Math.cos(i * (k + 1))),
  }));
  const want = await aggregate(fedavg.create(), updates, layout);
  t.deepEqual(await aggregate(rule, updates, layout), want);
  await rule.begin({ ...roundOf(2), updatesBound: 40 });
  await Promise.all(updates.map((u) => rule.accept(u)));
  const out = new Float32Array(layout.length);
  await rule.finish(out);
  t.deepEqual(out, want);
});
