/** Buckets with news: what a watcher sees, whichever way it came. */
import test from "ava";
import type { RoundRecord } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { manualClock } from "../support/clock.ts";
import { quiet, testWorld } from "../support/ports.ts";

const round = (n: number): RoundRecord => ({
  ...{
    v: 1,
    experiment: "e",
    attempt: 1,
    epoch: 1,
    round: n,
    trained: 0,
    state: "open",
    assigned: {},
    deadline_at: null,
  },
  ...{ quorum: 1, opened_at: 0, plateau: null, kept: [] },
  ...{ model: null, specs: null, best: null, metrics: {}, state_ref: null, failure: null, outcome: null },
});

/** A writer of rounds, and a watcher that notes what it sees; `lose` drops what is told on the bus. */
async function scene(lose: () => boolean = () => false) {
  const clock = manualClock();
  const world = testWorld({ clock, lose: (subject) => subject.endsWith(".agg.round") && lose() });
  const rounds = await world.wire("aggregator").table(buckets.rounds);
  const ports = world.ports("north");
  const watcher = world.wire("north", () => ports.bus);
  const seen: (number | undefined)[] = [];
  const end = new AbortController();
  const watch = async (): Promise<void> => {
    const rows = await watcher.table(buckets.rounds);
    await rows.watch({ exp: "e" }, ({ value }) => seen.push(value?.round), end.signal);
  };
  const put = (n: number) => rounds.put({ exp: "e" }, round(n));
  return { world, clock, rounds, watch, seen, end, put };
}

test("a watcher sees what is there, and then every new value as it is told (O1)", async (t) => {
  const { watch, seen, put, end } = await scene();
  await put(1);
  await watch();
  t.deepEqual(seen, [1]);
  await put(2);
  await put(3);
  await quiet();
  t.deepEqual(seen, [1, 2, 3]);
  end.abort();
  await put(4);
  await quiet();
  t.deepEqual(seen, [1, 2, 3]);
});

test("what was not heard is found by looking, and comes once (O1)", async (t) => {
  let losing = true;
  const { watch, seen, put, clock } = await scene(() => losing);
  await watch();
  await put(1);
  await put(2);
  await quiet();
  t.deepEqual(seen, []);
  clock.advance(5_000);
  await quiet();
  t.deepEqual(seen, [2]);
  losing = false;
  await put(3);
  await quiet();
  clock.advance(5_000);
  await quiet();
  t.deepEqual(seen, [2, 3]);
});

test("an older value that is told late is not shown (O2)", async (t) => {
  const { world, watch, seen, put } = await scene();
  await put(1);
  await put(2);
  await watch();
  world.wire("late").publish(subjects.round, { exp: "e" }, { revision: 1, record: round(1) });
  await quiet();
  t.deepEqual(seen, [2]);
});

test("a value that is gone is shown as gone, once, and what comes after it is shown again", async (t) => {
  const { watch, seen, put, rounds, clock } = await scene();
  await put(1);
  await watch();
  await rounds.delete({ exp: "e" });
  for (const _ of [1, 2]) {
    clock.advance(5_000);
    await quiet();
  }
  t.deepEqual(seen, [1, undefined]);
  await put(2);
  await quiet();
  t.deepEqual(seen, [1, undefined, 2]);
});

test("a value that does not decode is counted and passed over", async (t) => {
  const { world, watch, seen, put } = await scene();
  await (await world.store.table({ name: "fl-test-rounds" })).put("e", Uint8Array.of(1, 2, 3));
  await watch();
  await put(2);
  await quiet();
  t.deepEqual(seen, [2]);
});
