/**
 * Sparse ternary compression (Sattler et al. 2019, arXiv 1903.02891, algorithm 1): of the k = ⌈fraction · n⌉ elements of largest
 * magnitude the signs, and one magnitude μ for them all, the mean of theirs; the others are 0. What is lost waits in the residual.
 *
 *   f32 μ · u32 count · u8 r · gaps · signs, one bit each    (src/codec/bits.ts; Golomb coding as in the paper's algorithm 3)
 *
 * ‖x̂ − x‖² = ‖x‖² − kμ² ≤ ‖x‖², but for the rounding of μ to f32: the mean over what was chosen, not over all n, which would
 * make everything 1/fraction times too small.
 */
import { z } from "zod";
import { mostPlaces, packBits, packPlaces, unpackBits, unpackPlaces } from "./bits.ts";
import { malformed, type PackingCodec, portion, viewOf } from "./codec.ts";
import { strongest } from "./select.ts";

const options = z.strictObject({
  fraction: z.number().gt(0).max(1).default(0.01),
  feedback: z.boolean().default(true),
});

export const stc: PackingCodec<z.output<typeof options>> = {
  ...{ name: "stc", id: 6, version: 1, kind: "packs", options, feedback: (o) => o.feedback },
  doc: "signs of the `fraction` (0.01) of largest magnitude and one magnitude; `feedback` (true) as for `topk`",
  create: ({ fraction }) => {
    const count = (n: number): number => portion(fraction, n);
    return {
      most: (n) => 4 + mostPlaces(count(n), n) + Math.ceil(count(n) / 8),
      encode(values) {
        const indices = strongest(values, count(values.length));
        const signs = new Uint8Array(indices.length);
        let sum = 0;
        for (let i = 0; i < indices.length; i++) {
          const x = values[indices[i]!]!;
          sum += Math.abs(x);
          signs[i] = x < 0 ? 1 : 0;
        }
        const places = packPlaces(indices, values.length);
        const packed = packBits(signs, 1);
        const out = new Uint8Array(4 + places.length + packed.length);
        viewOf(out).setFloat32(0, indices.length === 0 ? 0 : sum / indices.length, true);
        out.set(places, 4);
        out.set(packed, 4 + places.length);
        return out;
      },
      decode(bytes, out) {
        if (bytes.length < 4) throw malformed("a ternary block is cut short");
        const magnitude = viewOf(bytes).getFloat32(0, true);
        if (!(magnitude >= 0 && magnitude < Number.POSITIVE_INFINITY)) throw malformed(`a magnitude of ${magnitude}`);
        const { indices, length } = unpackPlaces(bytes.subarray(4), count(out.length), out.length);
        const signs = unpackBits(bytes.subarray(4 + length), 1, indices.length);
        out.fill(0);
        for (let i = 0; i < indices.length; i++) out[indices[i]!] = signs[i] === 1 ? -magnitude : magnitude;
      },
    };
  },
};
