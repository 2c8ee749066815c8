/**
 * Multi-Krum: the mean of the m updates that Krum rates best.
 *
 *   w[t+1] = (1 / m) · Σ w_i,   over the m updates i of the least s(i); s as in krum.ts
 *
 * Blanchard et al. 2017, arXiv 1703.02757, section 4 and 5, with its m = n − f; m = 1 is Krum, m = n the mean. n ≥ 2f + 3.
 */
import { z } from "zod";
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { borne, byzantine, leastFor } from "./byzantine.ts";
import { distancesOf } from "./distances.ts";

export const multiKrum = defineAggregation({
  name: "multi_krum",
  summary:
    "The mean of those that Krum rates best (Blanchard et al. 2017). Everyone counts one; n ≥ 2f + 3 as for `krum`.",
  options: z.strictObject({
    byzantine,
    select: z.int().positive().optional().describe("m, how many it averages").meta({ default: "n − f" }),
  }),
  least: ({ byzantine: f, select = 1 }) => Math.max(leastFor(f, 2), select),
  async survey(survey) {
    const distances = await distancesOf(survey);
    const n = distances.count;
    const f = borne(survey.options.byzantine, n, 2);
    const all = survey.collaborators.map((_, k) => k);
    return distances.ranked(all, n - f - 2).slice(0, survey.options.select ?? n - f);
  },
  combine({ columns, out, found }) {
    const best = found.map((k) => columns[k]!);
    for (let j = 0; j < out.length; j++) {
      let sum = 0;
      for (const column of best) sum += column[j]!;
      out[j] = sum / best.length;
    }
  },
});
