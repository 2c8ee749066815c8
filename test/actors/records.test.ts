/** The experiments' public records: R1–R3 of actors/director/records.ts. */
import test from "ava";
import { Records } from "../../actors/director/records.ts";
import { readEvents } from "../../src/client/reading.ts";
import type { ExperimentRecord } from "../../src/wire/messages.ts";
import { buckets } from "../../src/wire/table.ts";
import { testWorld } from "../support/ports.ts";

const record = (seq: number): ExperimentRecord => ({
  v: 1,
  name: "x",
  owner: "ann",
  seq,
  state: "pending",
  submission: { v: 1, name: "x", plan: {}, archive: { digest: "0".repeat(64), bytes: 1 } },
  plan_digest: "0".repeat(64),
  rounds: 1,
  collaborators: [],
  reviews: [],
  submitted_at: 0,
  started_at: null,
  ended_at: null,
  failure: null,
  outcome: null,
});
const outcome = { rounds: 1, metrics: {}, best: null, objects: { last: "x.last", best: "x.best" } };

async function opened() {
  const wire = testWorld().wire("director");
  const records = await Records.open(wire);
  const told = async (): Promise<string[]> => {
    const types: string[] = [];
    for await (const event of readEvents(wire, await records.present("x"))) types.push(event.type);
    return types;
  };
  return { wire, records, told };
}

test("the first submission that takes a name has it (R1)", async (t) => {
  const { records } = await opened();
  t.is((await records.make(record(1))).seq, 1);
  t.is((await records.make(record(2))).seq, 1);
});

test("the first ending counts, and every step may be repeated (R2)", async (t) => {
  const { records, told } = await opened();
  await records.make(record(1));
  for (const _ of [1, 2]) await records.start("x", ["a"]);
  for (const _ of [1, 2]) await records.end("x", { state: "finished", outcome });
  await records.end("x", { state: "cancelled" });
  t.is((await records.get("x"))?.state, "finished");
  t.deepEqual(await told(), ["experiment.started", "experiment.finished"]);
});

test("what was recorded by a Director that died before it said so is announced by the next (R3)", async (t) => {
  const { wire, records, told } = await opened();
  await records.make(record(1));
  const rows = await wire.table(buckets.experiments);
  await rows.put({ exp: "x" }, { ...record(1), state: "in_progress", collaborators: ["a"], started_at: 1 });
  await records.start("x", ["a"]);
  await rows.put({ exp: "x" }, { ...record(1), state: "finished", ended_at: 2, outcome });
  await records.end("x", { state: "finished", outcome });
  t.deepEqual(await told(), ["experiment.started", "experiment.finished"]);
});
