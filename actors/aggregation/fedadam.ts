/**
 * FedAdam: each weight's steps are measured by the mean square of its latest ones.
 *
 *   m = β₁ · m + (1 − β₁) · Δ,   v = β₂ · v + (1 − β₂) · Δ²,   w = w + η · m / (√v + τ),   m[−1] = 0, v[−1] = τ²
 *
 * Δ as in server-optimizer.ts. Reddi et al. 2021, arXiv 2003.00295, Algorithm 2 (FedAdam), with its β₁ = 0.9, β₂ = 0.99 and
 * τ = 0.001, and as there without a correction of the moments' bias. It tunes η between 0.001 and 10.
 */
import { z } from "zod";
import { adaptive, beta, stepBy } from "./adaptive.ts";
import { defineServerOptimizer } from "./server-optimizer.ts";

export const fedadam = defineServerOptimizer({
  name: "fedadam",
  summary: "Adam at the server (Reddi et al. 2021).",
  options: z.strictObject({ ...adaptive, beta2: beta(0.99).describe("β₂, how long squares are remembered") }),
  moments: ({ tau }) => [0, tau * tau],
  step: (step, options) => stepBy(step, options, (v, square) => options.beta2 * v + (1 - options.beta2) * square),
});
