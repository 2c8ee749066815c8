/**
 * Krum: the next model is one of the updates, the one that its nearest others are closest to.
 *
 *   w[t+1] = w_i,   i = argmin s(i),   s(i) = Σ_{j → i} ‖w_i − w_j‖²,   over the n − f − 2 updates j that are closest to i
 *
 * P. Blanchard, E. M. El Mhamdi, R. Guerraoui, J. Stainer: Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent,
 * NeurIPS 2017, arXiv 1703.02757, section 4. n ≥ 2f + 3. Weights play no part: an attacker would choose his.
 */
import { z } from "zod";
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { borne, byzantine, leastFor } from "./byzantine.ts";
import { distancesOf } from "./distances.ts";

export const krum = defineAggregation({
  name: "krum",
  summary:
    "The one update that its nearest others are closest to (Blanchard et al. 2017). Of n updates it bears f hostile ones, n ≥ 2f + 3.",
  options: z.strictObject({ byzantine }),
  least: (options) => leastFor(options.byzantine, 2),
  async survey(survey) {
    const distances = await distancesOf(survey);
    const n = distances.count;
    return distances.best(
      survey.collaborators.map((_, k) => k),
      n - borne(survey.options.byzantine, n, 2) - 2,
    );
  },
  combine: ({ columns, out, found }) => out.set(columns[found]!),
});
