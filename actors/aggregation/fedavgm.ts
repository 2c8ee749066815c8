/**
 * FedAvgM: the server goes on in the direction of the rounds before, as a ball rolls.
 *
 *   v[t+1] = β · v[t] + Δ[t],   w[t+1] = w[t] + η · v[t+1],   v[0] = 0
 *
 * Δ as in server-optimizer.ts. T.-M. H. Hsu, H. Qi, M. Brown: Measuring the Effects of Non-Identical Data Distribution for
 * Federated Visual Classification, 2019, arXiv 1909.06335, section 4.3. β = 0.9 and η = 1 as there; with β = 0 and η = 1 it is
 * FedAvg.
 */
import { z } from "zod";
import { defineServerOptimizer } from "./server-optimizer.ts";

export const fedavgm = defineServerOptimizer({
  name: "fedavgm",
  summary: "FedAvg with momentum at the server (Hsu et al. 2019).",
  options: z.strictObject({
    momentum: z.number().min(0).lt(1).default(0.9).describe("β, how much of the last step is in the next"),
    learningRate: z.number().positive().default(1).describe("η"),
  }),
  moments: () => [0],
  step({ global, delta, before: [v], after: [next], out }, { momentum, learningRate }) {
    for (let i = 0; i < out.length; i++) {
      const step = momentum * v![i]! + delta[i]!;
      next![i] = step;
      out[i] = global[i]! + learningRate * step;
    }
  },
});
