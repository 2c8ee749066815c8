/**
 * Trimmed mean: of each element the lowest and the highest share of the updates are left out, and the others averaged.
 *
 *   w[t+1]_j = mean of { (w_k[t+1])_j : k } without its ⌊β·m⌋ lowest and ⌊β·m⌋ highest,   m updates, for every coordinate j
 *
 * D. Yin, Y. Chen, K. Ramchandran, P. Bartlett: Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates,
 * ICML 2018, arXiv 1803.01498, Definition 2 and Algorithm 1 (Option II). β is at least the share of collaborators that may be
 * hostile, and below a half. Weights play no part: an attacker would choose his.
 */
import { z } from "zod";
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { sortColumns } from "./sorting.ts";

export const trimmedMean = defineAggregation({
  name: "trimmed_mean",
  summary:
    "The mean of each element without its lowest and its highest values (Yin et al. 2018). Everyone counts one; the share left out at either end, rounded down, is that of hostile updates it bears.",
  options: z.strictObject({
    trim: z.number().min(0).lt(0.5).default(0.2).describe("β, the share left out at either end"),
  }),
  combine({ columns, out, options }) {
    const cut = Math.floor(options.trim * columns.length + 1e-9); // 0.29 · 100 is a little below 29
    sortColumns(columns);
    const kept = columns.slice(cut, columns.length - cut);
    for (let j = 0; j < out.length; j++) {
      let sum = 0;
      for (const column of kept) sum += column[j]!;
      out[j] = sum / kept.length;
    }
  },
});
