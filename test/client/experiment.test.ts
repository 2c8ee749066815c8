/** A program's handles on experiments, over a world in memory in which a test is the Director. */
import test from "ava";
import { type Ending, ended, started } from "../../actors/director/lifecycle.ts";
import { Records } from "../../actors/director/records.ts";
import { admit } from "../../actors/director/submissions.ts";
import { Ledger } from "../../actors/ledger.ts";
import { Federation } from "../../src/client/federation.ts";
import type { PreparedExperiment } from "../../src/client/prepare.ts";
import { type Code, FlError } from "../../src/errors.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { buckets } from "../../src/wire/table.ts";
import { sha256 } from "../../src/workspace/archive.ts";
import { FED, quiet, testWorld } from "../support/ports.ts";

const prepared = (name: string): PreparedExperiment => {
  const archive = Buffer.from("not opened here");
  return { name, plan: parsePlan({ version: 1, rounds: 2 }), archive, digest: sha256(archive), installed: {} };
};

async function setup() {
  const world = testWorld();
  const ports = world.ports("ann");
  let closed = 0;
  const federation = new Federation({ ports, fed: FED, name: "ann" }, async () => {
    closed++;
  });
  const wire = world.wire("director");
  const records = await Records.open(wire);
  const [submissions] = await Promise.all([wire.journal("submissions"), wire.table(buckets.rounds)]);
  /** takes in everything that was submitted so far */
  const direct = async (): Promise<void> => {
    for (let seq = 1; ; seq++) {
      const message = await submissions.read(seq);
      if (message === undefined) return;
      await admit({ wire, records, envoys: { names: () => [] } }, message);
    }
  };
  const start = (name: string) =>
    records.change(name, (record) => ({
      record: started(record, ["a"], 1),
      told: { type: "experiment.started", round: null, detail: {} },
    }));
  const end = (name: string, ending: Ending) =>
    records.change(name, (record) => ({
      record: ended(record, ending, 2),
      told: { type: `experiment.${ending.state}`, round: null, detail: {} },
    }));
  return { world, federation, wire, records, direct, start, end, closed: () => closed };
}

const fails = async (t: { is(a: unknown, b: unknown): void }, promise: Promise<unknown>, code: Code) => {
  const e = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  t.is(e instanceof FlError ? e.code : e, code);
  return e as FlError;
};

test("what is stored while no Director runs is waited for by its handle (X1)", async (t) => {
  const { federation, direct, start, end } = await setup();
  const submitted = await federation.submit(prepared("e"));
  t.like(submitted, { state: "stored", experiment: "e" });
  const mine = federation.experiment(submitted);
  await fails(t, federation.experiment("e").ended(), "FL_NOT_FOUND");
  let state: string | undefined;
  const ended = mine.wait().then((record) => {
    state = record.state;
    return record;
  });
  const events: string[] = [];
  const reading = (async () => {
    for await (const { type } of mine.events()) events.push(type);
  })();
  await quiet();
  t.is(state, undefined);
  await direct();
  await start("e");
  const outcome = { rounds: 2, metrics: {}, best: null, objects: { last: "e.last", best: "e.best" } };
  await end("e", { state: "finished", outcome });
  t.is((await ended).state, "finished");
  await reading;
  t.deepEqual(events, ["experiment.accepted", "experiment.started", "experiment.finished"]);
  t.deepEqual(
    (await federation.list()).map((r) => r.name),
    ["e"],
  );
});

test("of two submissions of one name, the handle of the second says that the name is taken (X1)", async (t) => {
  const { federation, direct } = await setup();
  const [first, second] = [await federation.submit(prepared("e")), await federation.submit(prepared("e"))];
  await direct();
  t.is((await federation.experiment(first).recorded()).seq, first.seq);
  for (const call of ["recorded", "ended", "wait"] as const) {
    await fails(t, federation.experiment(second)[call](), "FL_EXISTS");
  }
  await fails(t, federation.experiment(second).metrics().next(), "FL_EXISTS");
  t.is((await federation.experiment("e").recorded()).seq, first.seq);
});

test("wait rejects with what the experiment failed with, and where; ended does not", async (t) => {
  const { federation, direct, end } = await setup();
  for (const name of ["fails", "stops"]) await federation.submit(prepared(name));
  await direct();
  const error = new FlError("FL_TASK_FAILED", { reason: "no luck", task: "train" }).toJSON();
  await end("fails", { state: "failed", failure: { role: "collaborator", name: "b", round: 3, error } });
  await end("stops", { state: "cancelled" });
  const failed = federation.experiment("fails");
  t.is((await failed.ended()).state, "failed");
  const e = await fails(t, failed.wait(), "FL_TASK_FAILED");
  t.is(e.message, error.message);
  t.like(e.detail, { task: "train", role: "collaborator", name: "b", round: 3 });
  await fails(t, federation.experiment("stops").wait(), "FL_CANCELLED");
});

test("readers end with a signal's reason, with a loop that is left, and, if told not to follow, with what there is (X2)", async (t) => {
  const { federation, wire, direct, start } = await setup();
  const handle = federation.experiment(await federation.submit(prepared("e")));
  await direct();
  await start("e");
  const ledger = await Ledger.open(wire, { owner: "ann", exp: "e" }, "a");
  for (const round of [1, 2]) ledger.metrics(round, "train", { loss: 1 / round });
  await ledger.settle();
  const now: number[] = [];
  for await (const { round } of handle.metrics({ follow: false })) now.push(round);
  t.deepEqual(now, [1, 2]);
  for await (const { round } of handle.metrics()) if (round === 2) break;
  const stop = new AbortController();
  const reason = new Error("enough");
  const reading = (async () => {
    for await (const _ of handle.metrics({ signal: stop.signal }));
  })();
  await quiet();
  stop.abort(reason);
  t.is(await t.throwsAsync(reading), reason);
  const gone = new AbortController();
  gone.abort(reason);
  t.is(await t.throwsAsync(handle.ended(gone.signal)), reason);
});

test("sinks of one's own, built-in ones, and what none of them is", async (t) => {
  const { federation, wire, direct, start, end } = await setup();
  await federation.submit(prepared("e"));
  await direct();
  await start("e");
  const ledger = await Ledger.open(wire, { owner: "ann", exp: "e" }, "a");
  ledger.metrics(1, "train", { loss: 0.5 });
  await ledger.settle();
  await end("e", { state: "cancelled" });
  const seen: unknown[] = [];
  const { defineSink } = await import("../../src/parts/sink.ts");
  const own = defineSink({ name: "own", write: ({ origin, value }) => void seen.push([origin, value]) });
  const handle = federation.experiment("e");
  const poured = await handle.writeMetrics([own, "console"], { show: ({ metric }) => void seen.push(metric) });
  t.deepEqual(
    poured.map(({ sink, written, error }) => [sink, written, error]),
    [
      ["own", 1, null],
      ["console", 1, null],
    ],
  );
  t.deepEqual(seen.toSorted(), [["a", 0.5], "loss"].toSorted());
  await fails(t, handle.writeMetrics(["csb=x"]), "FL_PART_UNKNOWN");
  await fails(t, federation.experiment("ghost").writeMetrics(["console"]), "FL_NOT_FOUND");
});

test("without a Director: what is stored is told, and what needs one says so", async (t) => {
  const { federation, direct } = await setup();
  t.false(await federation.directed());
  t.deepEqual(await federation.shards(), []);
  await federation.submit(prepared("e"));
  await direct();
  const status = await federation.experiment("e").status();
  t.like(status, { director: false, progress: null, round: undefined });
  t.is(status.experiment.state, "pending");
  await fails(t, federation.experiment("e").cancel(), "FL_NO_RESPONDER");
  await fails(t, federation.experiment("e").model("best"), "FL_STATE");
  t.throws(() => federation.experiment("no name"), { instanceOf: FlError });
});

test("await using closes it", async (t) => {
  const { federation, closed } = await setup();
  {
    await using held = federation;
    t.is(held.fed, FED);
    t.is(held.name, "ann");
  }
  t.is(closed(), 1);
});
