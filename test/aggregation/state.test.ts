/** A rule's own state from round to round, when it runs on the bus and either side restarts. */
import test from "ava";
import { type Aggregation, type AggregationPart, defineAggregation } from "../../src/parts/aggregation.ts";
import { testWorld } from "../support/ports.ts";
import { actor, fedavg, finished, layout, remoteOn, roundOf, update } from "../support/remote.ts";

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
