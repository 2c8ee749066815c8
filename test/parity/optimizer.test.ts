/** What an optimizer remembers from round to round: real training over a memory world, against the same on paper. */
import test, { type ExecutionContext } from "ava";
import { tfjsEngine } from "../../src/engine/tfjs.ts";
import { remembering } from "../../src/plan/optimizer.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { defineExperiment } from "../../src/workspace/define.ts";
import { experiment, type FakeTrainer } from "../support/experiment.ts";

type Kind = "momentum" | "adam";
type Treatment = "reset" | "local" | "global";
const LR = 0.05;
const ROUNDS = 3;
const EPOCHS = 2;
/** y = 3x - 1 and y = -x + 2: the two pull apart, so what each remembers differs */
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

const planOf = (kind: Kind, optimizer: Treatment, more: object = {}) => ({
  rounds: ROUNDS,
  optimizer,
  tasks: [{ task: "train", arguments: { epochs: EPOCHS, batchSize: 8, learningRate: LR, optimizer: kind } }],
  ...more,
});

/** Trains in a whole experiment. @returns the last model: weight and bias */
async function trained(t: ExecutionContext, kind: Kind, optimizer: Treatment): Promise<readonly number[]> {
  const plan = planOf(kind, optimizer);
  const e = experiment(t, { names: everyone, plan });
  const engine = await tfjsEngine();
  const aggregator = await e.aggregator();
  for (const name of everyone) {
    const remembers = remembering(parsePlan({ version: 1, ...plan }));
    const trainer = await engine.open(line, { seed: 1, sampleShape: [1], targetShape: [1], remembers });
    const run = trainer.run.bind(trainer);
    const { samples, targets } = shards[name];
    const split = { size: 3, samples: Float32Array.from(samples), targets: Float32Array.from(targets) };
    trainer.run = (task, context) => run(task, { ...context, data: { train: split, validation: split } });
    await e.collaborator(name, trainer as unknown as FakeTrainer);
  }
  t.like(await aggregator.done, { state: "finished" });
  const carried = (await e.round())!.specs!.map((s) => s.name);
  t.is(
    carried.some((name) => name.startsWith("optimizer/")),
    optimizer === "global",
  );
  const model = await e.model("last");
  t.is(model.length, 2, "what is remembered is no part of a stored model");
  return [...model];
}

type State = { w: number[]; m: number[]; v: number[]; step: number };
const fresh = (): State => ({ w: [0.5, 0], m: [0, 0], v: [0, 0], step: 0 });

/** One collaborator's round: full batches, so the order of samples does not matter. */
function epochs(kind: Kind, who: Who, { w: from, m: m0, v: v0, step: steps }: State): State {
  const [w, m, v] = [[...from], [...m0], [...v0]] as [number[], number[], number[]];
  let step = steps;
  const { samples, targets } = shards[who];
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const errors = samples.map((x, i) => w[0]! * x + w[1]! - targets[i]!);
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const gradients = [mean(errors.map((e, i) => 2 * e * samples[i]!)), mean(errors.map((e) => 2 * e))];
    step++;
    for (const [i, g] of gradients.entries()) {
      if (kind === "momentum") {
        m[i] = 0.9 * m[i]! + g;
        w[i]! -= LR * m[i]!;
      } else {
        m[i] = 0.9 * m[i]! + 0.1 * g;
        v[i] = 0.999 * v[i]! + 0.001 * g * g;
        const [first, second] = [m[i]! / (1 - 0.9 ** step), v[i]! / (1 - 0.999 ** step)];
        w[i]! -= (LR * first) / (Math.sqrt(second) + 1e-7);
      }
    }
  }
  return { w, m, v, step };
}

function onPaper(kind: Kind, optimizer: Treatment): readonly number[] {
  let states = everyone.map(fresh);
  for (let round = 1; round <= ROUNDS; round++) {
    const after = states.map((state, i) => epochs(kind, everyone[i]!, state));
    const mean = (of: (s: State) => number[]) => [0, 1].map((i) => (of(after[0]!)[i]! + of(after[1]!)[i]!) / 2);
    const w = mean((s) => s.w);
    const shared = { m: mean((s) => s.m), v: mean((s) => s.v) };
    states = after.map((own) => {
      if (optimizer === "reset") return { ...fresh(), w };
      return { ...own, w, ...(optimizer === "global" ? shared : {}) };
    });
  }
  return states[0]!.w;
}

for (const kind of ["momentum", "adam"] as const) {
  test(`C22 what ${kind} remembers is forgotten, kept or combined, as the plan says: three different, right results`, async (t) => {
    const results: string[] = [];
    for (const optimizer of ["reset", "local", "global"] as const) {
      const got = await trained(t, kind, optimizer);
      for (const [i, x] of onPaper(kind, optimizer).entries()) {
        t.true(Math.abs(x - got[i]!) < 2e-4, `${optimizer}: ${got} is not ${onPaper(kind, optimizer)}`);
      }
      results.push(got.map((x) => x.toFixed(3)).join(" "));
    }
    t.is(new Set(results).size, 3, results.join("; "));
  });
}

test("a memory that no task makes, or that of two optimizers, is refused", (t) => {
  const why = (tasks: unknown[], optimizer = "local") =>
    t.throws(() => parsePlan({ version: 1, rounds: 1, optimizer, tasks }), { code: "FL_PLAN_INVALID" }).message;
  const train = (optimizer: string, label = "train") => ({ task: "train", label, arguments: { optimizer } });
  t.regex(why(["train"]), /optimizer must be reset: no task .* give train the argument optimizer/);
  t.regex(why(["validate"], "global"), /optimizer must be reset/);
  t.regex(why([train("adam"), train("momentum", "polish")]), /different optimizers \(adam, momentum\)/);
  t.notThrows(() =>
    parsePlan({ version: 1, rounds: 1, optimizer: "global", tasks: [train("adam"), train("adam", "b")] }),
  );
});

test("a train of the workspace's own remembers by itself: the plan's treatment is refused", async (t) => {
  const engine = await tfjsEngine();
  const own = defineExperiment({ ...line, tasks: { train: () => ({}) } });
  const opening = engine.open(own, { seed: 1, sampleShape: [1], targetShape: [1], remembers: "adam" });
  await t.throwsAsync(opening, { code: "FL_PLAN_INVALID", message: /a train of its own/ });
});
