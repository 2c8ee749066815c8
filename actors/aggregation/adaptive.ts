/**
 * What the adaptive server optimizers share (Reddi et al. 2021, arXiv 2003.00295, Algorithm 2): all but how v goes on.
 *
 *   m = β₁ · m + (1 − β₁) · Δ,   w = w + η · m / (√v + τ)
 */
import { z } from "zod";
import type { Step } from "./server-optimizer.ts";

export const beta = (by: number) => z.number().min(0).lt(1).default(by);

export const adaptive = {
  learningRate: z.number().positive().default(0.01).describe("η; tune it"),
  beta1: beta(0.9).describe("β₁, how much of the last direction is in the next"),
  tau: z.number().positive().default(0.001).describe("τ, how adaptive: less is more"),
};

type Options = { learningRate: number; beta1: number; tau: number };

/** Moments are m and v; `square` is Δ². */
export function stepBy(
  { global, delta, before, after, out }: Step,
  { learningRate, beta1, tau }: Options,
  next: (v: number, square: number) => number,
): void {
  const [m, v] = before as [Float32Array, Float32Array];
  const [nextM, nextV] = after as [Float32Array, Float32Array];
  for (let i = 0; i < out.length; i++) {
    const d = delta[i]!;
    const first = beta1 * m[i]! + (1 - beta1) * d;
    const second = next(v[i]!, d * d);
    nextM[i] = first;
    nextV[i] = second;
    out[i] = global[i]! + (learningRate * first) / (Math.sqrt(second) + tau);
  }
}
