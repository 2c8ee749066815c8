/** Rules and the terms that go with them at the collaborators: real training over a memory world, against the same on paper. */
import test, { type ExecutionContext } from "ava";
import { tfjsEngine } from "../../src/engine/tfjs.ts";
import { defineExperiment } from "../../src/workspace/define.ts";
import { experiment, type FakeTrainer } from "../support/experiment.ts";

const LR = 0.05;
const ROUNDS = 3;
const EPOCHS = 4;
/** y = 3x - 1 and y = -x + 2: the two pull apart */
const shards = {
  a: { samples: [1, 2, -1], targets: [2, 5, -4] },
  b: { samples: [0.5, 1.5, -2], targets: [1.5, 0.5, 4] },
};
type Who = keyof typeof shards;
const everyone: Who[] = ["a", "b"];

const line = defineExperiment({
  model: ({ tf }) => {
    const [kernelInitializer, biasInitializer] = [tf.initializers.constant({ value: 0.5 }), tf.initializers.zeros()];
    return tf.sequential({
      layers: [tf.layers.dense({ inputShape: [1], units: 1, kernelInitializer, biasInitializer })],
    });
  },
  loss: "meanSquaredError",
});

const near = (got: readonly number[], want: readonly number[], slack = 2e-4): boolean =>
  got.every((x, i) => Math.abs(x - want[i]!) <= slack * Math.max(1, Math.abs(want[i]!)));

/** Trains in a whole experiment. @returns the last model: weight and bias */
async function trained(t: ExecutionContext, args: object, plan: object = {}): Promise<number[]> {
  const tasks = [{ task: "train", arguments: { epochs: EPOCHS, batchSize: 8, learningRate: LR, ...args } }];
  const e = experiment(t, { names: everyone, plan: { rounds: ROUNDS, tasks, ...plan } });
  const engine = await tfjsEngine();
  const aggregator = await e.aggregator();
  for (const name of everyone) {
    const trainer = await engine.open(line, { seed: 1, sampleShape: [1], targetShape: [1] });
    const run = trainer.run.bind(trainer);
    const { samples, targets } = shards[name];
    const split = { size: 3, samples: Float32Array.from(samples), targets: Float32Array.from(targets) };
    trainer.run = (task, context) => run(task, { ...context, data: { train: split, validation: split } });
    await e.collaborator(name, trainer as unknown as FakeTrainer);
  }
  t.like(await aggregator.done, { state: "finished" });
  return [...(await e.model("last"))];
}

type Gradient = (w: readonly number[]) => readonly number[];

/** The gradient of a collaborator's mean squared error. */
const lossOf =
  (who: Who): Gradient =>
  (w) => {
    const { samples, targets } = shards[who];
    const errors = samples.map((x, i) => w[0]! * x + w[1]! - targets[i]!);
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    return [mean(errors.map((e, i) => 2 * e * samples[i]!)), mean(errors.map((e) => 2 * e))];
  };

/** Plain gradient descent, full batches. */
function descend(from: readonly number[], gradient: Gradient): number[] {
  let w = [...from];
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const g = gradient(w);
    w = w.map((x, i) => x - LR * g[i]!);
  }
  return w;
}

test("C40 FedProx: training is held back by μ · (v − w), w the model that entered the round", async (t) => {
  const results: string[] = [];
  for (const mu of [0, 0.1, 5]) {
    let w = [0.5, 0];
    for (let round = 0; round < ROUNDS; round++) {
      const entered = w;
      const local = everyone.map((who) =>
        descend(entered, (v) => lossOf(who)(v).map((g, i) => g + mu * (v[i]! - entered[i]!))),
      );
      w = [0, 1].map((i) => (local[0]![i]! + local[1]![i]!) / 2);
    }
    const got = await trained(t, mu === 0 ? {} : { proximal: mu });
    t.true(near(got, w), `μ = ${mu}: ${got} is not ${w}`);
    results.push(got.map((x) => x.toFixed(3)).join());
  }
  t.is(new Set(results).size, 3, results.join("; "));
});
