/** An envoy's signs of life: H1–H4 of actors/envoy/heartbeats.ts. */
import test from "ava";
import { startHeartbeats } from "../../actors/envoy/heartbeats.ts";
import { defineMonitor, type GivenReport } from "../../src/parts/monitor.ts";
import type { Heartbeat, HeartbeatReply } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { manualClock } from "../support/clock.ts";
import { quiet, testWorld } from "../support/ports.ts";

const good: GivenReport = {
  ...{ at: 1, cpu: { count: 1, load: 0, model: "m" }, memory: { total: 2, free: 1 }, disk: { total: 9, free: 8 } },
  gpus: [
    {
      ...{ index: 0, name: "NVIDIA H200", memory_total: 10, memory_used: 4, utilisation: 0.5 },
      ...{ driver: "550.54.15", cuda: "12.4" },
    },
  ],
};

type Report = () => GivenReport | Promise<GivenReport>;

/** An envoy that beats, and a Director that hears it; `tick` moves time on and lets everything settle. */
function beating(t: { teardown(end: () => void): void }, { report = () => good }: { report?: Report } = {}) {
  const clock = manualClock();
  const world = testWorld({ clock });
  const heard: (Heartbeat & { at: number })[] = [];
  const start = clock.now();
  const state = { reply: { known: true, period_ms: 1_000 } as HeartbeatReply, unknown: 0 };
  const direct = (): (() => void) =>
    world.wire("director").serve(
      subjects.heartbeat,
      { envoy: "north" },
      (_, heartbeat) => {
        heard.push({ ...heartbeat, at: clock.now() - start });
        return state.reply;
      },
      () => ({ known: false, period_ms: 1_000 }),
    );
  const tick = async (ms: number, step = 50): Promise<void> => {
    for (let left = ms; left > 0; left -= step) {
      clock.advance(Math.min(step, left));
      await quiet(8);
    }
  };
  const begin = async (): Promise<() => void> => {
    const end = startHeartbeats({
      ...{ wire: world.wire("north"), envoy: "north", instance: "a", periodMs: 1_000 },
      monitor: defineMonitor({ name: "mine", report: () => report() }),
      running: () => [{ experiment: "x", state: "running" }],
      unknown: () => {
        state.unknown++;
      },
    });
    t.teardown(end);
    await quiet(8);
    return end;
  };
  return { clock, state, heard, direct, tick, begin };
}

test("D10 a heartbeat carries what its monitor reports: disk, and each GPU's name, memory, use, driver and CUDA version", async (t) => {
  const { heard, direct, begin } = beating(t);
  direct();
  await begin();
  t.deepEqual(heard, [
    { v: 1, instance: "a", report: good, running: [{ experiment: "x", state: "running" }], at: 0 },
  ] as unknown[]);
});

test("D05 the period is the Director's: what it says anew counts from the next beat on (H2)", async (t) => {
  const { state, heard, direct, begin, tick } = beating(t);
  direct();
  await begin();
  await tick(2_000);
  state.reply = { known: true, period_ms: 3_000 };
  await tick(7_000);
  t.deepEqual(
    heard.map((h) => h.at),
    [0, 1_000, 2_000, 3_000, 6_000, 9_000],
  );
});

test("D10 a monitor that throws stops no heartbeat; what it could not tell is missing", async (t) => {
  let calls = 0;
  const report = (): GivenReport => {
    if (calls++ === 1) throw new Error("no such sensor");
    return good;
  };
  const { heard, direct, begin, tick } = beating(t, { report });
  direct();
  await begin();
  await tick(2_000);
  t.deepEqual(
    heard.map((h) => [h.at, h.report === null]),
    [
      [0, false],
      [1_000, true],
      [2_000, false],
    ],
  );
});

test("D10 a monitor that hangs stops no heartbeat, and is not called a second time meanwhile (H1, H3)", async (t) => {
  let calls = 0;
  let release = (_: GivenReport): void => {};
  const report: Report = () => {
    if (calls++ > 0) return good;
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  const { heard, direct, begin, tick } = beating(t, { report });
  direct();
  await begin();
  await tick(2_500);
  t.deepEqual(
    heard.map((h) => [h.at, h.report]),
    [
      [500, null],
      [1_500, null],
      [2_500, null],
    ],
    "as often as the period says, each after half of it",
  );
  t.is(calls, 1);
  release(good);
  await tick(1_500);
  t.deepEqual(
    heard.slice(3).map((h) => [h.at, h.report === null]),
    [
      [3_000, false],
      [4_000, false],
    ],
  );
  t.is(calls, 3);
});

test("D07 heartbeats that fall into an outage are no end: the first Director there hears the next one (H4)", async (t) => {
  const { state, heard, direct, begin, tick } = beating(t);
  const die = direct();
  await begin();
  die();
  await tick(60_000);
  direct();
  state.reply = { known: false, period_ms: 1_000 };
  await tick(1_000);
  t.deepEqual(
    heard.map((h) => h.at),
    [0, 61_000],
  );
  t.is(state.unknown, 1, "one with an empty store asks it to register again");
});

test("an answer that is lost delays the next beat by nothing (H1)", async (t) => {
  const { state, heard, direct, begin, tick } = beating(t);
  state.reply = new Promise(() => {}) as never;
  direct();
  await begin();
  await tick(1_000);
  state.reply = { known: true, period_ms: 1_000 };
  await tick(2_000);
  t.deepEqual(
    heard.map((h) => Math.floor(h.at / 100)), // to a step of the clock
    [0, 10, 20, 30],
  );
});

test("once it has ended nothing more is said", async (t) => {
  const { clock, heard, direct, begin, tick } = beating(t);
  direct();
  const end = await begin();
  end();
  await tick(5_000);
  t.is(heard.length, 1);
  t.is(clock.waiting, 0);
});
