/**
 * Bulyan: Krum chooses updates one after the other, and of each element those values count that are closest to their median.
 *
 *   S: θ = n − 2f times, Krum's choice among the updates that are left (krum.ts) is taken out of them
 *   w[t+1]_j = mean of the β = θ − 2f values of { (w_k)_j : k ∈ S } closest to med { (w_k)_j : k ∈ S },   for every coordinate j
 *
 * E. M. El Mhamdi, R. Guerraoui, S. Rouault: The Hidden Vulnerability of Distributed Learning in Byzantium, ICML 2018,
 * arXiv 1802.07927, section 4. n ≥ 4f + 3. Scores are worked out anew after each choice, as there. Weights play no part.
 */
import { setImmediate as turn } from "node:timers/promises";
import { z } from "zod";
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { borne, byzantine, leastFor } from "./byzantine.ts";
import { distancesOf } from "./distances.ts";
import { sortColumns } from "./sorting.ts";

export const bulyan = defineAggregation({
  name: "bulyan",
  summary:
    "Krum's choices one by one, then of each element the mean of the values closest to their median (El Mhamdi et al. 2018). Of n updates it bears f hostile ones in every element, n ≥ 4f + 3.",
  options: z.strictObject({ byzantine }),
  least: (options) => leastFor(options.byzantine, 4),
  async survey(survey) {
    const distances = await distancesOf(survey);
    const n = distances.count;
    const f = borne(survey.options.byzantine, n, 4);
    const left = survey.collaborators.map((_, k) => k);
    const chosen: number[] = [];
    while (chosen.length < n - 2 * f) {
      const best = distances.best(left, left.length - f - 2);
      left.splice(left.indexOf(best), 1);
      chosen.push(best);
      await turn();
    }
    return { chosen: chosen.sort((a, b) => a - b), drop: 2 * f };
  },
  combine({ columns, out, found: { chosen, drop } }) {
    const values = chosen.map((k) => columns[k]!);
    sortColumns(values);
    const upper = values[values.length >> 1]!;
    const lower = values[(values.length - 1) >> 1]!;
    for (let j = 0; j < out.length; j++) {
      const median = (lower[j]! + upper[j]!) / 2;
      let [first, last] = [0, values.length - 1];
      for (let k = 0; k < drop; k++) {
        if (median - values[first]![j]! > values[last]![j]! - median) first++;
        else last--;
      }
      let sum = 0;
      for (let k = first; k <= last; k++) sum += values[k]![j]!;
      out[j] = sum / (last - first + 1);
    }
  },
});
