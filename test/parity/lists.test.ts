/** What the lists and descriptions of a Director say: rows D04, D08, D09, D29, D30. */
import test from "ava";
import { openDesk } from "../../actors/director/desk.ts";
import { Envoys, type Shapes } from "../../actors/director/envoys.ts";
import { ended, started } from "../../actors/director/lifecycle.ts";
import { Records } from "../../actors/director/records.ts";
import { Rights } from "../../actors/director/rights.ts";
import { Federation } from "../../src/client/federation.ts";
import { FlError } from "../../src/errors.ts";
import type { ModelRef, Progress, RoundRecord } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { manualClock } from "../support/clock.ts";
import { FED, quiet, testWorld } from "../support/ports.ts";
import { recordOf } from "../support/record.ts";

type Teardown = { teardown(end: () => void): void };
const periodMs = 1_000;
const info = { v: 1 as const, description: "scans of 2019", sample_shape: [28, 28], target_shape: [10] };

async function scene(t: Teardown, shapes: Partial<Shapes> = {}) {
  const clock = manualClock();
  const world = testWorld({ clock });
  const wire = world.wire("director");
  const records = await Records.open(wire);
  const envoys = await Envoys.open(wire, { director: "director", periodMs, shapes });
  await wire.table(buckets.rounds);
  const rights = new Rights(records, []);
  t.teardown(openDesk({ wire, records, envoys, rights, holdOf: () => null }));
  const client = (secured: boolean, name = "ann"): Federation =>
    new Federation({ ports: world.ports(name), fed: FED, name, secured }, async () => {});
  return { clock, wire, records, envoys, client };
}

const model: ModelRef = { seq: 1, chunks: 1, bytes: 4, epoch: 1, round: 2, layout: "0".repeat(64) };
const round = (experiment: string, more: Partial<RoundRecord> = {}): RoundRecord => ({
  ...{ v: 1, experiment, attempt: 1, epoch: 1, round: 1, trained: 0, state: "open", assigned: {}, deadline_at: null },
  ...{ quorum: 1, opened_at: 0, plateau: null, kept: [], model: null, specs: null, best: null, metrics: {} },
  ...{ state_ref: null, failure: null, outcome: null, ...more },
});
const codeOf = async (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (e: unknown) => (e instanceof FlError ? e.code : String(e)),
  );

for (const secured of [true, false]) {
  const how = secured ? "asked of the Director" : "on an open server";

  test(`D04 the federation's shapes are what the Director was told, or the first shard's: ${how}`, async (t) => {
    const told = await scene(t, { sample_shape: [784], target_shape: [2] });
    t.deepEqual(await told.client(secured).shapes(), { sampleShape: [784], targetShape: [2] });
    const first = await scene(t, { target_shape: [10] });
    t.is(await codeOf(first.client(secured).shapes()), "FL_NOT_FOUND");
    t.true((await first.envoys.register("north", info)).accepted);
    t.deepEqual(await first.client(secured).shapes(), { sampleShape: [28, 28], targetShape: [10] });
  });

  test(`D29 the list says of each experiment its name, status, collaborators, tasks and progress: ${how}`, async (t) => {
    const { wire, records, client } = await scene(t);
    const plan = { rounds: 4, tasks: ["train", { task: "validate", on: "global" }] };
    await records.make(started(recordOf("runs", { seq: 1, plan }), ["a", "b"], 0));
    await records.make(recordOf("waits", { seq: 2, plan }));
    const outcome = { rounds: 2, metrics: {}, best: null, objects: { last: "stops.last", best: "stops.best" } };
    await records.make(
      ended(started(recordOf("stops", { seq: 3, plan }), ["a"], 0), { state: "finished", outcome }, 1),
    );
    await records.make(recordOf("bobs", { owner: "bob", seq: 4 }));
    const rows = await wire.table(buckets.rounds);
    await rows.put({ exp: "runs" }, round("runs", { round: 4 }));
    await rows.put({ exp: "stops" }, round("stops", { round: 3, state: "finished" }));
    const list = (await client(secured).list()).map(
      ({ name, state, collaborators, tasks, round, rounds, progress }) => [
        ...[name, state, collaborators.length, tasks, round, rounds, progress],
      ],
    );
    t.deepEqual(list, [
      ["runs", "in_progress", 2, 2, 4, 4, 0.75],
      ["waits", "pending", 0, 2, null, 4, 0],
      ["stops", "finished", 1, 2, 3, 4, 1],
    ]);
  });

  test(`D30 a description says the round, progress, models, tasks, and each collaborator's task and next one: ${how}`, async (t) => {
    const { wire, records, envoys, client } = await scene(t);
    const tasks = [{ task: "validate", on: "global" }, { task: "train" }];
    await records.make(started(recordOf("x", { plan: { rounds: 4, tasks } }), ["a", "b", "c"], 0));
    await envoys.register("a", info);
    const [rates, trains] = ["validate_global", "train"] as const;
    const best = { round: 1, metric: "m", value: 1, model };
    const assigned = { a: [rates, trains], b: [rates, trains] };
    await (await wire.table(buckets.rounds)).put(
      { exp: "x" },
      round("x", { round: 3, trained: 2, model, best, kept: [1], assigned }),
    );
    const peer = { done: 0, total: 0, bytes: 0, seen_at: 0 };
    const progress: Progress = {
      ...{ round: 3, rounds: 4, epoch: 1, state: "open", quorum: 2, deadline_at: null, waiting_for: null },
      peers: [
        { ...peer, name: "a", state: "working", doing: rates, done: 5, total: 10 },
        { ...peer, name: "b", state: "accepted", doing: "waiting" },
      ],
    };
    wire.publish(subjects.progress, { owner: "ann", exp: "x" }, progress);
    await quiet();
    const described = await client(secured).experiment("x").describe();
    t.like(described, { name: "x", state: "in_progress", round: 3, rounds: 4, progress: 0.5, waiting: null });
    t.deepEqual(described.models, { best: 1, last: 2, kept: [1] });
    t.deepEqual(described.tasks, [
      { label: rates, task: "validate", on: "global", trains: false },
      { label: trains, task: "train", on: null, trains: true },
    ]);
    const who = described.collaborators.map(({ name, online, state, round, task, next, done, total }) => [
      ...[name, online, state, round, task, next, done, total],
    ]);
    t.deepEqual(who, [
      ["a", true, "working", 3, rates, trains, 5, 10],
      ["b", false, "accepted", 3, null, null, 0, 0],
      ["c", false, "absent", 3, null, null, 0, 0],
    ]);
    t.is(await codeOf(client(secured, "bob").experiment("x").describe()), "FL_NOT_FOUND");
    await records.change("x", (record) => ({ record: ended(record, { state: "cancelled" }, 1) }));
    const after = await client(secured).experiment("x").describe();
    t.deepEqual(
      after.collaborators.map(({ state, round, task }) => [state, round, task]),
      [1, 2, 3].map(() => [null, null, null]),
      "none runs any more",
    );
  });
}

test("D08 the list of envoys says name, shapes, description, whether each is online and at what, since when, and for how long that counts", async (t) => {
  const { clock, envoys, records, client } = await scene(t);
  await records.make(started(recordOf("mine"), ["north"], 0));
  await records.make(started(recordOf("bobs", { owner: "bob", seq: 2 }), ["south"], 0));
  const at = clock.now();
  for (const name of ["south", "north", "east"]) await envoys.register(name, info);
  const runs = (experiment: string) => ({
    ...{ v: 1 as const, report: null, running: [{ experiment, state: "running" as const }] },
  });
  clock.advance(2 * periodMs);
  envoys.heartbeat("north", runs("mine"));
  envoys.heartbeat("south", runs("bobs"));
  clock.advance(periodMs);
  const list = await client(true).envoys();
  const { description, sample_shape, target_shape } = info;
  const same = { description, sample_shape, target_shape, registered_at: at, report: null, valid_ms: 2.5 * periodMs };
  const heard = at + 2 * periodMs;
  t.deepEqual(list, [
    { name: "east", ...same, online: false, seen_at: at, running: [] },
    { name: "north", ...same, online: true, seen_at: heard, running: [{ experiment: "mine", state: "running" }] },
    { name: "south", ...same, online: true, seen_at: heard, running: [{ experiment: null, state: "running" }] },
  ]);
});

test("D09 an envoy is listed from the instant it has registered, before its first heartbeat", async (t) => {
  const { envoys, client } = await scene(t);
  t.deepEqual(await client(true).envoys(), []);
  const registered = envoys.register("north", info);
  const during = await client(true).envoys();
  t.true((await registered).accepted);
  for (const list of [during, await client(true).envoys()]) {
    t.like(list[0], { name: "north", online: true, running: [], report: null });
  }
});
