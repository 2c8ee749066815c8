/**
 * Trimmed mean: of each element, leave out the lowest and the highest `trim` share of the updates and average the rest.
 * Survives up to that share of broken or hostile collaborators (Yin et al. 2018, arXiv 1803.01498, Algorithm 1, Option II).
 *
 * In the plan:
 *   aggregation:
 *     use: ./trimmed-mean.ts
 *     options: { trim: 0.2 }
 */
import { defineAggregation, z } from "entente";

export default defineAggregation({
  name: "trimmed-mean",
  options: z.strictObject({ trim: z.number().min(0).lt(0.5).default(0.1) }),
  combine({ columns, out, options }) {
    const cut = Math.floor(options.trim * columns.length);
    const element = new Float32Array(columns.length);
    for (let j = 0; j < out.length; j++) {
      columns.forEach((column, k) => {
        element[k] = column[j] ?? Number.NaN;
      });
      const kept = element.sort().subarray(cut, columns.length - cut);
      out[j] = kept.reduce((sum, x) => sum + x, 0) / kept.length;
    }
  },
});
