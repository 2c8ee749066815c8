/** Updates as tests of aggregations want them. */
import { Random } from "../../src/data/random.ts";
import type { Update } from "../../src/parts/aggregation.ts";
import { type Layout, layoutOf } from "../../src/tensor/layout.ts";

export const vectorOf = (length: number): Layout => layoutOf([{ name: "w", dtype: "f32", shape: [length] }]);

export const updatesFrom = (rows: readonly (readonly number[])[], weights?: readonly number[]): Update[] =>
  rows.map((row, k) => ({ collaborator: `c${k}`, weight: weights?.[k] ?? 1, values: Float32Array.from(row) }));

/** Numbers of a normal distribution, the same for the same seed. */
export function normals(seed: number, length: number, sigma = 1, mean = 0): number[] {
  const random = new Random(seed);
  return Array.from({ length }, () => mean + sigma * random.normal());
}
