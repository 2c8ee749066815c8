/**
 * Parts that differ in their classes: label skew, with the sizes that come of it. (For equal sizes with label skew see
 * `partitionDirichlet` of src/data/partition.ts.)
 *
 * BC1 P1, P3 and P4 of src/data/partition.ts hold.
 */
import { poolsOf, refuse, sizesOf } from "./partition.ts";
import { Random, seedFrom } from "./random.ts";
import { apportioned, lognormals } from "./uneven.ts";

const TRIES = 100;

/**
 * Each class is split over the parts by a draw of Dirichlet(alpha, …, alpha), after Yurochkin et al. 2019 (arXiv 1905.12022)
 * and Li et al. 2022 (arXiv 2102.02079): a part that has its 1/parts of all samples gets none of the classes that follow, and
 * all is drawn again until no part has fewer than `min`. That may never happen, with a small alpha and many parts: after 100
 * draws, what is missing comes from the largest parts.
 */
export function partitionByClass(
  labels: ArrayLike<number>,
  parts: number,
  { alpha, min }: { alpha: number; min: number },
  seed: number,
): Uint32Array[] {
  if (labels.length < parts * min) refuse(`${labels.length} samples cannot fill ${parts} parts of at least ${min}`);
  const random = new Random(seedFrom("by class", seed));
  const pools = poolsOf(labels).filter((pool) => pool.length > 0);
  for (const pool of pools) random.shuffle(pool);
  let counts: number[][] = [];
  for (let tries = 0; tries < TRIES; tries++) {
    const sizes = new Array<number>(parts).fill(0);
    counts = pools.map((pool) => {
      const drawn = random.dirichlet(sizes.map(() => alpha));
      const open = sizes.map((size) => size < labels.length / parts);
      const weights = drawn.map((share, i) => (open[i] ? share : 0));
      const possible = weights.some((w) => w > 0) ? weights : open.map(Number);
      const shares = apportioned(pool.length, possible, 0);
      for (const [i, n] of shares.entries()) sizes[i]! += n;
      return shares;
    });
    if (sizes.every((size) => size >= min)) break;
  }
  const out = gathered(pools, counts, parts, random);
  for (const part of out) {
    while (part.length < min) part.push(out.reduce((a, b) => (b.length > a.length ? b : a)).pop()!);
  }
  return finished(out, random);
}

/**
 * Each part holds `classes` classes, those that follow its own number, and of each class its holders have at least `min`
 * samples and shares of the rest in proportion to lognormal draws: the MNIST of Li et al. 2020 (FedProx, arXiv 1812.06127), as
 * OpenFL's LogNormalNumPyDataSplitter makes it, but with every sample dealt out.
 */
export function partitionLognormalByClass(
  labels: ArrayLike<number>,
  parts: number,
  { sigma, min, classes }: { sigma: number; min: number; classes: number },
  seed: number,
): Uint32Array[] {
  const random = new Random(seedFrom("lognormal by class", seed));
  const pools = poolsOf(labels).filter((pool) => pool.length > 0);
  if (classes > pools.length) refuse(`parts of ${classes} classes, but there are ${pools.length}`);
  const counts = pools.map((pool, c) => {
    const holders = Array.from({ length: parts }, (_, i) => i).filter(
      (i) => (c - (i % pools.length) + pools.length) % pools.length < classes,
    );
    if (holders.length === 0) {
      refuse(`${parts} parts of ${classes} classes leave some of the ${pools.length} classes to nobody`);
    }
    if (pool.length < holders.length * min) {
      refuse(`a class of ${pool.length} samples cannot give at least ${min} to each of ${holders.length} parts`);
    }
    random.shuffle(pool);
    const shares = apportioned(pool.length, lognormals(random, holders.length, sigma), min);
    const all = new Array<number>(parts).fill(0);
    for (const [k, i] of holders.entries()) all[i] = shares[k]!;
    return all;
  });
  return finished(gathered(pools, counts, parts, random), random);
}

/**
 * The pathological split of McMahan et al. 2017 (FedAvg, arXiv 1602.05629): samples sorted by label, cut into `each` shards
 * a part, shards dealt out at random. The paper has 200 shards of 300 digits, two for each of 100 clients: most have two digits.
 */
export function partitionShards(
  labels: ArrayLike<number>,
  parts: number,
  { each }: { each: number },
  seed: number,
): Uint32Array[] {
  const random = new Random(seedFrom("shards", seed));
  const sorted = poolsOf(labels).flatMap((pool) => random.shuffle(pool));
  let from = 0;
  const shards = sizesOf(sorted.length, parts * each).map((size) => {
    from += size;
    return sorted.slice(from - size, from);
  });
  const order = random.permutation(shards.length);
  const out = Array.from({ length: parts }, (_, i) =>
    [...order.subarray(i * each, (i + 1) * each)].flatMap((shard) => shards[shard]!),
  );
  return finished(out, random);
}

/** Of pool c, `counts[c][i]` go to part i. Each part is shuffled. */
function gathered(pools: readonly number[][], counts: readonly number[][], parts: number, random: Random): number[][] {
  const out = Array.from({ length: parts }, (): number[] => []);
  for (const [c, pool] of pools.entries()) {
    let from = 0;
    for (const [i, n] of counts[c]!.entries()) {
      for (let k = from; k < from + n; k++) out[i]!.push(pool[k]!);
      from += n;
    }
  }
  for (const part of out) random.shuffle(part);
  return out;
}

/** P4 */
const finished = (parts: readonly number[][], random: Random): Uint32Array[] =>
  parts.map((part) => random.shuffle(Uint32Array.from(part)));
