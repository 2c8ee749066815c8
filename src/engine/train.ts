/**
 * The built-in task `train`: stochastic gradient descent over this round's samples.
 *
 * A plain loop of gradients and updates; `fit` would spend as long on callbacks, metrics and slices as on arithmetic.
 *
 * G1 The first epoch takes the round's window in its order, each further epoch takes the same samples reshuffled.
 * G2 The optimizer is made anew each round, and given its memory only if the plan has it keep one (src/engine/optimizer.ts).
 * G3 A loss that is not finite ends the run with FL_UPDATE_RANGE: such weights must not leave the site.
 * G4 Reported loss and accuracy are means over the last epoch, each batch measured before its own update.
 */
import type * as tfjs from "@tensorflow/tfjs";
import { Random, seedFrom } from "../data/random.ts";
import type { Split } from "../data/shard.ts";
import { FlError } from "../errors.ts";
import type { ExperimentDefinition, Metrics, Tf } from "../workspace/define.ts";
import type { TrainArguments } from "./arguments.ts";
import { type Batch, batches, type Shapes, windowOf } from "./batches.ts";
import { withChance } from "./chance.ts";
import type { RunContext } from "./engine.ts";
import { countCorrect, countsAccuracy, lossOf } from "./loss.ts";
import { type Keeping, methodPull, settleMethod } from "./method.ts";
import { type Memory, memorize, optimizerOf, recall } from "./optimizer.ts";
import { Pace } from "./pace.ts";
import { type Pull, proximal } from "./pull.ts";
import { flatWeights } from "./weights.ts";

/** What a built-in task works on. */
export type Subject = {
  readonly tf: Tf;
  readonly definition: ExperimentDefinition;
  readonly model: tfjs.LayersModel;
  readonly shapes: Shapes;
  /** of the optimizer, where it lasts */
  readonly memory?: Memory | undefined;
  /** of the plan's method, where it has one */
  readonly keeping?: Keeping | undefined;
};

export async function train(subject: Subject, args: TrainArguments, context: RunContext): Promise<Metrics> {
  const { tf, definition, model, shapes, memory, keeping } = subject;
  const { round, seed, collaborator } = context;
  const split = context.data.train;
  const window = windowOf(split.size, args.samples ?? split.size, round, seed, collaborator);
  const total = window.length * args.epochs;
  const withAccuracy = countsAccuracy(definition, split, shapes.targetShape);
  const pace = new Pace(context.signal, context.progress);
  const chance = new Random(seedFrom("train", seed, collaborator, round));
  const optimizer = optimizerOf(tf, args);
  const entered = context.global ?? (keeping && flatWeights(model));
  const pulls = args.proximal > 0 ? [proximal(tf, model, args.proximal, entered)] : [];
  const methods = keeping && methodPull(tf, model, keeping, entered!);
  if (methods !== undefined) pulls.push(methods);
  let done = 0;
  let steps = 0;
  let loss = 0;
  let correct = 0;
  try {
    if (memory !== undefined) await recall(tf, optimizer, model, memory);
    const before =
      keeping?.method.name === "q_fedavg" ? await lossBefore(subject, split, args, window, pace) : undefined;
    for (let epoch = 0; epoch < args.epochs; epoch++) {
      if (epoch > 0) new Random(seedFrom("epoch", seed, collaborator, round, epoch)).shuffle(window); // G1
      loss = 0;
      correct = 0;
      for (const batch of batches(tf, split, shapes, { batchSize: args.batchSize, order: window })) {
        const measured = withChance(chance, () => step(subject, optimizer, pulls, batch, withAccuracy));
        if (!Number.isFinite(measured.loss)) {
          throw new FlError("FL_UPDATE_RANGE", { reason: `the loss is ${measured.loss} after ${done} samples`, round }); // G3
        }
        loss += measured.loss * batch.size;
        correct += measured.correct;
        done += batch.size;
        steps++;
        if (pace.due()) await pace.rest(done, total);
      }
    }
    if (memory !== undefined) await memorize(optimizer, model, memory);
    if (keeping !== undefined) {
      const squares = (samples: number) => squaresOf(subject, split, window.subarray(0, samples), pace, chance);
      const tuned = flatWeights(model);
      await settleMethod(model, keeping, { entered: entered!, tuned, steps, args, loss: before, squares });
    }
  } finally {
    for (const pull of pulls) pull.dispose();
    optimizer.dispose();
    // Momentum inherits this scalar from SGD and forgets it when it is disposed.
    const { c } = optimizer as unknown as { c?: tfjs.Tensor };
    if (c && !c.isDisposed) c.dispose();
  }
  context.progress(done, total);
  const n = window.length;
  return { loss: loss / n, ...(withAccuracy ? { accuracy: correct / n } : {}), samples: done };
}

function step(
  subject: Subject,
  optimizer: tfjs.Optimizer,
  pulls: readonly Pull[],
  batch: Batch,
  withAccuracy: boolean,
): { loss: number; correct: number } {
  const { tf, definition, model, shapes } = subject;
  let outputs: tfjs.Tensor | undefined;
  try {
    return tf.tidy(() => {
      const variables = model.trainableWeights.map((w) => w.read() as tfjs.Variable);
      const { value, grads } = tf.variableGrads(() => {
        const made = model.apply(batch.samples, { training: true }) as tfjs.Tensor;
        if (withAccuracy) outputs = tf.keep(made); // variableGrads tidies up behind itself
        return lossOf(tf, definition, model, made, batch.targets);
      }, variables);
      // in the order of the weights, with a gap for one that the loss does not see
      const inOrder = variables.map((variable, i) => {
        const { name } = variable;
        const sum = (g: tfjs.Tensor, pull: Pull): tfjs.Tensor => tf.add(g, pull.gradient(i, variable));
        return { name, tensor: grads[name] && pulls.reduce(sum, grads[name]) };
      }) as { name: string; tensor: tfjs.Tensor }[];
      optimizer.applyGradients(inOrder);
      const correct = outputs ? countCorrect(outputs.dataSync(), batch.targetValues, shapes.targetShape[0]!) : 0;
      return { loss: value.dataSync()[0]!, correct };
    });
  } finally {
    outputs?.dispose();
  }
}

/** The mean loss over the samples of the round, before anything is learnt from them. */
async function lossBefore(
  { tf, definition, model, shapes }: Subject,
  split: Split,
  { batchSize }: TrainArguments,
  order: Uint32Array,
  pace: Pace,
): Promise<number> {
  let sum = 0;
  for (const batch of batches(tf, split, shapes, { batchSize, order })) {
    sum += tf.tidy(() => {
      const outputs = model.apply(batch.samples, { training: false }) as tfjs.Tensor;
      return lossOf(tf, definition, model, outputs, batch.targets).dataSync()[0]! * batch.size;
    });
    if (pace.due()) await pace.rest();
  }
  return sum / order.length;
}

/** The mean square of each trained weight's gradient, sample by sample: the diagonal of the empirical Fisher information. */
async function squaresOf(
  { tf, definition, model, shapes }: Subject,
  split: Split,
  order: Uint32Array,
  pace: Pace,
  chance: Random,
): Promise<Float32Array[]> {
  const sums = model.trainableWeights.map((w) => new Float64Array(w.shape.reduce<number>((n, d) => n * Number(d), 1)));
  for (const batch of batches(tf, split, shapes, { batchSize: 1, order })) {
    withChance(chance, () =>
      tf.tidy(() => {
        const variables = model.trainableWeights.map((w) => w.read() as tfjs.Variable);
        const { grads } = tf.variableGrads(() => {
          const made = model.apply(batch.samples, { training: true }) as tfjs.Tensor;
          return lossOf(tf, definition, model, made, batch.targets);
        }, variables);
        for (const [k, { name }] of variables.entries()) {
          const values = grads[name]?.dataSync<"float32">();
          if (values !== undefined) for (let i = 0; i < values.length; i++) sums[k]![i]! += values[i]! ** 2;
        }
      }),
    );
    if (pace.due()) await pace.rest();
  }
  return sums.map((sum) => Float32Array.from(sum, (s) => s / order.length));
}
