/** Which models are kept, which one is the best, and where an experiment begins: in whole experiments over a memory world. */
import test from "ava";
import { layoutOf } from "../../src/tensor/layout.ts";
import { writeSafetensors } from "../../src/tensor/safetensors.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { upload } from "../../src/transfer/upload.ts";
import { decode } from "../../src/wire/codec.ts";
import { type Offer, offer } from "../../src/wire/messages.ts";
import { shelves, subjects } from "../../src/wire/table.ts";
import { expected, experiment, fakeTrainer, gate, type Hook } from "../support/experiment.ts";
import { testWorld } from "../support/ports.ts";

const equal = (a: Float32Array, b: Float32Array): boolean => Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
const everyone = ["a", "b", "c"];
const all = () => everyone;

test("C20 the models of kept rounds are to be had by number, while it runs and after; the record lists them", async (t) => {
  const e = experiment(t, { plan: { rounds: 5, checkpoints: { keep: "every 2" } } });
  const reached = gate();
  const held = gate();
  const hold: Hook = ({ task, round }) => {
    if (task !== "train" || round !== 4) return;
    reached.open();
    return held.opened;
  };
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, hold))));
  await reached.opened;
  t.deepEqual((await e.round())?.kept, [2]);
  t.true(equal(await e.model("round-2"), expected(8, 2, all)), "while it runs");
  held.open();
  t.like(await aggregator.done, { state: "finished" });
  t.deepEqual((await e.round())?.kept, [2, 4]);
  t.true(equal(await e.model("round-4"), expected(8, 4, all)));
  await t.throwsAsync(e.model("round-3"));
});

test("C20 of a number of newest rounds the older ones go when the record has gone on", async (t) => {
  const e = experiment(t, { plan: { rounds: 5, checkpoints: { keep: 2 }, tasks: ["train"] } });
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n)));
  t.like(await aggregator.done, { state: "finished" });
  t.deepEqual((await e.round())?.kept, [4, 5], "the last round's, too, where nothing rates it");
  t.true(equal(await e.model("round-5"), await e.model("last")));
  const shelf = await e.reader.shelf(shelves.models);
  const left = async (): Promise<string[]> => (await shelf.list()).map((o) => o.name).sort();
  while ((await left()).length > 4) await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(await left(), ["e.best", "e.last", "e.round-4", "e.round-5"]);
});

test("C20 an experiment that resumes from a kept round arrives at the undisturbed one's model, to the last bit", async (t) => {
  const world = testWorld();
  const e = experiment(t, { world, plan: { rounds: 5, checkpoints: { keep: "all" } } });
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n)));
  t.like(await aggregator.done, { state: "finished" });
  await e.recorded({ state: "finished" });

  const from = { experiment: "e", round: 2, resume: true };
  const again = experiment(t, { world, exp: "again", plan: { rounds: 5, from } });
  const resumed = await again.aggregator();
  const ran = await Promise.all(everyone.map((n) => again.collaborator(n)));
  t.like(await resumed.done, { state: "finished", outcome: { rounds: 5 } });
  t.deepEqual(
    ran[0]!.trainer.ran.filter((r) => r.includes("train")),
    ["a train 3", "a train 4", "a train 5"],
  );
  t.true(equal(await again.model("last"), await e.model("last")));

  const fresh = experiment(t, { world, exp: "fresh", plan: { rounds: 1, from: { ...from, resume: false } } });
  const first = await fresh.aggregator();
  const trained = await Promise.all(everyone.map((n) => fresh.collaborator(n)));
  t.like(await first.done, { state: "finished", outcome: { rounds: 1 } });
  t.true(trained[0]!.trainer.ran.includes("a train 1"), "without resume it counts from one");
});

test("C20 a model to begin with that there is not is told with what there is; another owner's is not there", async (t) => {
  const world = testWorld();
  const e = experiment(t, { world, plan: { rounds: 2, checkpoints: { keep: "all" } } });
  const aggregator = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n)));
  await aggregator.done;
  const why = async (exp: string, from: object, more: object = {}): Promise<string> => {
    const other = experiment(t, { world, exp, plan: { rounds: 2, from }, ...more });
    return JSON.stringify(await (await other.aggregator()).done);
  };
  t.regex(await why("b1", { experiment: "nobody" }), /FL_NOT_FOUND.*there is no experiment nobody/);
  await e.recorded({ owner: "eve" });
  t.regex(await why("b2", { experiment: "e" }), /FL_NOT_FOUND.*there is no experiment e/);
  await e.recorded();
  t.regex(await why("b3", { experiment: "e", round: 7 }), /FL_NOT_FOUND.*keeps no model of round 7; it keeps 1, 2/);
  t.regex(await why("b4", { experiment: "e", round: 2, resume: true }), /FL_PLAN_INVALID.*has 2 already/);
  const model = { object: "x", digest: "0".repeat(64) };
  t.regex(await why("b5", { experiment: "e" }, { model }), /FL_PLAN_INVALID.*give one of the two/);
});

test("C20 what is kept outlasts the Aggregator: its successor's list is whole", async (t) => {
  const e = experiment(t, { plan: { rounds: 4, checkpoints: { keep: "all" } } });
  const reached = gate();
  const held = gate();
  const hold: Hook = ({ task, round }) => {
    if (task !== "train" || round !== 3) return;
    reached.open();
    return held.opened;
  };
  const first = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, hold))));
  await reached.opened;
  await first.kill();
  const second = await e.aggregator();
  held.open();
  t.like(await second.done, { state: "finished" });
  t.deepEqual((await e.round())?.kept, [1, 2, 3, 4]);
  t.true(equal(await e.model("round-2"), expected(8, 2, all)));
});

test("a metric that gets no better for its patience ends the experiment, also across a restart", async (t) => {
  // the fake accuracy grows with the round, so as a min it is at its best in the first
  const stop = { metric: "validate_global.accuracy", patience: 3, mode: "min" };
  const e = experiment(t, { plan: { rounds: 50, stop } });
  const reached = gate();
  const held = gate();
  const hold: Hook = ({ task, round }) => {
    if (task !== "train" || round !== 3) return;
    reached.open();
    return held.opened;
  };
  const first = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, hold))));
  await reached.opened;
  t.deepEqual((await e.round())?.plateau, { value: 0.1, rounds: 1 });
  await first.kill();
  const second = await e.aggregator();
  held.open();
  t.like(await second.done, { state: "finished", outcome: { rounds: 4 } });
});

test("C21 an evaluation: one round on a given model, the mean of the ratings, no weights sent back", async (t) => {
  const world = testWorld();
  const layout = layoutOf([{ name: "w", dtype: "f32", shape: [8] }]);
  const values = Float32Array.from({ length: 8 }, (_, i) => i / 4);
  const bytes = writeSafetensors(layout, values, {});
  const model = await upload(world.wire("ann"), "ann", bytes);
  const sizes: number[] = [];
  const e = experiment(t, { world, model, plan: { rounds: 1, tasks: ["validate"] } });
  const ratings = everyone.map((name, i) => {
    const trainer = fakeTrainer(8);
    trainer.run = async () => {
      const held = new Float32Array(8);
      trainer.read(held);
      sizes.push(held.reduce((a, b) => a + b, 0));
      return { accuracy: 0.2 * (i + 1), samples: i + 1 };
    };
    return { name, trainer };
  });
  const offered: Offer[] = [];
  const spy = world.wire("spy");
  spy.ports.bus.subscribe(spy.wildcard(subjects.offer, {}), (m) => {
    offered.push(decode<Offer>(offer, m.data, m.contentType, m.subject));
  });
  const aggregator = await e.aggregator();
  await Promise.all(ratings.map(({ name, trainer }) => e.collaborator(name, trainer)));
  const output = await aggregator.done;
  t.like(output, { state: "finished", outcome: { rounds: 0, metrics: { "validate_global.samples": 6 } } });
  const { metrics } = (output as { outcome: { metrics: Record<string, number> } }).outcome;
  t.true(Math.abs(metrics["validate_global.accuracy"]! - (0.2 + 0.8 + 1.8) / 6) < 1e-12, "weighted by samples");
  t.deepEqual(sizes, [7, 7, 7], "everyone has rated the given model");
  t.true(equal(await e.model("last"), values));
  t.is((await e.round())?.round, 2, "one round and no more");
  t.deepEqual(
    offered.map(({ bytes: size, frame }) => [size, frame]),
    everyone.map(() => [0, undefined]),
    "ratings come back, no weights",
  );
});
