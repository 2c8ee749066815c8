/**
 * Batches of a split as tensors, and the order in which samples are taken.
 *
 * B1 A batch is copied from the split's typed arrays straight into its tensors: slicing a large tensor on the device costs
 *    more than training on the slice (7 ms against 4 on wasm, batch 32 of 784 values).
 * B2 A batch's tensors live until the next batch is asked for or the loop ends, and no longer.
 * B3 Windows of successive rounds lie end to end on one endless sequence of seeded permutations, so every pass over the
 *    shard takes each sample once, whatever the window size. A window is found from its round alone.
 */
import type * as tfjs from "@tensorflow/tfjs";
import { Random, seedFrom } from "../data/random.ts";
import { hasClasses, product, type Split } from "../data/shard.ts";
import type { Tf } from "../workspace/define.ts";

export type Batch = {
  readonly size: number;
  readonly samples: tfjs.Tensor;
  readonly targets: tfjs.Tensor;
  /** the values of `targets`, row-major; not to be written */
  readonly targetValues: Float32Array;
};

export type BatchOptions = {
  /** samples per batch; the last one may be smaller. Default 32 */
  readonly batchSize?: number;
  /** indices of the samples to take, in order. Default: all, in the split's order */
  readonly order?: ArrayLike<number>;
};

export type Shapes = { readonly sampleShape: readonly number[]; readonly targetShape: readonly number[] };

export function* batches(tf: Tf, split: Split, shapes: Shapes, options: BatchOptions = {}): Generator<Batch, void> {
  const { batchSize = 32, order } = options;
  const count = order?.length ?? split.size;
  for (let from = 0; from < count; from += batchSize) {
    const size = Math.min(batchSize, count - from);
    const at = (i: number): number => order?.[from + i] ?? from + i;
    const targetValues = targetsOf(split, shapes.targetShape, size, at);
    const samples = tf.tensor(samplesOf(split, shapes.sampleShape, size, at), [size, ...shapes.sampleShape]);
    const targets = tf.tensor(targetValues, [size, ...shapes.targetShape]);
    try {
      yield { size, samples, targets, targetValues };
    } finally {
      samples.dispose(); // B2
      targets.dispose();
    }
  }
}

// Fresh arrays each time: the cpu and node backends keep a reference to the array until the tensor is used.
function samplesOf(split: Split, shape: readonly number[], size: number, at: (i: number) => number): Float32Array {
  const width = product(shape);
  const out = new Float32Array(size * width);
  for (let i = 0; i < size; i++) {
    const start = at(i) * width;
    out.set(split.samples.subarray(start, start + width), i * width);
  }
  const { scale = 1 } = split;
  if (scale !== 1) for (let k = 0; k < out.length; k++) out[k]! *= scale;
  return out;
}

function targetsOf(split: Split, shape: readonly number[], size: number, at: (i: number) => number): Float32Array {
  const width = product(shape);
  const out = new Float32Array(size * width);
  if (hasClasses(split, shape)) {
    for (let i = 0; i < size; i++) out[i * width + split.targets[at(i)]!] = 1;
    return out;
  }
  for (let i = 0; i < size; i++) {
    const start = at(i) * width;
    out.set(split.targets.subarray(start, start + width), i * width);
  }
  return out;
}

/** The samples of one round's window, in order (B3). */
export function windowOf(
  size: number,
  samples: number,
  round: number,
  seed: number,
  collaborator: string,
): Uint32Array {
  const width = Math.min(samples, size);
  const out = new Uint32Array(width);
  let pass = -1;
  let permutation: Uint32Array = out;
  for (let i = 0; i < width; i++) {
    const position = round * width + i;
    const wanted = Math.floor(position / size);
    if (wanted !== pass) {
      pass = wanted;
      permutation = new Random(seedFrom("pass", seed, collaborator, pass)).permutation(size);
    }
    out[i] = permutation[position % size]!;
  }
  return out;
}
