/**
 * Geometric median: the model whose distances to the updates, each as a whole, are least in weighted sum.
 *
 *   w[t+1] ≈ argmin_v Σ_k α_k · ‖v − w_k‖,   α_k = n_k / n,   by R steps of the smoothed Weiszfeld algorithm:
 *   v ← Σ_k β_k · w_k / Σ_k β_k,   β_k = α_k / max(ν, ‖v − w_k‖),   from v = Σ_k α_k · w_k
 *
 * K. Pillutla, S. Kakade, Z. Harchaoui: Robust Aggregation for Federated Learning, IEEE Transactions on Signal Processing 2022,
 * arXiv 1912.13445, Algorithm 2 (RFA), with its R = 3 and ν = 10⁻⁶. α stays what it was in every step, and a distance is that of
 * the whole model.
 *
 * v is a combination of the updates, so a step needs their coefficients only: v is made again block by block, and never held.
 */
import { z } from "zod";
import { defineAggregation } from "../../src/parts/aggregation.ts";

export const geometricMedian = defineAggregation({
  name: "geometric_median",
  summary:
    "The point of the least weighted sum of distances to whole updates, by Weiszfeld's steps (RFA, Pillutla et al. 2022). Bears hostile updates of less than half of the weight.",
  options: z.strictObject({
    iterations: z.int().min(1).max(1000).default(3).describe("R, how many steps; each reads all updates once more"),
    smoothing: z.number().positive().default(1e-6).describe("ν, the least distance that counts"),
  }),
  async survey({ weights, options, each }) {
    const total = weights.reduce((sum, w) => sum + w, 0);
    const alphas = Float64Array.from(weights, (w) => w / total);
    let shares = alphas;
    for (let step = 0; step < options.iterations; step++) {
      const squares = new Float64Array(weights.length);
      await each(({ columns }) => {
        const v = mixed(columns, shares);
        for (const [k, column] of columns.entries()) squares[k]! += apart(v, column);
      });
      const betas = alphas.map((a, k) => a / Math.max(options.smoothing, Math.sqrt(squares[k]!)));
      const sum = betas.reduce((s, b) => s + b, 0);
      shares = betas.map((b) => b / sum);
    }
    return shares;
  },
  combine: ({ columns, out, found }) => out.set(mixed(columns, found)),
});

function mixed(columns: readonly Float32Array[], shares: Float64Array): Float64Array {
  const sum = new Float64Array(columns[0]?.length ?? 0);
  for (const [k, column] of columns.entries()) {
    const share = shares[k]!;
    for (let j = 0; j < sum.length; j++) sum[j]! += share * column[j]!;
  }
  return sum;
}

function apart(a: Float64Array, b: Float32Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) {
    const x = a[j]! - b[j]!;
    sum += x * x;
  }
  return sum;
}
