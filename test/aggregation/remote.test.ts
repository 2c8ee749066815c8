/**
 * An aggregation on the bus: the same contract as any other, over memory with both sides in this process; and what happens
 * when one of the sides, or an answer, is lost.
 */
import test from "ava";
import { aggregations } from "../../actors/aggregation/builtin.ts";
import { RemoteAggregation } from "../../actors/aggregation/remote.ts";
import { serveAggregation } from "../../actors/aggregation/serve.ts";
import { FlError } from "../../src/errors.ts";
import { type AggregationPart, defineAggregation } from "../../src/parts/aggregation.ts";
import type { Bus } from "../../src/ports.ts";
import { Wire } from "../../src/wire/wire.ts";
import { aggregationContract } from "../contract/aggregation.ts";
import { manualClock } from "../support/clock.ts";
import { FED, keptLog, quiet, testWorld } from "../support/ports.ts";
import {
  actor,
  asking,
  fails,
  fedavg,
  finished,
  hurry,
  remoteOn,
  roundOf,
  update,
  valuesOf,
} from "../support/remote.ts";

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
  t.is(rule.waitingFor, "nats:rule");
  actor(t, world, fedavg);
  await hurry(clock, begun);
  t.is(rule.waitingFor, null);
  await hurry(clock, Promise.resolve(rule.accept(update(2))));
  t.is(await hurry(clock, finished(rule)), 2);
  t.deepEqual(
    log.lines.map((l) => l.message),
    ["waiting for the aggregation actor"],
  );
});

test("an actor that is long at work is waited for, too, until it is done", async (t) => {
  const clock = manualClock();
  const world = testWorld({ clock });
  let letGo = (): void => {};
  const inner = fedavg.create();
  const slow = defineAggregation({
    name: "slow",
    create: () => ({
      begin: (r) => inner.begin(r),
      accept: async (u) => {
        await new Promise<void>((resolve) => {
          letGo = resolve;
        });
        await inner.accept(u);
      },
      finish: (out) => inner.finish(out),
    }),
  });
  actor(t, world, slow);
  const rule = remoteOn(world.wire("agg"));
  await hurry(clock, rule.begin(roundOf(1)));
  const taken = rule.accept(update(2));
  for (let i = 0; i < 30; i++) {
    await quiet();
    clock.advance(100);
  }
  t.is(rule.waitingFor, "nats:rule");
  letGo();
  await hurry(clock, taken);
  t.is(rule.waitingFor, null);
});

test("dispose ends every wait (RE4)", async (t) => {
  const rule = remoteOn(testWorld().wire("agg"));
  const begun = rule.begin(roundOf(1));
  await quiet();
  t.is(rule.waitingFor, "nats:rule");
  rule.dispose();
  await fails(t, begun, "FL_CLOSED");
  t.is(rule.waitingFor, null);
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
