/**
 * A codebook of `clusters` values, found by k-means in one dimension, and for each element which of them it is: OpenFL's KC, and
 * behind `topk` its SKC.
 *
 *   u8 c − 1 · f32 × c, ascending · ⌈log2 c⌉ bits × n
 *
 * Lloyd's iterations begin with the quantiles' means and only ever lessen the squared error, so ‖x̂ − x‖² ≤ Σ (x − mean)², the
 * error of a codebook of one, but for the rounding of the codebook to f32. With no more different values than clusters x̂ = x.
 */
import { z } from "zod";
import { packBits, unpackBits } from "./bits.ts";
import { malformed, type PackingCodec, viewOf } from "./codec.ts";

const options = z.strictObject({ clusters: z.int().min(2).max(256).default(16) });
const ITERATIONS = 25;

const widthOf = (c: number): number => 32 - Math.clz32(c - 1);

/** The first of `sorted` that is not below `x`, from `from` on. */
function lowerBound(sorted: Float32Array | Float64Array, x: number, from = 0, to: number = sorted.length): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

function codebook(values: Float32Array, clusters: number): Float32Array {
  const sorted = values.slice().sort();
  const n = sorted.length;
  const different = [0];
  for (let i = 1; i < n && different.length <= clusters; i++) if (sorted[i]! > sorted[i - 1]!) different.push(i);
  if (different.length <= clusters) return Float32Array.from(different, (i) => sorted[i]!);
  const sums = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) sums[i + 1] = sums[i]! + sorted[i]!;
  // where each cluster begins in the sorted values; clusters are never empty, or they are left out
  let begins = [...new Set(Array.from({ length: clusters }, (_, j) => Math.floor((j * n) / clusters)))];
  for (let round = 0; round < ITERATIONS; round++) {
    const means = meansOf(begins, sums, n);
    const next = means.map((m, j) => (j === 0 ? 0 : lowerBound(sorted, (means[j - 1]! + m) / 2)));
    const moved = next.filter((b, j) => b < n && b !== next[j + 1]);
    if (moved.length === begins.length && moved.every((b, j) => b === begins[j])) break;
    begins = moved;
  }
  return Float32Array.from(meansOf(begins, sums, n)).sort();
}

const meansOf = (begins: readonly number[], sums: Float64Array, n: number): number[] =>
  begins.map((from, j) => {
    const to = begins[j + 1] ?? n;
    return (sums[to]! - sums[from]!) / (to - from);
  });

export const kmeans: PackingCodec<z.output<typeof options>> = {
  ...{ name: "kmeans", id: 7, version: 1, kind: "packs", options, feedback: () => false },
  doc: "a codebook of `clusters` (16, at most 256) values and an index for each element",
  create: ({ clusters }) => ({
    most: (n) => 1 + 4 * clusters + Math.ceil((n * widthOf(clusters)) / 8),
    encode(values) {
      if (values.length === 0) return new Uint8Array(0);
      const book = codebook(values, clusters);
      const borders = Float64Array.from(book.subarray(1), (b, i) => (book[i]! + b) / 2);
      const which = new Uint8Array(values.length);
      for (let i = 0; i < values.length; i++) which[i] = lowerBound(borders, values[i]!);
      const packed = packBits(which, widthOf(book.length));
      const out = new Uint8Array(1 + 4 * book.length + packed.length);
      const view = viewOf(out);
      out[0] = book.length - 1;
      for (const [i, b] of book.entries()) view.setFloat32(1 + 4 * i, b, true);
      out.set(packed, 1 + 4 * book.length);
      return out;
    },
    decode(bytes, out) {
      if (out.length === 0 && bytes.length === 0) return;
      const c = (bytes[0] ?? 0) + 1;
      const from = 1 + 4 * c;
      if (c > clusters || bytes.length < from) throw malformed(`a codebook of ${c} values, at most ${clusters}`);
      const view = viewOf(bytes);
      const book = Float32Array.from({ length: c }, (_, i) => view.getFloat32(1 + 4 * i, true));
      const which = unpackBits(bytes.subarray(from), widthOf(c), out.length);
      for (let i = 0; i < which.length; i++) {
        if (which[i]! >= c) throw malformed(`value ${which[i]} of a codebook of ${c}`);
        out[i] = book[which[i]!]!;
      }
    },
  }),
};
