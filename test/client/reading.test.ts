/** Reading an experiment's metrics and events: what is nobody's on an open subject is passed over. */
import test from "ava";
import { readEvents, readMetrics } from "../../src/client/reading.ts";
import type { Event, ExperimentRecord, Metric } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { FED, keptLog, quiet, testWorld } from "../support/ports.ts";

const record: ExperimentRecord = {
  ...{ v: 1, name: "x", owner: "ann", seq: 1, state: "in_progress", plan_digest: "0".repeat(64), rounds: 1 },
  submission: { v: 1, name: "x", plan: {}, archive: { object: "a", digest: "0".repeat(64) } },
  ...{ collaborators: ["a"], submitted_at: 0, started_at: 0, ended_at: null, failure: null, outcome: null },
};
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

async function scene(state: ExperimentRecord) {
  const world = testWorld();
  const writer = world.wire("writer");
  const rows = await writer.table(buckets.experiments);
  await rows.put({ exp: "x" }, state);
  const [metrics, events] = await Promise.all([writer.journal("metrics"), writer.journal("events")]);
  const metric = async (value: number, origin = "a"): Promise<void> => {
    const said: Metric = { v: 1, experiment: "x", round: 1, origin, task: "train", metric: "loss", value, at: 0 };
    await writer.append(subjects.metric, metrics, { exp: "x", origin }, said, `${origin}.${value}`);
  };
  const event = async (type: Event["type"]): Promise<void> => {
    const origin = "director";
    const said = { v: 1 as const, experiment: "x", type, origin, round: null, at: 0, detail: {}, failure: null };
    await writer.append(subjects.event, events, { exp: "x", origin }, said, type);
  };
  let n = 0;
  const litter = async (origin: string): Promise<void> => {
    for (const data of garbage) {
      const id = `garbage.${n++}`;
      await metrics.append(writer.subject(subjects.metric, { exp: "x", origin }), data, { id });
      await events.append(writer.subject(subjects.event, { exp: "x", origin }), data, { id });
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
  for await (const { value } of readMetrics(s.reader, "x")) values.push(value);
  t.deepEqual(values, [0.5, 0.25]);
  t.is(s.ports.counters.get("FL_MESSAGE_MALFORMED"), 2 * garbage.length);
  t.like(s.log.lines[0], { code: "FL_MESSAGE_MALFORMED", subject: "fl.v1.test.exp.x.metric.a", message: "dropped" });
  const types: string[] = [];
  for await (const { type } of readEvents(s.reader, "x")) types.push(type);
  t.deepEqual(types, ["experiment.started", "experiment.cancelled"]);
});

test("a reading ends where garbage is the last that was said", async (t) => {
  const s = await scene(ended);
  await s.metric(0.5);
  await s.litter("a");
  const values: number[] = [];
  for await (const { value } of readMetrics(s.reader, "x")) values.push(value);
  t.deepEqual(values, [0.5]);
});

test("whoever follows reads past garbage that comes meanwhile, to the experiment's end", async (t) => {
  const s = await scene(record);
  const values: number[] = [];
  const following = (async () => {
    for await (const { value } of readMetrics(s.reader, "x", { follow: true })) values.push(value);
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
