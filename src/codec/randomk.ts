/**
 * k = ⌈fraction · n⌉ of n elements, drawn by the seed, so that no places travel. Either multiplied by n/k, which makes the mean
 * over draws the vector itself, or as they are with what was not drawn waiting in the residual (Stich et al. 2018, arXiv
 * 1809.07599).
 *
 * Without feedback E x̂ = x and E ‖x̂ − x‖² = (n/k − 1) ‖x‖²; with it E ‖x̂ − x‖² = (1 − k/n) ‖x‖². An element that was drawn is
 * exact but for its multiplication.
 */
import { z } from "zod";
import { Random } from "../data/random.ts";
import { type ChoosingCodec, portion, sized } from "./codec.ts";

const options = z.strictObject({
  fraction: z.number().gt(0).max(1).default(0.1),
  feedback: z.boolean().default(false),
});

/** k of n, each subset as likely: selection sampling, Knuth 3.4.2, algorithm S. */
function drawn(k: number, n: number, seed: number): Uint32Array {
  const random = new Random(seed);
  const found = new Uint32Array(k);
  for (let i = 0, at = 0; at < k; i++) if ((n - i) * random.float() < k - at) found[at++] = i;
  return found;
}

export const randomk: ChoosingCodec<z.output<typeof options>> = {
  ...{ name: "randomk", id: 5, version: 1, kind: "chooses", options, feedback: (o) => o.feedback },
  doc: "a `fraction` (0.1) drawn by the seed and scaled so that nothing is biased, or unscaled with `feedback` (false)",
  create: ({ fraction, feedback }) => {
    const count = (n: number): number => portion(fraction, n);
    return {
      count,
      most: () => 0,
      choose: (values, seed) => ({
        indices: drawn(count(values.length), values.length, seed),
        places: new Uint8Array(0),
      }),
      find(places, n, seed) {
        sized("randomk", places, 0);
        return drawn(count(n), n, seed);
      },
      gain: (n, k) => (feedback ? 1 : n / k),
    };
  },
};
