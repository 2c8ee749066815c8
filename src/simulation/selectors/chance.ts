/** Selectors that go by chance alone. */
import { z } from "zod";
import { defineSelector, sample } from "../selector.ts";

/** As many as wanted, each set of them equally likely. */
export const random = defineSelector({
  name: "random",
  select: ({ available, size, random }) => sample(available, size, random),
});

/**
 * Fewer in each round, at random: size / e^(decay · r), r from 0, after Ji et al. 2020 (Dynamic Sampling and Selective
 * Masking, arXiv 2003.09603).
 */
export const dynamic_sampling = defineSelector({
  name: "dynamic_sampling",
  options: z.strictObject({
    decay: z.number().min(0).default(0.1).describe("how fast cohorts shrink"),
    least: z.int().min(1).default(1).describe("never fewer than these"),
  }),
  select({ round, available, size, random }, { decay, least }) {
    const wanted = Math.max(least, Math.floor(size / Math.exp(decay * (round - 1))));
    return sample(available, Math.min(wanted, size), random);
  },
});
