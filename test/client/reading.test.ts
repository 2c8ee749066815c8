/** Reading an experiment's metrics and events: what is nobody's on an open subject is passed over. */
import test from "ava";
import { metricsForSinks, readEvents, readMetrics } from "../../src/client/reading.ts";
import type { Clock } from "../../src/ports.ts";
import type { Event, ExperimentRecord, Metric } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { manualClock } from "../support/clock.ts";
import { FED, keptLog, quiet, testWorld } from "../support/ports.ts";
import { recordOf } from "../support/record.ts";

const record = recordOf("x", { state: "in_progress", collaborators: ["a"], started_at: 0 });
const ended: ExperimentRecord = { ...record, state: "cancelled", ended_at: 1 };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
/** no JSON, JSON of another form, a newer version of the form, bytes, nothing */
const garbage = [
  text("hello"),
  text('{"loss":0.5}'),
  text('{"v":2}'),
  Uint8Array.of(0xc1, 0xff, 0x00),
  new Uint8Array(0),
];

async function scene(state: ExperimentRecord, clock?: Clock) {
  const world = testWorld({ clock });
  const writer = world.wire("writer");
  const rows = await writer.table(buckets.experiments);
  await rows.put({ exp: "x" }, state);
  const [metrics, events] = await Promise.all([writer.journal("metrics"), writer.journal("events")]);
  const metric = async (value: number, origin = "a"): Promise<void> => {
    const said: Metric = { v: 1, experiment: "x", round: 1, origin, task: "train", metric: "loss", value, at: 0 };
    await writer.append(subjects.metric, metrics, { owner: "ann", exp: "x", origin }, said, `${origin}.${value}`);
  };
  const event = async (type: Event["type"]): Promise<void> => {
    const origin = "director";
    const said = { v: 1 as const, experiment: "x", type, origin, round: null, at: 0, detail: {}, failure: null };
    await writer.append(subjects.event, events, { owner: "ann", exp: "x", origin }, said, type);
  };
  let n = 0;
  const litter = async (origin: string): Promise<void> => {
    for (const data of garbage) {
      const id = `garbage.${n++}`;
      await metrics.append(writer.subject(subjects.metric, { owner: "ann", exp: "x", origin }), data, { id });
      await events.append(writer.subject(subjects.event, { owner: "ann", exp: "x", origin }), data, { id });
    }
  };
  const log = keptLog();
  const ports = { ...world.ports("reader"), log };
  const reader = new Wire(ports, FED);
  return { reader, ports, log, metric, event, litter, end: () => rows.put({ exp: "x" }, ended) };
}

test("what does not decode is passed over, counted and logged with its subject; all else is read", async (t) => {
  const s = await scene(ended);
  await s.litter("a");
  await s.metric(0.5);
  await s.event("experiment.started");
  await s.litter("stranger");
  await s.metric(0.25);
  await s.event("experiment.cancelled");
  const values: number[] = [];
  for await (const { value } of readMetrics(s.reader, ended)) values.push(value);
  t.deepEqual(values, [0.5, 0.25]);
  t.is(s.ports.counters.get("FL_MESSAGE_MALFORMED"), 2 * garbage.length);
  t.like(s.log.lines[0], {
    code: "FL_MESSAGE_MALFORMED",
    subject: "fl.v1.test.owner.ann.x.metric.a",
    message: "dropped",
  });
  const types: string[] = [];
  for await (const { type } of readEvents(s.reader, ended)) types.push(type);
  t.deepEqual(types, ["experiment.started", "experiment.cancelled"]);
});

test("a reading ends where garbage is the last that was said", async (t) => {
  const s = await scene(ended);
  await s.metric(0.5);
  await s.litter("a");
  const values: number[] = [];
  for await (const { value } of readMetrics(s.reader, ended)) values.push(value);
  t.deepEqual(values, [0.5]);
});

test("whoever follows reads past garbage that comes meanwhile, to the experiment's end", async (t) => {
  const s = await scene(record);
  const values: number[] = [];
  const following = (async () => {
    for await (const { value } of readMetrics(s.reader, record, { follow: true })) values.push(value);
  })();
  await s.metric(0.5);
  await quiet();
  await s.litter("a");
  await s.metric(0.25);
  await s.litter("a");
  await quiet();
  t.deepEqual(values, [0.5, 0.25]);
  await s.end();
  await following;
  t.deepEqual(values, [0.5, 0.25]);
});

test("whoever follows events hears how the experiment ended, which its record says first (R3)", async (t) => {
  const s = await scene(record);
  const types: string[] = [];
  const following = (async () => {
    for await (const { type } of readEvents(s.reader, record, { follow: true })) types.push(type);
  })();
  await s.event("experiment.started");
  await s.end();
  await quiet();
  await s.event("experiment.cancelled");
  await following;
  t.deepEqual(types, ["experiment.started", "experiment.cancelled"]);
});

test("where the ending is not announced, as its Director died in between, following ends after a while (R3)", async (t) => {
  const clock = manualClock();
  const s = await scene(ended, clock);
  await s.event("experiment.started");
  let over = false;
  const following = (async () => {
    for await (const _ of readEvents(s.reader, ended, { follow: true }));
    over = true;
  })();
  for (let i = 0; i < 4; i++) {
    await quiet();
    t.false(over);
    clock.advance(1_000);
  }
  clock.advance(1_000);
  await following;
  const now: string[] = [];
  for await (const { type } of readEvents(s.reader, ended)) now.push(type);
  t.deepEqual(now, ["experiment.started"], "whoever does not follow does not wait");
});

test("a reading goes on behind a place, also one that is not there any more (R4)", async (t) => {
  const s = await scene(ended);
  for (const value of [0.5, 0.25, 0.125]) await s.metric(value);
  const source = metricsForSinks(s.reader, ended);
  const from = async (after: number): Promise<number[]> => {
    const values: number[] = [];
    for await (const { metric } of source.read(after)) values.push(metric.value);
    return values;
  };
  t.deepEqual(await from(0), [0.5, 0.25, 0.125]);
  t.deepEqual(await from(2), [0.125]);
  t.deepEqual(await from(3), []);
  t.deepEqual(await from(99), []);
  t.true(await source.has({ seq: 2, at: 0 }));
  t.false(await source.has({ seq: 2, at: 1 }));
  t.false(await source.has({ seq: 99, at: 0 }));
});
