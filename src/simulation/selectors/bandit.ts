/** The selector that weighs what it knows against what it could learn. */
import { z } from "zod";
import { defineSelector, most, sample } from "../selector.ts";

/**
 * UCB-CS (Cho et al. 2020, arXiv 2012.08009): the largest p_k · (L_k / N_k + sqrt(2 σ² ln T / N_k)). L_k and N_k are the
 * losses and the number of a device's parts and T that of rounds, each discounted by γ a round; p_k is its share of samples.
 * Who has done no part yet comes first. Only rounds that have been count.
 */
export const ucb_cs = defineSelector({
  name: "ucb_cs",
  options: z.strictObject({
    gamma: z.number().gt(0).max(1).default(0.2).describe("γ, what a round counts one round later"),
    delta: z.number().min(0).default(10).describe("σ, how much what is not known counts"),
  }),
  select({ available, size, history, random, round, look }, { gamma, delta }) {
    if (history.rounds.length === 0) return sample(available, size, random);
    const weight = (past: number): number => gamma ** (round - 1 - past);
    const T = history.rounds.reduce((a, r) => a + weight(r.round), 0);
    const samples = new Map([...available].map((d) => [d, look(d).samples]));
    const all = [...samples.values()].reduce((a, b) => a + b, 0);
    return most(available, size, (d) => {
      let [L, N] = [0, 0];
      for (const part of history.of(d)) {
        if (!part.done || part.loss === undefined) continue;
        L += weight(part.round) * part.loss;
        N += weight(part.round);
      }
      if (N === 0) return Number.POSITIVE_INFINITY;
      return (samples.get(d)! / all) * (L / N + Math.sqrt((2 * delta ** 2 * Math.max(Math.log(T), 0)) / N));
    });
  },
});
