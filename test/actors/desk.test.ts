/**
 * The Director's desk as owners and envoys see it: who is told what, and what is given in frames. Each question is put twice,
 * by a client that asks for everything (a secured server's) and by one that reads where things are stored.
 */
import test from "ava";
import { fetchArchive } from "../../actors/archive.ts";
import { openDesk } from "../../actors/director/desk.ts";
import { Envoys } from "../../actors/director/envoys.ts";
import { ended, started } from "../../actors/director/lifecycle.ts";
import { Records } from "../../actors/director/records.ts";
import { Rights } from "../../actors/director/rights.ts";
import { Ledger } from "../../actors/ledger.ts";
import { Federation } from "../../src/client/federation.ts";
import { FlError } from "../../src/errors.ts";
import { CHUNK_BYTES } from "../../src/tensor/frame.ts";
import { type Layout, layoutOf, specsOf } from "../../src/tensor/layout.ts";
import { writeSafetensors } from "../../src/tensor/safetensors.ts";
import { bytesOf, publishModel } from "../../src/transfer/model-stream.ts";
import { upload } from "../../src/transfer/upload.ts";
import type { ExperimentRecord, ModelRef, RoundRecord } from "../../src/wire/messages.ts";
import { buckets, shelves, subjects } from "../../src/wire/table.ts";
import { FED, quiet, testWorld } from "../support/ports.ts";
import { recordOf } from "../support/record.ts";

const ARCHIVE = Uint8Array.from({ length: 2 * CHUNK_BYTES + 5 }, (_, i) => (i * 31) % 251);

type Teardown = { teardown(end: () => void): void };

/** A Director's desk, with an experiment of ann's that runs on north, and one of bob's that waits. */
async function scene(t: Teardown) {
  const world = testWorld();
  const wire = world.wire("director");
  const records = await Records.open(wire);
  const envoys = await Envoys.open(wire, { director: "director", periodMs: 10_000 });
  const archive = await upload(world.wire("ann"), "ann", ARCHIVE);
  const record = (name: string, owner: string): ExperimentRecord => {
    const of = recordOf(name, { owner, seq: name.length, rounds: 2 });
    return { ...of, submission: { ...of.submission, plan: { version: 1, rounds: 2 }, archive } };
  };
  await envoys.assign("north", await records.make(started(record("mine", "ann"), ["north"], 1)), "run");
  await records.make(record("theirs", "bob"));
  const end = openDesk({
    ...{ wire, records, envoys, rights: new Rights(records, ["boss"]) },
    holdOf: (name) => (name === "theirs" ? { ahead: ["mine"] } : null),
  });
  t.teardown(end);
  const client = (name: string, secured: boolean): Federation =>
    new Federation({ ports: world.ports(name), fed: FED, name, secured }, async () => {});
  /** what the Aggregator writes when it opens a round */
  const open = async (model: ModelRef | null, layout: Layout, more: Partial<RoundRecord> = {}): Promise<void> => {
    const round: RoundRecord = {
      ...{
        v: 1,
        experiment: "mine",
        attempt: 1,
        epoch: 1,
        round: 2,
        trained: 1,
        state: "open",
        assigned: { north: ["train"] },
      },
      ...{ deadline_at: null, model, specs: specsOf(layout), best: null, metrics: {}, state_ref: null },
      ...{ quorum: 1, opened_at: 0, plateau: null, kept: [], failure: null, outcome: null, ...more },
    };
    await (await wire.table(buckets.rounds)).put({ exp: "mine" }, round);
  };
  const finish = async (): Promise<void> => {
    const objects = { last: "mine.last", best: "mine.best" };
    const outcome = { rounds: 2, metrics: {}, best: null, objects };
    const told = { type: "experiment.finished" as const, round: null, detail: { attempt: 1 } };
    await envoys.release("north", "mine");
    await records.change("mine", (before) => ({ record: ended(before, { state: "finished", outcome }, 2), told }));
  };
  return { world, wire, records, envoys, client, open, finish, archive };
}

const refused = async (
  t: { is(a: unknown, b: unknown, c?: string): void },
  work: () => Promise<unknown>,
  code: string,
) => {
  const error = await work().then(
    () => undefined,
    (e: unknown) => e,
  );
  t.is(error instanceof FlError ? error.code : error, code, String(work));
};
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

for (const secured of [true, false]) {
  const how = secured ? "asked of the Director" : "read where it is stored";

  test(`D12 each owner sees its own experiments, and of another's not even that there are any: ${how}`, async (t) => {
    const { client, records } = await scene(t);
    const [ann, bob, boss] = ["ann", "bob", "boss"].map((name) => client(name, secured)) as [
      Federation,
      Federation,
      Federation,
    ];
    const names = async (f: Federation) => (await f.list()).map((r) => r.name);
    t.deepEqual(await names(ann), ["mine"]);
    t.deepEqual(await names(bob), ["theirs"]);
    t.deepEqual(await names(boss), ["mine", "theirs"]);
    t.is((await ann.experiment("mine").status()).experiment.owner, "ann");
    t.is((await boss.experiment("mine").status()).experiment.owner, "ann");
    for (const name of ["mine", "nothing"]) {
      await refused(t, () => bob.experiment(name).status(), "FL_NOT_FOUND");
      await refused(t, () => bob.experiment(name).record(), "FL_NOT_FOUND");
      await refused(t, () => bob.experiment(name).cancel(), "FL_NOT_FOUND");
      await refused(t, () => bob.experiment(name).model("last"), "FL_NOT_FOUND");
      await refused(t, () => all(bob.experiment(name).metrics()), "FL_NOT_FOUND");
      await refused(t, () => all(bob.experiment(name).events()), "FL_NOT_FOUND");
    }
    t.deepEqual(
      (await records.list()).map((r) => [r.state, r.order]),
      [
        ["in_progress", null],
        ["pending", null],
      ],
    );
    await ann.experiment("mine").cancel();
    await boss.experiment("theirs").cancel();
    t.like((await records.get("mine"))?.order, { verb: "cancel" });
    t.is((await records.get("theirs"))?.state, "cancelled");
  });

  test(`metrics and events come in order, from the first on, to the experiment's end: ${how}`, async (t) => {
    const { world, client, finish } = await scene(t);
    const ledger = await Ledger.open(world.wire("north"), { owner: "ann", exp: "mine" }, "north");
    const stranger = await Ledger.open(world.wire("x"), { owner: "bob", exp: "mine" }, "north");
    const measure = async (from: number, to: number): Promise<void> => {
      for (let round = from; round <= to; round++) {
        ledger.metrics(round, "train", { loss: round });
        stranger.metrics(round, "train", { loss: -round });
      }
      await Promise.all([ledger.settle(), stranger.settle()]);
    };
    await measure(1, 210); // more than a page
    const ann = client("ann", secured);
    const rounds = Array.from({ length: 210 }, (_, i) => i + 1);
    t.deepEqual(
      (await all(ann.experiment("mine").metrics({ follow: false }))).map((m) => m.value).sort((a, b) => a - b),
      rounds,
    );
    const following = all(ann.experiment("mine").metrics());
    const events = all(ann.experiment("mine").events());
    await quiet();
    await measure(211, 213);
    await quiet();
    await finish();
    t.deepEqual(
      (await following).map((m) => m.value).sort((a, b) => a - b),
      [...rounds, 211, 212, 213],
    );
    if (secured)
      t.deepEqual(
        (await events).map((e) => e.type),
        ["experiment.finished"],
      );
    t.is((await ann.experiment("mine").ended()).state, "finished");
  });

  test(`D26 a model is given to its owner, before the end and after: ${how}`, async (t) => {
    const { wire, client, open, finish } = await scene(t);
    const ann = client("ann", secured);
    const large = layoutOf([{ name: "w", dtype: "f32", shape: [(3 * CHUNK_BYTES) / 4 + 7] }]);
    const small = layoutOf([{ name: "w", dtype: "f32", shape: [5] }]);
    for (const layout of [large, small]) {
      const values = Float32Array.from({ length: layout.length }, (_, i) => Math.fround(i / 7));
      const place = { wire, journal: await wire.journal("model", "mine"), exp: "mine" };
      const ref = await publishModel(
        place,
        subjects.modelChunk,
        { epoch: 1, round: 2 },
        bytesOf(values),
        layout.digest,
      );
      await open(ref, layout);
      const { rounds, values: got } = await ann.experiment("mine").model("last");
      t.is(rounds, 1);
      t.is(Buffer.compare(bytesOf(got), bytesOf(values)), 0);
      await refused(t, () => ann.experiment("mine").model("best"), "FL_STATE");
    }
    const values = Float32Array.from({ length: large.length }, (_, i) => i);
    const shelf = await wire.shelf(shelves.models);
    for (const which of ["last", "best"]) {
      await shelf.put(`mine.${which}`, writeSafetensors(large, values, { rounds: which === "last" ? "2" : "1" }));
    }
    await finish();
    for (const [which, rounds] of [
      ["last", 2],
      ["best", 1],
    ] as const) {
      const model = await ann.experiment("mine").model(which);
      t.is(model.rounds, rounds);
      t.is(Buffer.compare(bytesOf(model.values), bytesOf(values)), 0);
    }
  });
}

for (const secured of [true, false]) {
  const how = secured ? "asked of the Director" : "read where it is stored";

  test(`D26 the model of a kept round is given by its number, while it runs and after; of none that is not kept: ${how}`, async (t) => {
    const { wire, client, open, finish } = await scene(t);
    const layout = layoutOf([{ name: "w", dtype: "f32", shape: [5] }]);
    const values = new Float32Array(5).fill(0.25);
    await (await wire.shelf(shelves.models)).put("mine.round-2", writeSafetensors(layout, values, { rounds: "2" }));
    await (await wire.shelf(shelves.models)).put("mine.round-1", writeSafetensors(layout, values, { rounds: "1" }));
    await open(null, layout, { kept: [2] });
    const mine = client("ann", secured).experiment("mine");
    for (const end of [async () => {}, finish]) {
      await end();
      t.like(await mine.model({ round: 2 }), { rounds: 2, which: { round: 2 } });
      t.deepEqual((await mine.roundModel(2, { as: "tensors" })).w?.values, values);
      await refused(t, () => mine.model({ round: 1 }), "FL_NOT_FOUND");
      await refused(t, () => client("bob", secured).experiment("mine").model({ round: 2 }), "FL_NOT_FOUND");
    }
  });
}

test("D26 nobody is given another's model or archive, whatever frame it asks for", async (t) => {
  const { world, client, open, wire } = await scene(t);
  const layout = layoutOf([{ name: "w", dtype: "f32", shape: [CHUNK_BYTES] }]);
  const place = { wire, journal: await wire.journal("model", "mine"), exp: "mine" };
  const ref = await publishModel(
    place,
    subjects.modelChunk,
    { epoch: 1, round: 2 },
    new Uint8Array(layout.bytes),
    layout.digest,
  );
  await open(ref, layout);
  const give = async (caller: string, what: object): Promise<number> => {
    const asked = { experiment: "mine", index: 0, ...what } as never;
    return (await world.wire(caller).request(subjects.give, { caller }, asked, { timeoutMs: 30_000 })).length;
  };
  const everything = [
    { what: "archive" },
    { what: "round", epoch: 1, round: 2 },
    { what: "last" },
    { what: "best" },
    { what: "kept", round: 2 },
  ];
  for (const what of everything) t.is(await give("bob", what), 0);
  t.true((await give("ann", everything[0]!)) > CHUNK_BYTES);
  t.true((await give("ann", everything[1]!)) > CHUNK_BYTES);
  t.is(await give("ann", everything[2]!), 0, "there is no last model yet");
  t.is(await give("ann", { what: "archive", index: 3 }), 0);
  t.is(await give("ann", { what: "round", epoch: 9, round: 2 }), 0);
  t.is(await give("ann", { what: "round", epoch: 1, round: 2, index: 99 }), 0);
  await refused(t, () => client("bob", true).experiment("mine").model("last"), "FL_NOT_FOUND");
});

test("D31 a workspace archive is given in chunks to the envoys that run the experiment, and to no other", async (t) => {
  const { world, archive, finish } = await scene(t);
  const north = { envoy: "north", experiment: "mine", archive };
  const signal = new AbortController().signal;
  t.is(Buffer.compare(await fetchArchive(world.wire("north"), north, signal), ARCHIVE), 0);
  const asks = async (envoy: string, experiment: string): Promise<number> =>
    (await world.wire(envoy).request(subjects.archive, { envoy }, { experiment, index: 0 }, { timeoutMs: 30_000 }))
      .length;
  t.true((await asks("north", "mine")) > CHUNK_BYTES);
  t.is(await asks("south", "mine"), 0);
  t.is(await asks("north", "theirs"), 0, "it waits: nothing is distributed yet");
  t.is(await asks("north", "nothing"), 0);
  await finish();
  t.is(await asks("north", "mine"), 0, "it has ended");
});

test("an envoy shows every owner that it is busy, and with what only to whose it is", async (t) => {
  const { envoys, client } = await scene(t);
  await envoys.register("north", { v: 1, description: "", sample_shape: [1], target_shape: [1] });
  const running = (["mine", "theirs"] as const).map((experiment) => ({ experiment, state: "running" as const }));
  envoys.heartbeat("north", { v: 1, report: null, running });
  const seen = async (name: string) => (await client(name, true).envoys())[0]!.running.map((r) => r.experiment);
  t.deepEqual(await seen("ann"), ["mine", null]);
  t.deepEqual(await seen("bob"), [null, "theirs"]);
  t.deepEqual(await seen("boss"), ["mine", "theirs"]);
  const { waiting } = await client("bob", true).experiment("theirs").status();
  t.deepEqual(waiting, { reason: "an experiment before it: 1 of other owners", for: [], ahead: [] });
});

test("without a Director an open server shows owners their own, and a secured one says that nobody answers", async (t) => {
  const world = testWorld();
  const records = await Records.open(world.wire("director"));
  await world.wire("director").table(buckets.rounds);
  for (const [seq, owner] of ["ann", "bob"].entries()) {
    await records.make(recordOf(`of-${owner}`, { owner, seq, state: "failed", ended_at: 1 }));
  }
  const client = (secured: boolean) =>
    new Federation({ ports: world.ports("ann"), fed: FED, name: "ann", secured }, async () => {});
  t.deepEqual(
    (await client(false).list()).map((r) => r.name),
    ["of-ann"],
  );
  t.like(await client(false).experiment("of-ann").status(), { director: false });
  await refused(t, () => client(false).experiment("of-bob").status(), "FL_NOT_FOUND");
  await refused(t, () => client(true).list(), "FL_NO_RESPONDER");
  await refused(t, () => client(true).experiment("of-ann").status(), "FL_NO_RESPONDER");
});
