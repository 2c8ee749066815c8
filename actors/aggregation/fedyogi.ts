/**
 * FedYogi: as FedAdam, but what a step is measured by grows and shrinks by no more than the step's own square.
 *
 *   m = β₁ · m + (1 − β₁) · Δ,   v = v − (1 − β₂) · Δ² · sign(v − Δ²),   w = w + η · m / (√v + τ),   m[−1] = 0, v[−1] = τ²
 *
 * Δ as in server-optimizer.ts. Reddi et al. 2021, arXiv 2003.00295, Algorithm 2 (FedYogi), with its β₁ = 0.9, β₂ = 0.99 and
 * τ = 0.001. It tunes η between 0.001 and 10.
 */
import { z } from "zod";
import { adaptive, beta, stepBy } from "./adaptive.ts";
import { defineServerOptimizer } from "./server-optimizer.ts";

export const fedyogi = defineServerOptimizer({
  name: "fedyogi",
  summary: "Yogi at the server (Reddi et al. 2021).",
  options: z.strictObject({ ...adaptive, beta2: beta(0.99).describe("β₂, how long squares are remembered") }),
  moments: ({ tau }) => [0, tau * tau],
  step: (step, options) =>
    stepBy(step, options, (v, square) => v - (1 - options.beta2) * square * Math.sign(v - square)),
});
