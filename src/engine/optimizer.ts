/**
 * The optimizers of `train`, and what they remember as flat values.
 *
 * O1 Without a memory an optimizer is made anew for each run. With one it goes on where the values are, and leaves them where
 *    it has come to; all zero is the same as new. A run that fails leaves them as they were.
 * O2 A memory that has been averaged is taken as it is, but for what no optimizer can have: less than nothing of steps or of
 *    squares.
 */
import type * as tfjs from "@tensorflow/tfjs";
import type { Layout } from "../tensor/layout.ts";
import { type Remembering, slotsOf } from "../tensor/slots.ts";
import type { Tf } from "../workspace/define.ts";
import type { TrainArguments } from "./arguments.ts";

/** What is remembered of a model of this layout: its slots' values (src/tensor/slots.ts). */
export type Memory = { readonly kind: Remembering; readonly model: Layout; readonly values: Float32Array };

export const memoryOf = (kind: Remembering, model: Layout): Memory => {
  const { moments, steps } = slotsOf(kind);
  return { kind, model, values: new Float32Array(steps + moments * model.length) };
};

export function optimizerOf(tf: Tf, args: TrainArguments): tfjs.Optimizer {
  switch (args.optimizer) {
    case "sgd":
      return tf.train.sgd(args.learningRate);
    case "momentum":
      return tf.train.momentum(args.learningRate, args.momentum);
    case "adam":
      return tf.train.adam(args.learningRate);
  }
}

/** The places of the memory that a fresh optimizer fills, in its own order: moment by moment, each trained weight's. */
function places({ kind, model, values }: Memory, trained: readonly number[]): Float32Array[] {
  const { moments, steps } = slotsOf(kind);
  return Array.from({ length: moments }, (_, moment) => steps + moment * model.length).flatMap((start) =>
    trained.map((i) => {
      const { offset, length } = model.tensors[i]!;
      return values.subarray(start + offset, start + offset + length);
    }),
  );
}

const trainedOf = (model: tfjs.LayersModel): number[] => model.trainableWeights.map((w) => model.weights.indexOf(w));

/** Gives a fresh optimizer its memory (O2). */
export async function recall(
  tf: Tf,
  optimizer: tfjs.Optimizer,
  model: tfjs.LayersModel,
  memory: Memory,
): Promise<void> {
  const trained = trainedOf(model);
  const steps = memory.kind === "adam" ? Math.max(0, memory.values[0]!) : 0;
  const given = places(memory, trained).map((place, i) => {
    const squares = memory.kind === "adam" && i >= trained.length;
    const values = squares ? place.map((x) => Math.max(0, x)) : place.slice();
    return tf.tensor(values, model.weights[trained[i % trained.length]!]!.shape.map(Number), "float32");
  });
  const all = [tf.scalar(steps, "float32"), ...given].map((tensor, i) => ({ name: `memory/${i}`, tensor }));
  await optimizer.setWeights(all);
  for (const { tensor } of all) tensor.dispose();
}

/** Writes what the optimizer remembers into the memory. */
export async function memorize(optimizer: tfjs.Optimizer, model: tfjs.LayersModel, memory: Memory): Promise<void> {
  const [steps, ...slots] = await optimizer.getWeights();
  if (memory.kind === "adam") memory.values[0] = steps!.tensor.dataSync()[0]!;
  steps!.tensor.dispose(); // made for the asking; the others are the optimizer's own
  const values = slots.map(({ tensor }) => tensor.dataSync<"float32">());
  for (const [i, place] of places(memory, trainedOf(model)).entries()) place.set(values[i]!);
}
