/**
 * The elements of largest magnitude, k = ⌈fraction · n⌉ of n; the others are 0, and wait in the residual (Stich et al. 2018,
 * arXiv 1809.07599).
 *
 *   u32 count · u8 r · gaps    (src/codec/bits.ts)
 *
 * ‖x̂ − x‖² ≤ (1 − k/n) ‖x‖² (lemma A.1 there), and the chosen ones are exact unless they are packed.
 */
import { z } from "zod";
import { mostPlaces, packPlaces, unpackPlaces } from "./bits.ts";
import { type ChoosingCodec, malformed, portion } from "./codec.ts";
import { strongest } from "./select.ts";

const options = z.strictObject({
  fraction: z.number().gt(0).max(1).default(0.01),
  feedback: z.boolean().default(true),
});

export const topk: ChoosingCodec<z.output<typeof options>> = {
  ...{ name: "topk", id: 4, version: 1, kind: "chooses", options, feedback: (o) => o.feedback },
  doc: "the `fraction` (0.01) of largest magnitude; with `feedback` (true) the rest is added to the next update",
  create: ({ fraction }) => {
    const count = (n: number): number => portion(fraction, n);
    return {
      count,
      most: (n) => mostPlaces(count(n), n),
      choose(values) {
        const indices = strongest(values, count(values.length));
        return { indices, places: packPlaces(indices, values.length) };
      },
      find(places, n) {
        const { indices, length } = unpackPlaces(places, count(n), n);
        if (length !== places.length) throw malformed("bytes follow the places");
        return indices;
      },
      gain: () => 1,
    };
  },
};
