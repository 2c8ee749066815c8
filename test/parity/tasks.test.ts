/** What a task is, and who is handed which: in whole experiments over a memory world. */
import test from "ava";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { expected, experiment, fakeTrainer, gate, type Hook } from "../support/experiment.ts";

const equal = (a: Float32Array, b: Float32Array): boolean => Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
const everyone = ["a", "b", "c"];

test("C01 each does each of its tasks once a round, waits meanwhile, and ends after the last", async (t) => {
  const e = experiment(t, { plan: { rounds: 2 } });
  const reached = gate();
  const held = gate();
  const hold: Hook = ({ task, round, collaborator }) => {
    if (task !== "train" || round !== 2 || collaborator !== "c") return;
    reached.open();
    return held.opened;
  };
  const first = await e.aggregator();
  const all = await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, hold))));
  await reached.opened;
  await first.kill(); // whoever asks again is not given again what it has done
  const second = await e.aggregator();
  held.open();
  t.like(await second.done, { state: "finished" });
  for (const [i, name] of everyone.entries()) {
    t.deepEqual(await all[i]!.done, { state: "ended" });
    const round = (r: number): string[] => ["validate", "train", "validate"].map((task) => `${name} ${task} ${r}`);
    t.deepEqual(all[i]!.trainer.ran, [...round(1), ...round(2), `${name} validate 3`]);
  }
});

test("C31 several tasks that train follow each other, each under its own name, and count together", async (t) => {
  const tasks = ["train", { task: "train", label: "polish" }, { task: "validate", on: "tuned" }];
  const e = experiment(t, { plan: { rounds: 2, tasks } });
  const aggregator = await e.aggregator();
  const all = await Promise.all(everyone.map((n) => e.collaborator(n)));
  const output = await aggregator.done;
  t.like(output, { state: "finished", outcome: { rounds: 2, metrics: { "train.samples": 6, "polish.samples": 6 } } });
  for (const { trainer } of all) t.is(trainer.ran.filter((r) => r.includes("train")).length, 4);
  const labels = new Set((await e.metrics()).map((m) => m.task));
  t.deepEqual([...labels].sort(), ["polish", "train", "validate_tuned"]);
  // the fake trains by adding what (collaborator, round, element) give, so twice is twice that
  const once = expected(8, 1, () => everyone);
  const start = expected(8, 0, () => everyone);
  const twice = await e.model("last");
  t.false(
    equal(
      twice,
      expected(8, 2, () => everyone),
    ),
  );
  const second = experiment(t, { plan: { rounds: 1, tasks } });
  const other = await second.aggregator();
  await Promise.all(everyone.map((n) => second.collaborator(n)));
  await other.done;
  for (const [i, x] of (await second.model("last")).entries()) {
    t.true(Math.abs(x - start[i]! - 2 * (once[i]! - start[i]!)) < 1e-6);
  }
});

test("a task of the workspace that does not train may be the only one somebody does: it brings no update", async (t) => {
  const groups = [
    { name: "trainers", collaborators: ["a", "b"], tasks: ["train"] },
    { name: "auditors", collaborators: ["c"], tasks: ["audit"] },
  ];
  const e = experiment(t, {
    plan: {
      tasks: ["train", { task: "audit", trains: false, label: "audit" }],
      assigner: { use: "groups", options: { groups } },
    },
  });
  const auditor = fakeTrainer(8);
  auditor.run = async () => {
    auditor.write(new Float32Array(8).fill(99));
    return { fairness: 0.5 };
  };
  const aggregator = await e.aggregator();
  await Promise.all([e.collaborator("a"), e.collaborator("b"), e.collaborator("c", auditor)]);
  t.like(await aggregator.done, { state: "finished", outcome: { rounds: 3, metrics: { "audit.fairness": 0.5 } } });
  t.true(
    equal(
      await e.model("last"),
      expected(8, 3, () => ["a", "b"]),
    ),
  );
});
