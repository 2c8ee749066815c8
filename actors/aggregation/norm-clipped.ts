/**
 * Norm-clipped mean: FedAvg of updates none of which may be longer than a bound.
 *
 *   w[t+1] = w[t] + Σ_k (n_k / n) · Δ_k / max(1, ‖Δ_k‖ / M),   Δ_k = w_k − w[t]
 *
 * Z. Sun, P. Kairouz, A. T. Suresh, H. B. McMahan: Can You Really Backdoor Federated Learning?, 2019, arXiv 1911.07963,
 * section 3 (norm thresholding of updates). There is no M for all models: it is to be given. An attacker moves the model by his
 * share of M; with `weight: equal` the share is one vote's.
 */
import { z } from "zod";
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { Clipped } from "./clipped.ts";

const name = "norm_clipped";

export const normClipped = defineAggregation({
  name,
  summary: "The weighted mean of updates that are shortened to a norm where they are longer (Sun et al. 2019).",
  options: z.strictObject({ norm: z.number().positive().describe("M, the longest that an update may be") }),
  create: ({ norm }) => new Clipped({ name, norm, equal: false, centered: false }),
});
