/**
 * Dealing one data set out to the collaborators of a federation, as lists of indices.
 *
 * P1 The parts are disjoint and together cover every index.
 * P2 Sizes differ by at most one, so no part is empty.
 * P3 The same arguments give the same parts in every process: each collaborator computes all and keeps its own.
 * P4 Every part is in random order: its first k indices are a fair sample of it.
 */
import { FlError } from "../errors.ts";
import { Random, seedFrom } from "./random.ts";

/** Independent and identically distributed parts: shuffle, then deal. */
export function partitionIid(labels: number | ArrayLike<number>, parts: number, seed: number): Uint32Array[] {
  const count = typeof labels === "number" ? labels : labels.length;
  const sizes = sizesOf(count, parts);
  const order = new Random(seedFrom("iid", seed)).permutation(count);
  let from = 0;
  return sizes.map((size) => {
    const part = order.slice(from, from + size);
    from += size;
    return part;
  });
}

/**
 * Skewed parts of equal size, after Hsu, Qi and Brown 2019 (arXiv 1909.06335): part i draws its own mix of classes
 * q_i ~ Dirichlet(alpha · p), p being the classes' shares of the whole, then its samples from q_i. (Not the other common
 * variant, of Yurochkin 2019 and Li 2022, which splits each class over the parts and leaves sizes unequal.)
 *
 * Drawing is without replacement, so that parts are disjoint: an exhausted class drops out and the rest of q_i is
 * renormalised. The parts draw in turn, one sample each, so that no part is left with the remains.
 * alpha → 0 gives parts of one class, alpha → ∞ gives iid parts.
 */
export function partitionDirichlet(
  labels: ArrayLike<number>,
  parts: number,
  alpha: number,
  seed: number,
): Uint32Array[] {
  if (!(alpha > 0 && Number.isFinite(alpha))) refuse(`alpha is ${alpha}, it must be a positive number`);
  const sizes = sizesOf(labels.length, parts);
  const random = new Random(seedFrom("dirichlet", seed));
  const pools = poolsOf(labels);
  for (const pool of pools) random.shuffle(pool);
  const mixes = sizes.map(() => random.dirichlet(pools.map((pool) => (alpha * pool.length) / labels.length)));
  const out = sizes.map((size) => new Uint32Array(size));
  for (let turn = 0; turn < sizes[0]!; turn++) {
    for (let i = 0; i < parts; i++) {
      if (turn >= sizes[i]!) continue;
      const label = draw(random, pools, mixes[i]!);
      out[i]![turn] = pools[label]!.pop()!;
    }
  }
  return out;
}

/** A class that still has samples, by the mix; by what is left when the mix has no weight on any of those. */
function draw(random: Random, pools: readonly number[][], mix: readonly number[]): number {
  let weights: readonly number[] = mix;
  let sum = 0;
  for (let c = 0; c < pools.length; c++) if (pools[c]!.length > 0) sum += weights[c]!;
  if (!(sum > 0)) {
    weights = pools.map((pool) => pool.length);
    sum = weights.reduce((a, b) => a + b, 0);
  }
  let left = random.float() * sum;
  let last = 0;
  for (let c = 0; c < pools.length; c++) {
    if (pools[c]!.length === 0 || !(weights[c]! > 0)) continue;
    last = c; // rounding may leave a crumb after the last class: it goes to that class
    left -= weights[c]!;
    if (left < 0) return c;
  }
  return last;
}

/** The indices of each class. @throws FL_SHARD_INVALID for a label that is no class id */
export function poolsOf(labels: ArrayLike<number>): number[][] {
  const pools: number[][] = [];
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= 65_536) refuse(`label ${i} is ${label}, not a class id`);
    while (pools.length <= label) pools.push([]);
    pools[label]!.push(i);
  }
  return pools;
}

/** P2: the first parts take the remainder */
export function sizesOf(count: number, parts: number): number[] {
  if (!Number.isInteger(parts) || parts < 1) refuse(`parts is ${parts}, it must be a whole number from 1 up`);
  if (!Number.isInteger(count) || count < parts) refuse(`${count} samples cannot fill ${parts} parts`);
  const base = Math.floor(count / parts);
  return Array.from({ length: parts }, (_, i) => base + (i < count % parts ? 1 : 0));
}

export function refuse(reason: string): never {
  throw new FlError("FL_SHARD_INVALID", { reason });
}
