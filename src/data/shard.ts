/**
 * A shard descriptor: how one site's own data is described to the federation and loaded at the site.
 *
 * Owns the descriptor, the Split it loads and the checks on both. Data never leaves the site: only the description and the
 * two shapes are told to anyone. A shard module's default export is `defineShard({ … })` or a plain object of that form.
 *
 * D1 Samples are row-major, product(sampleShape) values each; bytes may stay bytes, `scale` multiplies them in batches.
 * D2 Integer targets, one per sample, with a targetShape [C] of C ≥ 2, are class ids 0 … C-1, one-hot encoded in batches.
 *    All other targets are product(targetShape) values per sample.
 * D3 A split that passed `checkSplit` holds only finite values and class ids within range.
 */
import { z } from "zod";
import { FlError } from "../errors.ts";
import { parseStrict } from "../validate.ts";

export type Split = {
  readonly size: number;
  readonly samples: Float32Array | Uint8Array;
  readonly targets: Float32Array | Int32Array | Uint8Array;
  /** multiplies every sample value when batches are made: 1/255 for images kept as bytes */
  readonly scale?: number;
};

export type Splits = { readonly train: Split; readonly validation: Split };

export type ShardContext = {
  /** the collaborator's name */
  readonly name: string;
  /** what the envoy's configuration gives this shard; the shard checks it */
  readonly params: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly signal: AbortSignal;
};

export type ShardDescriptor = {
  readonly description: string;
  readonly sampleShape: readonly number[];
  readonly targetShape: readonly number[];
  load(context: ShardContext): Promise<Splits>;
};

/** `[]` is one number */
const shape = z.array(z.int().positive()).max(8);
const schema = z.strictObject({
  description: z.string().min(1).max(1024),
  sampleShape: shape,
  targetShape: shape,
  load: z.custom<ShardDescriptor["load"]>((f) => typeof f === "function", "must be a function"),
});

/** Gives the descriptor its type. @throws FL_SHARD_INVALID naming every problem */
export const defineShard = (input: ShardDescriptor): ShardDescriptor => checkShard(input);

/** The same for a module's default export, whatever it is. */
export function checkShard(value: unknown): ShardDescriptor {
  return Object.freeze(parseStrict(schema, value, { code: "FL_SHARD_INVALID", what: "shard" }));
}

/** Are the targets class ids (D2)? */
export const hasClasses = (split: Split, targetShape: readonly number[]): boolean =>
  !(split.targets instanceof Float32Array) &&
  targetShape.length === 1 &&
  targetShape[0]! > 1 &&
  split.targets.length === split.size;

/** Loads and checks both splits. @throws FL_SHARD_INVALID */
export async function loadShard(shard: ShardDescriptor, context: ShardContext): Promise<Splits> {
  const splits: Partial<Splits> | undefined = await shard.load(context);
  const { train, validation } = splits ?? {};
  checkSplit(train, shard, "train");
  checkSplit(validation, shard, "validation");
  return { train, validation };
}

/** @throws FL_SHARD_INVALID naming the split and what is wrong with it */
export function checkSplit(
  split: Split | undefined,
  shard: Pick<ShardDescriptor, "sampleShape" | "targetShape">,
  name: string,
): asserts split is Split {
  const fail = (reason: string): never => {
    throw new FlError("FL_SHARD_INVALID", { split: name, reason: `${name}: ${reason}` });
  };
  if (typeof split !== "object" || split === null) return fail("it is missing");
  const { size, samples, targets, scale } = split;
  if (!Number.isInteger(size) || size < 1) fail(`size is ${size}, it must be a whole number from 1 up`);
  if (!(samples instanceof Float32Array || samples instanceof Uint8Array)) {
    fail("samples must be a Float32Array or a Uint8Array");
  }
  if (!(targets instanceof Float32Array || targets instanceof Int32Array || targets instanceof Uint8Array)) {
    fail("targets must be a Float32Array, an Int32Array or a Uint8Array");
  }
  if (scale !== undefined && !Number.isFinite(scale)) fail("scale is not a finite number");
  const perSample = product(shard.sampleShape);
  if (samples.length !== size * perSample) {
    fail(`${samples.length} sample values, expected ${size} × ${perSample}`);
  }
  finite(samples, "sample", fail);
  if (hasClasses(split, shard.targetShape)) {
    const classes = shard.targetShape[0]!;
    for (let i = 0; i < size; i++) {
      if (targets[i]! < 0 || targets[i]! >= classes) fail(`target ${i} is class ${targets[i]} of ${classes}`); // D2
    }
    return;
  }
  const perTarget = product(shard.targetShape);
  if (targets.length !== size * perTarget) fail(`${targets.length} target values, expected ${size} × ${perTarget}`);
  finite(targets, "target", fail);
}

export const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

function finite(values: Split["samples"] | Split["targets"], what: string, fail: (reason: string) => never): void {
  if (!(values instanceof Float32Array)) return;
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) fail(`${what} value ${i} is ${values[i]}`);
}
