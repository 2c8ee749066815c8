import test from "ava";
import { type Job, runTasks } from "../../actors/collaborator/work.ts";
import { systemClock } from "../../src/clock.ts";
import type { Splits } from "../../src/data/shard.ts";
import type { RunContext, Trainer } from "../../src/engine/engine.ts";
import { FlError } from "../../src/errors.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { layoutOf } from "../../src/tensor/layout.ts";

const layout = layoutOf([{ name: "w", dtype: "f32", shape: [2] }]);
const split = { size: 5, samples: new Float32Array(5), targets: new Float32Array(5) };
const data: Splits = { train: split, validation: split };
const plan = parsePlan({
  ...{ version: 1, rounds: 3, seed: 9 },
  tasks: [
    { task: "validate", on: "global" },
    "train",
    { task: "validate", on: "tuned" },
    { task: "polish", on: "global" },
  ],
});

/** Adds 1 in `train`, 10 in `polish`, and writes down which weights each task saw. */
function fakeTrainer(extra: Partial<Record<string, (context: RunContext) => Record<string, number>>> = {}) {
  const weights = new Float32Array(2);
  const saw: string[] = [];
  const contexts: RunContext[] = [];
  const trainer: Trainer = {
    layout,
    tasks: ["train", "validate", "polish"],
    read: (out) => out.set(weights),
    write: (values) => weights.set(values),
    run: async (task, context) => {
      saw.push(`${task} ${weights[0]}`);
      contexts.push(context);
      context.progress(1, 2);
      const own = extra[task]?.(context);
      if (own !== undefined) return own;
      if (task === "validate") {
        weights.fill(-99); // a rating that leaves a mess behind
        return { accuracy: 0.5, samples: 5 };
      }
      for (const i of weights.keys()) weights[i]! += task === "train" ? 1 : 10;
      return task === "train" ? { loss: 1, samples: 60 } : { loss: 2 };
    },
    save: async () => {},
    dispose: () => {},
    memory: () => ({ tensors: 0 }),
  };
  return { trainer, saw, contexts };
}

const job = (trainer: Trainer, labels: readonly string[], more: Partial<Job> = {}): Job => ({
  ...{ plan, trainer, data, collaborator: "a", round: 2, labels },
  ...{ global: Float32Array.of(100, 100), update: new Float32Array(2), signal: new AbortController().signal },
  clock: systemClock,
  progress: () => {},
  measured: () => {},
  ...more,
});

test("a task on global sees the weights that entered the round, one on tuned what was left by those before (K1)", async (t) => {
  const plain = parsePlan({
    ...{ version: 1, rounds: 1 },
    tasks: ["train", { task: "validate", on: "global", label: "g" }, { task: "validate", on: "tuned", label: "u" }],
  });
  const { trainer, saw } = fakeTrainer({ validate: () => ({ accuracy: 1 }) });
  const j = job(trainer, ["train", "g", "u"], { plan: plain });
  await runTasks(j);
  t.deepEqual(saw, ["train 100", "validate 100", "validate 101"]);
  t.deepEqual([...j.update], [101, 101]);
});

test("a rating never changes what comes after it, whatever it does to the weights (K2)", async (t) => {
  const { trainer, saw } = fakeTrainer();
  const j = job(trainer, ["validate_global", "train", "validate_tuned"]);
  const { trained } = await runTasks(j);
  t.true(trained);
  t.deepEqual(saw, ["validate 100", "train 100", "validate 101"]);
  t.deepEqual([...j.update], [101, 101]);
});

test("a training task on global begins from the global weights, and what it makes is the update (K1)", async (t) => {
  const { trainer, saw } = fakeTrainer();
  const j = job(trainer, ["train", "polish_global"]);
  await runTasks(j);
  t.deepEqual(saw, ["train 100", "polish 100"]);
  t.deepEqual([...j.update], [110, 110]);
});

test("a job that only rates leaves the update untouched and says that nothing was trained", async (t) => {
  const { trainer } = fakeTrainer();
  const j = job(trainer, ["validate_global"]);
  const { metrics, trained, weight } = await runTasks(j);
  t.false(trained);
  t.is(weight, 5, "the size of its data, as nothing says over how many samples it was trained");
  t.deepEqual([...j.update], [0, 0]);
  t.deepEqual(metrics, [{ task: "validate_global", values: { accuracy: 0.5, samples: 5 } }]);
});

test("an update weighs by the samples of its training, or 1 where the plan says equal", async (t) => {
  const labels = ["validate_global", "train", "validate_tuned"];
  t.is((await runTasks(job(fakeTrainer().trainer, labels))).weight, 60, "ratings do not count");
  const equal = { plan: { ...plan, weight: "equal" as const } };
  t.is((await runTasks(job(fakeTrainer().trainer, labels, equal))).weight, 1);
});

test("each task is told the round, the seed and who it is, and its progress and metrics go out under its label (K3)", async (t) => {
  const { trainer, contexts } = fakeTrainer();
  const told: unknown[] = [];
  await runTasks(
    job(trainer, ["train", "validate_tuned"], {
      progress: (label, done, total) => told.push([label, done, total]),
      measured: (label, values) => told.push([label, values]),
    }),
  );
  t.like(contexts[0], { round: 2, seed: 9, collaborator: "a", arguments: {} });
  t.deepEqual(told, [
    ["train", 1, 2],
    ["train", { loss: 1, samples: 60 }],
    ["validate_tuned", 1, 2],
    ["validate_tuned", { accuracy: 0.5, samples: 5 }],
  ]);
});

test("a label that the plan does not have is FL_TASK_UNKNOWN; what a task throws is passed on", async (t) => {
  await t.throwsAsync(runTasks(job(fakeTrainer().trainer, ["nothing"])), { code: "FL_TASK_UNKNOWN" });
  const broken = fakeTrainer({
    train: () => {
      throw new FlError("FL_TASK_FAILED");
    },
  });
  await t.throwsAsync(runTasks(job(broken.trainer, ["train"])), { code: "FL_TASK_FAILED" });
});

test("work that was called off stops before its next task, and a task that ran on leaves nothing behind", async (t) => {
  const stop = new AbortController();
  const told: string[] = [];
  const { trainer, saw } = fakeTrainer({
    train: () => {
      stop.abort(new FlError("FL_CANCELLED"));
      return { loss: 1 };
    },
  });
  const j = job(trainer, ["train", "validate_tuned"], { signal: stop.signal, measured: (label) => told.push(label) });
  await t.throwsAsync(runTasks(j), { code: "FL_CANCELLED" });
  t.deepEqual(saw, ["train 100"]);
  t.deepEqual([...j.update], [0, 0]);
  t.deepEqual(told, []);
});
