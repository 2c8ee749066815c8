/**
 * Parts of uneven sizes, each a fair sample of the whole: quantity skew without label skew.
 *
 * UE1 P1, P3 and P4 of src/data/partition.ts hold.
 * UE2 No part has fewer samples than `min`; `min: 0` allows empty ones.
 */
import { refuse } from "./partition.ts";
import { Random, seedFrom } from "./random.ts";

/** Every way of cutting the shuffled whole into parts of at least `min` is equally likely: cut points, drawn without repetition. */
export function partitionRandom(count: number, parts: number, min: number, seed: number): Uint32Array[] {
  const free = freeOf(count, parts, min);
  const random = new Random(seedFrom("random", seed));
  const cuts = random
    .permutation(free + parts - 1)
    .slice(0, parts - 1)
    .sort();
  const sizes = Array.from({ length: parts }, (_, i) => {
    const before = i === 0 ? -1 : cuts[i - 1]!;
    const here = i === parts - 1 ? free + parts - 1 : cuts[i]!;
    return here - before - 1 + min;
  });
  return dealt(count, sizes, random);
}

/**
 * Sizes in proportion to draws of a lognormal distribution, as the federated data sets of Li et al. 2020 (FedProx, arXiv
 * 1812.06127) have them. Its mu does not matter: it scales all draws alike, and only their proportions count.
 */
export function partitionLognormal(
  count: number,
  parts: number,
  { sigma, min }: { sigma: number; min: number },
  seed: number,
): Uint32Array[] {
  freeOf(count, parts, min);
  const random = new Random(seedFrom("lognormal", seed));
  return dealt(count, apportioned(count, lognormals(random, parts, sigma), min), random);
}

/** exp(sigma · z) for each, divided by the largest, so that none is infinite. */
export function lognormals(random: Random, n: number, sigma: number): number[] {
  const logs = Array.from({ length: n }, () => sigma * random.normal());
  const top = Math.max(...logs);
  return logs.map((log) => Math.exp(log - top));
}

/** Whole numbers that add up to `total`: `min` for each, the rest in proportion to the weights, by largest remainders. */
export function apportioned(total: number, weights: readonly number[], min: number): number[] {
  const rest = total - min * weights.length;
  const sum = weights.reduce((a, b) => a + b, 0);
  const ideal = weights.map((w) => (sum > 0 ? (rest * w) / sum : rest / weights.length));
  const sizes = ideal.map((share) => Math.floor(share));
  const left = rest - sizes.reduce((a, b) => a + b, 0);
  const order = [...ideal.keys()].sort((a, b) => ideal[b]! - sizes[b]! - (ideal[a]! - sizes[a]!) || a - b);
  for (let i = 0; i < left; i++) sizes[order[i % order.length]!]!++;
  return sizes.map((size) => size + min);
}

function dealt(count: number, sizes: readonly number[], random: Random): Uint32Array[] {
  const order = random.permutation(count);
  let from = 0;
  return sizes.map((size) => {
    from += size;
    return order.slice(from - size, from);
  });
}

/** How many samples are left when each part has its minimum. */
function freeOf(count: number, parts: number, min: number): number {
  const free = count - parts * min;
  if (free < 0 || !Number.isSafeInteger(free)) refuse(`${count} samples cannot fill ${parts} parts of at least ${min}`);
  return free;
}
