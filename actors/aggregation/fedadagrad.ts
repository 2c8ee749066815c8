/**
 * FedAdagrad: each weight's steps shrink with the squares of all its steps so far.
 *
 *   m = β₁ · m + (1 − β₁) · Δ,   v = v + Δ²,   w = w + η · m / (√v + τ),   m[−1] = 0, v[−1] = τ²
 *
 * Δ as in server-optimizer.ts. Reddi et al. 2021, arXiv 2003.00295, Algorithm 2 (FedAdagrad), with its β₁ = 0 and τ = 0.001. It
 * tunes η between 0.001 and 10.
 */
import { z } from "zod";
import { adaptive, beta, stepBy } from "./adaptive.ts";
import { defineServerOptimizer } from "./server-optimizer.ts";

export const fedadagrad = defineServerOptimizer({
  name: "fedadagrad",
  summary: "Adagrad at the server (Reddi et al. 2021).",
  options: z.strictObject({
    ...adaptive,
    beta1: beta(0).describe("β₁, how much of the last direction is in the next"),
  }),
  moments: ({ tau }) => [0, tau * tau],
  step: (step, options) => stepBy(step, options, (v, square) => v + square),
});
