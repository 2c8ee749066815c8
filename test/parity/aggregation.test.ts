/** Rules and the terms that go with them at the collaborators: real training over a memory world, against the same on paper. */
import test, { type ExecutionContext } from "ava";
import { builtinAggregation } from "../../actors/aggregation/builtin.ts";
import { tfjsEngine } from "../../src/engine/tfjs.ts";
import { methodOf } from "../../src/plan/method.ts";
import { parsePlan } from "../../src/plan/plan.ts";
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
async function trained(t: ExecutionContext, args: object, more: object = {}): Promise<number[]> {
  const tasks = [{ task: "train", arguments: { epochs: EPOCHS, batchSize: 8, learningRate: LR, ...args } }];
  const plan = { rounds: ROUNDS, tasks, ...more };
  const parsed = parsePlan({ version: 1, ...plan });
  const e = experiment(t, { names: everyone, plan });
  const engine = await tfjsEngine();
  const { use, options } = parsed.aggregation;
  const aggregator = await e.aggregator({ aggregation: builtinAggregation(use).create(options) });
  for (const name of everyone) {
    const trainer = await engine.open(line, { seed: 1, sampleShape: [1], targetShape: [1], method: methodOf(parsed) });
    const run = trainer.run.bind(trainer);
    const { samples, targets } = shards[name];
    const split = { size: 3, samples: Float32Array.from(samples), targets: Float32Array.from(targets) };
    trainer.run = (task, context) => run(task, { ...context, data: { train: split, validation: split } });
    await e.collaborator(name, trainer as unknown as FakeTrainer);
  }
  t.like(await aggregator.done, { state: "finished" });
  t.is((await e.model("last")).length, 2, "what a method keeps is no part of a stored model");
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

const meanOf = (all: readonly (readonly number[])[]): number[] =>
  all[0]!.map((_, i) => all.reduce((sum, x) => sum + x[i]!, 0) / all.length);

test("C07 FedCurv: Fisher tensors are summed, others averaged, and training is held where it matters to the others", async (t) => {
  const importance = 0.02;
  const curvatureOf = (who: Who, w: readonly number[]): number[] => {
    const { samples, targets } = shards[who];
    const each = samples.map((x, i) => {
      const error = 2 * (w[0]! * x + w[1]! - targets[i]!);
      return [(error * x) ** 2, error ** 2];
    });
    return meanOf(each);
  };
  let w = [0.5, 0];
  let held: { at: number[]; by: number[] }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const local = everyone.map((who, k) =>
      descend(w, (v) =>
        lossOf(who)(v).map((g, i) =>
          held.reduce((sum, { at, by }, j) => sum + (j === k ? 0 : 2 * importance * by[i]! * (v[i]! - at[i]!)), g),
        ),
      ),
    );
    held = local.map((at, k) => ({ at, by: curvatureOf(everyone[k]!, at) }));
    w = meanOf(local);
  }
  const got = await trained(t, {}, { aggregation: { use: "fedcurv", options: { importance } } });
  t.true(near(got, w), `${got} is not ${w}`);
  t.false(near(got, await trained(t, {})), "it is not FedAvg");
});

test("SCAFFOLD: steps are corrected by control variates, of which each collaborator keeps its own", async (t) => {
  let x = [0.5, 0];
  let c = [0, 0];
  const own = everyone.map(() => [0, 0]);
  for (let round = 0; round < ROUNDS; round++) {
    const entered = x;
    const local = everyone.map((who, k) => descend(x, (y) => lossOf(who)(y).map((g, i) => g - own[k]![i]! + c[i]!)));
    const changes = local.map((y) => y.map((v, i) => -c[i]! + (entered[i]! - v) / (EPOCHS * LR)));
    for (const [k, change] of changes.entries()) own[k] = own[k]!.map((v, i) => v + change[i]!);
    c = c.map((v, i) => v + meanOf(changes)[i]!);
    x = meanOf(local);
  }
  const got = await trained(t, {}, { aggregation: "scaffold" });
  t.true(near(got, x), `${got} is not ${x}`);
  t.false(near(got, await trained(t, {})), "it is not FedAvg");
});

test("FedDyn: losses are regularised anew in each round, and the server goes on with their drift", async (t) => {
  const alpha = 0.5;
  let w = [0.5, 0];
  let h = [0, 0];
  const g = everyone.map(() => [0, 0]);
  for (let round = 0; round < ROUNDS; round++) {
    const entered = w;
    const local = everyone.map((who, k) =>
      descend(w, (v) => lossOf(who)(v).map((d, i) => d - g[k]![i]! + alpha * (v[i]! - entered[i]!))),
    );
    for (const [k, v] of local.entries()) g[k] = g[k]!.map((x, i) => x - alpha * (v[i]! - entered[i]!));
    h = h.map((x, i) => x - alpha * (meanOf(local)[i]! - entered[i]!));
    w = meanOf(local).map((x, i) => x - h[i]! / alpha);
  }
  const got = await trained(t, {}, { aggregation: { use: "feddyn", options: { alpha } } });
  t.true(near(got, w), `${got} is not ${w}`);
  t.false(near(got, await trained(t, {})), "it is not FedAvg");
});

test("FedNova: of collaborators that take as many steps it is FedAvg", async (t) => {
  const plain = await trained(t, {});
  t.true(near(await trained(t, {}, { aggregation: "fednova" }), plain, 1e-5));
});

test("q-FedAvg: a collaborator tells the loss of the model that came, before it trains", async (t) => {
  let w = [0.5, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const entered = w;
    let [h, moved] = [0, [0, 0]];
    for (const who of everyone) {
      const { samples, targets } = shards[who];
      const loss = samples.reduce((sum, x, i) => sum + (entered[0]! * x + entered[1]! - targets[i]!) ** 2, 0) / 3;
      const u = descend(entered, lossOf(who)).map((x, i) => (entered[i]! - x) / LR);
      moved = moved.map((x, i) => x + loss ** 2 * u[i]!);
      h += 2 * loss * u.reduce((sum, x) => sum + x * x, 0) + loss ** 2 / LR;
    }
    w = entered.map((x, i) => x - moved[i]! / h);
  }
  const got = await trained(t, {}, { aggregation: { use: "q_fedavg", options: { q: 2 } } });
  t.true(near(got, w), `${got} is not ${w}`);
});

test("a method that a plan's tasks cannot carry out is refused, with the reason", async (t) => {
  const why = (more: object): string =>
    t.throws(() => parsePlan({ version: 1, rounds: 1, ...more }), { code: "FL_PLAN_INVALID" }).message;
  t.regex(why({ aggregation: "scaffold", tasks: ["validate", "mine"] }), /unless there is one task train/);
  const twice = ["train", { task: "train", label: "again" }];
  t.regex(why({ aggregation: "feddyn", tasks: twice }), /unless there is one task train/);
  const adam = [{ task: "train", arguments: { optimizer: "adam" } }];
  t.regex(why({ aggregation: "scaffold", tasks: adam }), /unless train has the optimizer sgd/);
  t.regex(why({ aggregation: "fednova", tasks: adam }), /unless train has the optimizer sgd or momentum/);
  t.notThrows(() => parsePlan({ version: 1, rounds: 1, aggregation: "feddyn", tasks: adam }));
  const tensors = [{ names: ["*.bias"], use: "median" }];
  t.regex(why({ aggregation: { use: "fedcurv", tensors } }), /must be fedcurv for all tensors/);
  const engine = await tfjsEngine();
  const own = defineExperiment({ ...line, tasks: { train: () => ({}) } });
  const method = methodOf(parsePlan({ version: 1, rounds: 1, aggregation: "fedcurv" }));
  const opening = engine.open(own, { seed: 1, sampleShape: [1], targetShape: [1], method });
  await t.throwsAsync(opening, { code: "FL_PLAN_INVALID", message: /fedcurv corrects .* a train of its own/ });
});
