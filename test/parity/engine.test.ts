/** What a task is handed and what it computes on: real training over a memory world. */
import test from "ava";
import { type Importer, tryBackends } from "../../src/engine/backend.ts";
import { tfjsEngine } from "../../src/engine/tfjs.ts";
import type { FlError } from "../../src/errors.ts";
import { engineOptions } from "../../src/plan/engine.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { defineExperiment, type TaskContext } from "../../src/workspace/define.ts";
import { experiment, type FakeTrainer } from "../support/experiment.ts";

const engineOf = (engine: object) => parsePlan({ version: 1, rounds: 1, engine }).engine;

test.serial(
  "C29 with the device cpu no GPU is used, preferred it is taken where it works; a task is told which",
  async (t) => {
    const tf = (await import("@tensorflow/tfjs")) as typeof import("@tensorflow/tfjs");
    const native = { ...tf, setBackend: async () => true, backend: () => ({ isUsingGpuDevice: true }) };
    const tried: string[] = [];
    const load: Importer = async (specifier) => {
      tried.push(specifier);
      return specifier === "@tensorflow/tfjs-node-gpu" ? native : import(specifier);
    };
    const gpu = await tryBackends(undefined, load, engineOptions(engineOf({})).device);
    t.is(gpu.backend, "node-gpu");
    tried.length = 0;
    const cpu = await tryBackends(undefined, load, engineOptions(engineOf({ device: "cpu" })).device);
    t.not(cpu.backend, "node-gpu");
    t.false(tried.includes("@tensorflow/tfjs-node-gpu"), "it is not even loaded");
    t.regex(cpu.considered[0]!.why, /to be the CPU/);
    const forced = tryBackends("node-gpu", load, "cpu");
    t.regex(
      (await t.throwsAsync<FlError>(forced, { code: "FL_ENGINE_UNAVAILABLE" })).message,
      /node-gpu: the device is to be/,
    );
    t.throws(() => engineOf({ backend: "node-gpu", device: "cpu" }), {
      message: /engine\.device must not be cpu with/,
    });
    t.deepEqual(
      engineOptions(engineOf({ device: "cpu" }), "node-gpu"),
      { backend: "node-gpu" },
      "a machine's own choice",
    );
  },
);

test.serial(
  "C30 a task of the workspace is handed all it needs by name, its arguments as the plan has them; its metrics arrive",
  async (t) => {
    const contexts: TaskContext[] = [];
    const definition = defineExperiment({
      model: ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [1], units: 1 })] }),
      loss: "meanSquaredError",
      tasks: {
        audit(context) {
          contexts.push(context);
          return { drift: 0.25, rows: context.data.train.size };
        },
      },
    });
    const given = { threshold: 0.5, deep: { list: [1, "two"] } };
    const tasks = [{ task: "audit", trains: false, arguments: given }, "train"];
    const e = experiment(t, { names: ["a"], plan: { rounds: 1, seed: 7, tasks } });
    const engine = await tfjsEngine();
    const trainer = await engine.open(definition, { seed: 7, sampleShape: [1], targetShape: [1] });
    const aggregator = await e.aggregator();
    await e.collaborator("a", trainer as unknown as FakeTrainer);
    t.like(await aggregator.done, { state: "finished" });
    const [context] = contexts;
    t.like(context, { arguments: given, round: 1, seed: 7, collaborator: "a", device: "cpu" });
    t.is(context!.model, trainer.model);
    t.is(typeof context!.tf.matMul, "function");
    t.is(context!.data.validation.size, 5);
    t.true(context!.signal instanceof AbortSignal);
    const told = (await e.metrics()).filter((m) => m.task === "audit" && m.origin === "a");
    t.deepEqual(Object.fromEntries(told.map((m) => [m.metric, m.value])), { drift: 0.25, rows: 5 });
  },
);
