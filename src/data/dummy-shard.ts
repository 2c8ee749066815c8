/**
 * A shard of random data, for trying a workspace where no real data is: values uniform over bytes, scaled to 0 … 1, and random
 * targets, class ids where the target's shape allows them (D2 of src/data/shard.ts).
 *
 * DU1 The same shapes, size and seed give the same data.
 */
import { Random, seedFrom } from "./random.ts";
import { defineShard, product, type ShardDescriptor, type Split } from "./shard.ts";

export type DummyShardOptions = {
  /** training samples. @default 100 */
  readonly size?: number | undefined;
  /** validation samples. @default a quarter as many */
  readonly validationSize?: number | undefined;
  /** @default 1 */
  readonly seed?: number | undefined;
};
export type Shapes = { readonly sampleShape: readonly number[]; readonly targetShape: readonly number[] };

/** @throws FL_SHARD_INVALID for shapes that are none; its `load` does for a size that is none */
export function dummyShard({ sampleShape, targetShape, ...options }: Shapes & DummyShardOptions): ShardDescriptor {
  const { size = 100, validationSize = Math.max(1, Math.floor(size / 4)), seed = 1 } = options;
  return defineShard({
    description: "random data",
    sampleShape,
    targetShape,
    load: async () => ({
      train: random({ sampleShape, targetShape }, size, seedFrom("dummy", "train", seed)),
      validation: random({ sampleShape, targetShape }, validationSize, seedFrom("dummy", "validation", seed)),
    }),
  });
}

function random({ sampleShape, targetShape }: Shapes, size: number, seed: number): Split {
  const chance = new Random(seed);
  const count = Number.isSafeInteger(size) && size > 0 ? size : 0; // what is no size is told of when the split is checked
  const samples = Uint8Array.from({ length: count * product(sampleShape) }, () => chance.uint32() & 0xff);
  const classes = targetShape.length === 1 ? targetShape[0]! : 1;
  const targets =
    classes > 1
      ? Int32Array.from({ length: count }, () => Math.floor(chance.float() * classes))
      : Float32Array.from({ length: count * product(targetShape) }, () => chance.float());
  return { size, samples, targets, scale: 1 / 255 };
}
