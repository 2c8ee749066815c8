/**
 * EDEN (Vargaftik et al. 2022, arXiv 2108.08842, algorithm 1): the vector is rotated at random, so that its elements are about
 * normal, each is quantized to the nearest of 2^bits levels that are best for that, and the result is scaled so that nothing is
 * biased.
 *
 *   f32 scale × pieces · bits × (sum of the pieces' lengths)
 *
 * With y = Rx and q its levels, x̂ = s R⁻¹q with s = ‖x‖² / ⟨q, y⟩, so that ⟨x̂, x⟩ = ‖x‖² whatever is drawn, E x̂ = x over rotations,
 * and ‖x̂ − x‖² = ‖x̂‖² − ‖x‖². Of long vectors E ‖x̂ − x‖² is D / (1 − D) ‖x‖² with D the distortion of the quantizer (theorem 2.3
 * there): 0.571, 0.133, 0.0358, 0.00959, 0.00251, … for 1, 2, 3, 4, 5, … bits.
 *
 * A vector is cut into pieces whose lengths are powers of two, the last filled up with zeros where that is at most a sixteenth.
 */
import { z } from "zod";
import { seedFrom } from "../data/random.ts";
import { packBits, unpackBits } from "./bits.ts";
import { malformed, type PackingCodec, viewOf } from "./codec.ts";
import { levels } from "./eden-levels.ts";
import { exponentOf, largest } from "./largest.ts";
import { rotate, rotateBack } from "./rotation.ts";

const options = z.strictObject({ bits: z.int().min(1).max(8).default(4) });

/** Lengths of the pieces of `n` elements. */
export function piecesOf(n: number): number[] {
  const pieces: number[] = [];
  for (let left = n; left > 0; ) {
    const below = 2 ** (31 - Math.clz32(left));
    const filled = below === left ? left : 2 * below;
    const piece = filled - left <= n / 16 ? filled : below;
    pieces.push(piece);
    left -= piece;
  }
  return pieces;
}

const padded = (pieces: readonly number[]): number => pieces.reduce((a, b) => a + b, 0);
const seedOf = (seed: number, piece: number): number => seedFrom("eden", seed, piece);

/** Between neighbouring levels. */
const bordersOf = (positive: readonly number[]): Float64Array =>
  Float64Array.from(positive.slice(1), (level, i) => (positive[i]! + level) / 2);

/** How many borders lie below. */
function rank(borders: Float64Array, magnitude: number): number {
  let low = 0;
  let high = borders.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (borders[middle]! < magnitude) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const eden: PackingCodec<z.output<typeof options>> = {
  ...{ name: "eden", id: 8, version: 1, kind: "packs", options, feedback: () => false },
  doc: "rotated at random, then `bits` (4, from 1 to 8) an element; unbiased",
  create: ({ bits }) => {
    const positive = Float32Array.from(levels[bits - 1]!);
    const borders = bordersOf([...positive]);
    const most = (n: number): number => {
      const pieces = piecesOf(n);
      return 4 * pieces.length + Math.ceil((padded(pieces) * bits) / 8);
    };
    /** Rotates one piece, writes its levels to `which`, and gives its scale. */
    const quantize = (values: Float32Array, piece: number, seed: number, which: Uint8Array): number => {
      const top = largest(values);
      if (top === 0) return 0;
      const unit = 2 ** exponentOf(top); // exact, and no square over- or underflows then
      const y = new Float32Array(piece);
      let norm = 0;
      for (let i = 0; i < values.length; i++) {
        y[i] = values[i]! / unit;
        norm += y[i]! * y[i]!;
      }
      rotate(y, seed);
      const spread = Math.sqrt(piece / norm);
      let along = 0;
      for (let i = 0; i < piece; i++) {
        const r = rank(borders, Math.abs(y[i]!) * spread);
        which[i] = (r << 1) | (y[i]! < 0 ? 1 : 0);
        along += positive[r]! * Math.abs(y[i]!);
      }
      return (norm / along) * unit;
    };
    return {
      most,
      encode(values, seed) {
        const pieces = piecesOf(values.length);
        const which = new Uint8Array(padded(pieces));
        const scales = new Float32Array(pieces.length);
        let from = 0;
        for (const [p, piece] of pieces.entries()) {
          const [part, own] = [values.subarray(from, from + piece), which.subarray(from, from + piece)];
          scales[p] = quantize(part, piece, seedOf(seed, p), own);
          from += piece;
        }
        const packed = packBits(which, bits);
        const out = new Uint8Array(4 * pieces.length + packed.length);
        out.set(new Uint8Array(scales.buffer));
        out.set(packed, 4 * pieces.length);
        return out;
      },
      decode(bytes, out, seed) {
        const pieces = piecesOf(out.length);
        if (bytes.length !== most(out.length))
          throw malformed(`eden: ${bytes.length} bytes, expected ${most(out.length)}`);
        const view = viewOf(bytes);
        const which = unpackBits(bytes.subarray(4 * pieces.length), bits, padded(pieces));
        let from = 0;
        for (const [p, piece] of pieces.entries()) {
          const scale = view.getFloat32(4 * p, true);
          if (!(scale >= 0 && scale < Number.POSITIVE_INFINITY)) throw malformed(`a scale of ${scale}`);
          const y = new Float32Array(piece);
          for (let i = 0; i < piece; i++) {
            const w = which[from + i]!;
            y[i] = w & 1 ? -positive[w >>> 1]! : positive[w >>> 1]!;
          }
          rotateBack(y, seedOf(seed, p));
          const to = Math.min(out.length, from + piece);
          for (let i = from; i < to; i++) out[i] = y[i - from]! * scale;
          from = to;
        }
      },
    };
  },
};
