/**
 * An aggregation on the bus: the same contract as any other, over memory with both sides in this process; and what happens
 * when one of the sides, or an answer, is lost.
 */
import test, { type ExecutionContext } from "ava";
import { aggregations } from "../../actors/aggregation/builtin.ts";
import { checkAggregation } from "../../actors/aggregation/guarded.ts";
import { RemoteAggregation } from "../../actors/aggregation/remote.ts";
import { serveAggregation } from "../../actors/aggregation/serve.ts";
import { type Code, FlError } from "../../src/errors.ts";
import { type Aggregation, type AggregationPart, defineAggregation, type Update } from "../../src/parts/aggregation.ts";
import type { Bus } from "../../src/ports.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { Wire } from "../../src/wire/wire.ts";
import { aggregate, aggregationContract } from "../contract/aggregation.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { FED, keptLog, quiet, type TestWorld, testWorld } from "../support/ports.ts";

// --- the contract ---------------------------------------------------------------------------------------------------

for (const name of ["fedavg", "median"] as const) {
  const part = aggregations[name] as AggregationPart;
  const world = testWorld();
  const stop = new AbortController();
  const { done } = serveAggregation({ wire: world.wire("actor"), name, part, stop: stop.signal });
  test.after.always(() => {
    stop.abort();
    return done;
  });
  let count = 0;
  const remote: AggregationPart = {
    name,
    create(options = {}) {
      part.create(options).dispose?.(); // options are the actor's to refuse, at `begin`: there is a test of it below
      return new RemoteAggregation({ wire: world.wire(`agg${++count}`), exp: `exp${count}`, name, options });
    },
  };
  aggregationContract(test, `${name} on the bus`, () => remote);
}

// --- what can be lost -----------------------------------------------------------------------------------------------

const layout = layoutOf([{ name: "w", dtype: "f32", shape: [200_000] }]); // two chunks
const valuesOf = (x: number): Float32Array => new Float32Array(layout.length).fill(x);
const update = (k: number, weight = 1): Update => ({ collaborator: `c${k}`, weight, values: valuesOf(k) });
const roundOf = (round: number) => ({ round, layout, global: valuesOf(0), weightBound: 10, updatesBound: 8 });
const finished = async (rule: Aggregation): Promise<number | undefined> => {
  const out = new Float32Array(layout.length);
  await rule.finish(out);
  return out[layout.length - 1];
};

type Actor = {
  readonly stop: AbortController;
  readonly service: ReturnType<typeof serveAggregation>;
  die(): Promise<void>;
};

/** An actor named `rule`; `die` is kill -9. */
function actor(t: ExecutionContext, world: TestWorld, part: AggregationPart, options?: Record<string, unknown>): Actor {
  const wire = world.wire("actor");
  const stop = new AbortController();
  const service = serveAggregation({ wire, name: "rule", part, stop: stop.signal, ...(options && { options }) });
  t.teardown(() => stop.abort());
  return { stop, service, die: () => wire.ports.bus.close() };
}

const remoteOn = (wire: Wire, options = {}, exp = "exp"): RemoteAggregation =>
  new RemoteAggregation({ wire, exp, name: "rule", options });

/** Lets a manual clock run until the promise settles. */
async function hurry<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  const over = (): void => {
    settled = true;
  };
  promise.then(over, over);
  for (await quiet(); !settled; await quiet()) clock.advance(100);
  return promise;
}

async function fails(t: ExecutionContext, promise: Promise<unknown>, code: Code): Promise<FlError> {
  const e = await t.throwsAsync(promise, { instanceOf: FlError });
  t.is(e?.code, code);
  return e as FlError;
}

/** A bus whose requests go another way. */
const asking = (bus: Bus, request: Bus["request"]): Bus => ({
  name: bus.name,
  maxPayload: bus.maxPayload,
  request,
  publish: bus.publish.bind(bus),
  subscribe: bus.subscribe.bind(bus),
  flush: bus.flush.bind(bus),
  onReconnect: bus.onReconnect.bind(bus),
  close: bus.close.bind(bus),
});

const fedavg = aggregations.fedavg as AggregationPart;

test("an actor that restarts in a round loses it: never a model of fewer updates (RE1)", async (t) => {
  const world = testWorld();
  const first = actor(t, world, fedavg);
  const rule = remoteOn(world.wire("agg"));
  await rule.begin(roundOf(1));
  await rule.accept(update(1));
  await first.die();
  actor(t, world, fedavg);
  await fails(t, rule.accept(update(4)), "FL_PART_LOST");
  await fails(t, rule.finish(valuesOf(0)), "FL_PART_LOST");
  await rule.begin(roundOf(1));
  await rule.accept(update(1));
  await rule.accept(update(4));
  t.is(await finished(rule), 2.5);
});

test("an actor that restarts before finish loses the round (RE1)", async (t) => {
  const world = testWorld();
  const first = actor(t, world, fedavg);
  const rule = remoteOn(world.wire("agg"));
  await rule.begin(roundOf(1));
  await rule.accept(update(1));
  await first.die();
  actor(t, world, fedavg);
  const e = await fails(t, rule.finish(valuesOf(0)), "FL_PART_LOST");
  t.true(e.retryable);
  t.regex(e.message, /aggregation rule has restarted/);
});

test("an actor that is gone is waited for ten seconds; if it comes back later the round stays lost (RE1)", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  const first = actor(t, world, fedavg);
  const rule = remoteOn(world.wire("agg"));
  await hurry(clock, rule.begin(roundOf(1)));
  await first.die();
  const before = clock.now();
  const e = await fails(t, hurry(clock, rule.accept(update(1))), "FL_PART_LOST");
  t.regex(e.message, /has not answered for 1[0-2] s/);
  const waited = clock.now() - before;
  t.true(waited >= 10_000 && waited < 12_500, `${waited} ms`);
  actor(t, world, fedavg);
  await fails(t, hurry(clock, rule.accept(update(1))), "FL_PART_LOST");
  await fails(t, hurry(clock, rule.finish(valuesOf(0))), "FL_PART_LOST");
});

test("an actor that is there but silent is given a minute: its rule may block it (RE1)", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  let silentUntil = 0;
  const wire = world.wire("agg", (bus) =>
    asking(bus, async (subject, data, options) => {
      if (clock.now() >= silentUntil) return bus.request(subject, data, options);
      await new Promise<void>((resolve) => clock.after(options.timeoutMs, resolve));
      throw new FlError("FL_TIMEOUT", { subject });
    }),
  );
  actor(t, world, fedavg);
  const rule = remoteOn(wire);
  await hurry(clock, rule.begin(roundOf(1)));
  silentUntil = clock.now() + 50_000;
  await hurry(clock, rule.accept(update(3)));
  silentUntil = clock.now() + 100_000;
  await fails(t, hurry(clock, rule.finish(valuesOf(0))), "FL_PART_LOST");
  t.true(clock.now() < silentUntil - 30_000);
});

test("an actor that cannot be reached for a moment loses nothing", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  let cut = false;
  const wire = world.wire("agg", (bus) =>
    asking(bus, (subject, data, options) =>
      cut ? Promise.reject(new FlError("FL_NO_RESPONDER", { subject })) : bus.request(subject, data, options),
    ),
  );
  actor(t, world, fedavg);
  const rule = remoteOn(wire);
  await hurry(clock, rule.begin(roundOf(1)));
  cut = true;
  clock.after(8_000, () => {
    cut = false;
  });
  await hurry(clock, rule.accept(update(3)));
  t.is(await hurry(clock, finished(rule)), 3);
});

/** Passes every request on, and says of the first of each kind that no answer came. */
const forgetful = (bus: Bus): Bus => {
  const seen = new Set<string>();
  return asking(bus, async (subject, data, options) => {
    const answer = await bus.request(subject, data, options);
    if (seen.has(subject)) return answer;
    seen.add(subject);
    throw new FlError("FL_TIMEOUT", { subject });
  });
};

test("an answer that is lost is asked for again, and nothing counts twice (RE3, HO4)", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  const calls: string[] = [];
  const counted = defineAggregation({
    name: "counted",
    create: () => {
      const inner = fedavg.create();
      return {
        begin(r) {
          calls.push("begin");
          return inner.begin(r);
        },
        accept(u) {
          calls.push(u.collaborator);
          return inner.accept(u);
        },
        finish(out) {
          calls.push("finish");
          return inner.finish(out);
        },
      };
    },
  });
  actor(t, world, counted);
  const rule = remoteOn(world.wire("agg", forgetful));
  for (const round of [1, 2]) {
    await hurry(clock, rule.begin(roundOf(round)));
    await hurry(clock, Promise.all([rule.accept(update(2)), rule.accept(update(4))]));
    t.is(await hurry(clock, finished(rule)), 3);
  }
  t.deepEqual(calls.slice(0, 4).toSorted(), ["begin", "c2", "c4", "finish"]);
  t.is(calls.length, 8);
});

test("begin waits for an actor that is started later, and says so once (RE4)", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  const wire = world.wire("agg");
  const log = keptLog();
  const rule = remoteOn(new Wire({ ...wire.ports, log }, FED));
  const begun = rule.begin(roundOf(1));
  for (let i = 0; i < 1_000; i++) {
    clock.advance(100);
    if (i % 50 === 0) await quiet();
  }
  actor(t, world, fedavg);
  await hurry(clock, begun);
  await hurry(clock, Promise.resolve(rule.accept(update(2))));
  t.is(await hurry(clock, finished(rule)), 2);
  t.deepEqual(
    log.lines.map((l) => l.message),
    ["waiting for the aggregation actor"],
  );
});

test("dispose ends every wait (RE4)", async (t) => {
  const rule = remoteOn(testWorld().wire("agg"));
  const begun = rule.begin(roundOf(1));
  await quiet();
  rule.dispose();
  await fails(t, begun, "FL_CLOSED");
});

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

test("a second Aggregator's round takes the place of the first one's (RE2)", async (t) => {
  const world = testWorld();
  actor(t, world, fedavg);
  const [old, next] = [remoteOn(world.wire("old")), remoteOn(world.wire("new"))];
  await old.begin(roundOf(1));
  await old.accept(update(1));
  await next.begin(roundOf(1));
  await next.accept(update(5));
  await fails(t, old.accept(update(2)), "FL_PART_LOST"); // still there, and does no harm
  t.is(await finished(next), 5);
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

// --- state from round to round ----------------------------------------------------------------------------------------

/** Adds this round's average to all the rounds before: what is lost or counted twice shows. The state is as large as the model. */
const summing = (made: Float32Array[][] = []): AggregationPart =>
  defineAggregation({
    name: "summing",
    create: () => {
      const inner = fedavg.create();
      let sum = new Float32Array(layout.length);
      const restored: Float32Array[] = [];
      made.push(restored);
      return {
        begin: (r) => inner.begin(r),
        accept: (u) => inner.accept(u),
        async finish(out) {
          await inner.finish(out);
          for (let j = 0; j < out.length; j++) out[j] = sum[j] = sum[j]! + out[j]!;
        },
        save: () => new Uint8Array(sum.buffer.slice(0)),
        restore(bytes) {
          sum = new Float32Array(bytes.slice().buffer);
          restored.push(sum);
        },
      };
    },
  });

const play = async (rule: Aggregation, round: number): Promise<number | undefined> => {
  await rule.begin(roundOf(round));
  await rule.accept(update(1));
  return finished(rule);
};

test("state stays with the actor from round to round, and the Aggregator has it too", async (t) => {
  const world = testWorld();
  const made: Float32Array[][] = [];
  actor(t, world, summing(made));
  const rule = remoteOn(world.wire("agg"));
  t.is(rule.save?.(), undefined);
  for (const round of [1, 2, 3]) t.is(await play(rule, round), round);
  t.is(new Float32Array(rule.save?.().slice().buffer ?? new ArrayBuffer(4))[0], 3);
  t.deepEqual(made, [[]]); // one instance, never restored
});

test("a restarted actor is given the state again", async (t) => {
  const world = testWorld();
  const first = actor(t, world, summing());
  const rule = remoteOn(world.wire("agg"));
  for (const round of [1, 2]) t.is(await play(rule, round), round);
  await first.die();
  actor(t, world, summing());
  t.is(await play(rule, 3), 3);
});

test("a restarted Aggregator's state counts, not what the actor has gone on to (HO3)", async (t) => {
  const world = testWorld();
  actor(t, world, summing());
  const rule = remoteOn(world.wire("agg"));
  t.is(await play(rule, 1), 1);
  const checkpoint = rule.save?.() as Uint8Array;
  t.is(await play(rule, 2), 2); // finished, but the Aggregator ended before it stored the model
  rule.dispose();
  const next = remoteOn(world.wire("next"));
  next.restore(checkpoint);
  t.is(await play(next, 2), 2);
  t.is(await play(next, 3), 3);
});

test("a round that was left open does not show in the state (HO3)", async (t) => {
  const world = testWorld();
  actor(t, world, summing());
  const rule = remoteOn(world.wire("agg"));
  t.is(await play(rule, 1), 1);
  await rule.begin(roundOf(2));
  await rule.accept(update(5));
  t.is(await play(rule, 3), 2);
});

// --- what is held -------------------------------------------------------------------------------------------------------

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
