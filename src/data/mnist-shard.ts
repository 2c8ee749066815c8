/**
 * The built-in shard: one collaborator's part of MNIST, images as 784 bytes, targets as class ids.
 *
 * S1 Collaborators with equal `parts`, `alpha` or `split`, and `seed`, and different `part` hold disjoint training images.
 * S2 The 10,000 test images are for validation only: a disjoint 1/parts of them each ("share"), or all ("all").
 */
import { z } from "zod";
import { parseStrict } from "../validate.ts";
import { loadMnist, type Mnist } from "./mnist.ts";
import { partitionIid } from "./partition.ts";
import { seedFrom } from "./random.ts";
import { defineShard, type Split } from "./shard.ts";
import { partition, type Splitting } from "./splitting.ts";

const params = z
  .strictObject({
    part: z.int().nonnegative().default(0),
    parts: z.int().positive().default(1),
    /** short for the split dirichlet with this alpha and equal sizes */
    alpha: z.number().positive().nullable().default(null),
    /** how the training images are dealt out: src/data/splitting.ts checks it */
    split: z.custom<Splitting>().optional(),
    seed: z.int().default(1),
    trainLimit: z.int().positive().optional(),
    validation: z.enum(["share", "all"]).default("share"),
    validationLimit: z.int().positive().optional(),
  })
  .refine((p) => p.part < p.parts, { path: ["part"], error: "must be less than parts" })
  .refine((p) => p.alpha === null || p.split === undefined, { path: ["split"], error: "must not stand beside alpha" });
export type MnistShardParams = z.input<typeof params>;

const PIXELS = 784;

export default defineShard({
  description: "MNIST handwritten digits, 28 × 28 grey levels, ten classes",
  sampleShape: [PIXELS],
  targetShape: [10],
  async load(context) {
    const given = parseStrict(params, context.params, { code: "FL_SHARD_INVALID", what: "params of the MNIST shard" });
    const { part, parts, alpha, split, seed, trainLimit, validation, validationLimit } = given;
    const [train, test] = await Promise.all([loadMnist("train"), loadMnist("test")]);
    context.signal.throwIfAborted();
    const skewed: Splitting | undefined =
      alpha === null ? split : { use: "dirichlet", options: { alpha, sizes: "equal" } };
    const mine = partition(train.labels, { parts, seed, split: skewed })[part]!;
    const held = validation === "all" ? 1 : parts;
    const shared = partitionIid(test.size, held, seedFrom("validation", seed))[validation === "all" ? 0 : part]!;
    return { train: pick(train, mine, trainLimit), validation: pick(test, shared, validationLimit) };
  },
});

function pick(from: Mnist, part: Uint32Array, limit = part.length): Split {
  const size = Math.min(limit, part.length);
  const samples = new Uint8Array(size * PIXELS);
  const targets = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    const at = part[i]!;
    samples.set(from.images.subarray(at * PIXELS, (at + 1) * PIXELS), i * PIXELS);
    targets[i] = from.labels[at]!;
  }
  return { size, samples, targets, scale: 1 / 255 };
}
