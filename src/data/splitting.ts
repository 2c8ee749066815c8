/**
 * Which way a data set is dealt out, as people write it: a splitter's name and its options.
 *
 * SP1 `partition` gives every index to exactly one part, and the same parts for the same arguments in every process.
 * SP2 No part is empty, unless `min: 0` asks for it.
 * SP3 A bare name is short for `{ use: name }`.
 */
import { z } from "zod";
import { parseStrict, type Strict } from "../validate.ts";
import { partitionByClass, partitionLognormalByClass, partitionShards } from "./by-class.ts";
import { partitionDirichlet, partitionIid, refuse } from "./partition.ts";
import { partitionLognormal, partitionRandom } from "./uneven.ts";

const min = (least: number) =>
  z.int().nonnegative().default(least).describe("no part has fewer samples; 0 allows empty parts");

/** The options of each splitter. */
export const splitters = {
  equal: z.strictObject({}),
  random: z.strictObject({ min: min(1) }),
  lognormal: z.strictObject({
    sigma: z.number().nonnegative().max(100).default(1).describe("how uneven: 0 is equal"),
    classes: z.int().positive().optional().describe("classes in each part; all of them, in fair shares, if absent"),
    min: min(1),
  }),
  dirichlet: z.strictObject({
    alpha: z.number().positive().default(0.5).describe("the smaller, the fewer classes has a part"),
    sizes: z.enum(["varied", "equal"]).default("varied").describe("varied: what comes of the draw; equal: all alike"),
    min: min(10),
  }),
  shards: z.strictObject({ each: z.int().positive().default(2).describe("shards of one label in each part") }),
};
export type SplitterName = keyof typeof splitters;
export type Splitting =
  | SplitterName
  | { [K in SplitterName]: { readonly use: K; readonly options?: z.input<(typeof splitters)[K]> } }[SplitterName];

const names = Object.keys(splitters) as [SplitterName, ...SplitterName[]];
const form = z.strictObject({ use: z.enum(names), options: z.record(z.string(), z.unknown()).default({}) });
const strict = (what: string): Strict => ({ code: "FL_SHARD_INVALID", what });

export type PartitionOptions = {
  readonly parts: number;
  readonly seed: number;
  /** @default "equal" */
  readonly split?: Splitting | undefined;
};

/**
 * Deals samples out: a list of indices for each part. `labels` are the samples' classes; `equal`, `random`, and `lognormal`
 * without `classes` do with their number.
 * @throws FL_SHARD_INVALID for a splitter or options that are none, and for what cannot be dealt that way
 */
export function partition(labels: number | ArrayLike<number>, { parts, seed, split }: PartitionOptions): Uint32Array[] {
  const count = typeof labels === "number" ? labels : labels.length;
  if (!Number.isSafeInteger(parts) || parts < 1) refuse(`parts is ${parts}, it must be a whole number from 1 up`);
  if (!Number.isSafeInteger(count) || count < 0) refuse(`${count} is no number of samples`);
  const { use, options } = parseStrict(
    form,
    typeof split === "object" ? split : { use: split ?? "equal" },
    strict("split"),
  ); // SP3
  const told = <S extends z.ZodType>(schema: S): z.output<S> =>
    parseStrict(schema, options, strict(`options of split ${use}`));
  const classes = (): ArrayLike<number> => (typeof labels === "number" ? refuse(`${use} needs the labels`) : labels);
  switch (use) {
    case "equal":
      told(splitters.equal);
      return partitionIid(count, parts, seed);
    case "random":
      return partitionRandom(count, parts, told(splitters.random).min, seed);
    case "lognormal": {
      const { classes: held, ...rest } = told(splitters.lognormal);
      return held === undefined
        ? partitionLognormal(count, parts, rest, seed)
        : partitionLognormalByClass(classes(), parts, { ...rest, classes: held }, seed);
    }
    case "dirichlet": {
      const { sizes, alpha, min } = told(splitters.dirichlet);
      return sizes === "equal"
        ? partitionDirichlet(classes(), parts, alpha, seed)
        : partitionByClass(classes(), parts, { alpha, min }, seed);
    }
    case "shards":
      return partitionShards(classes(), parts, told(splitters.shards), seed);
  }
}
