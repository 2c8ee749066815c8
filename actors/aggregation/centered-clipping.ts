/**
 * Centered clipping: how far updates are from the last round's step counts up to a radius only.
 *
 *   v[t+1] = v[t] + (1 / n) · Σ_k (Δ_k − v[t]) · min(1, τ / ‖Δ_k − v[t]‖),   w[t+1] = w[t] + v[t+1],   Δ_k = w_k − w[t], v[0] = 0
 *
 * S. P. Karimireddy, L. He, M. Jaggi: Learning from History for Byzantine Robust Optimization, ICML 2021, arXiv 2012.10333,
 * Algorithm 2, with its single iteration from where the round before has ended. τ = 10 as in its experiments. Weights play no
 * part: an attacker would choose his.
 */
import { z } from "zod";
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { Clipped } from "./clipped.ts";

const name = "centered_clipping";

export const centeredClipping = defineAggregation({
  name,
  summary:
    "The mean of updates that are drawn to the last round's step where they are far from it (Karimireddy et al. 2021). Everyone counts one.",
  options: z.strictObject({
    radius: z.number().positive().default(10).describe("τ, from where on an update is drawn nearer"),
  }),
  create: ({ radius }) => new Clipped({ name, norm: radius, equal: true, centered: true }),
});
