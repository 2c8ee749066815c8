/**
 * A random rotation of a vector whose length d is a power of two: H D₂ H D₁ / d, with H the Hadamard matrix and D₁, D₂ signs drawn
 * by the seed. Twice, as one alone leaves vectors of few elements far from normal.
 *
 * RO1 The division is by a power of two and the order of additions is fixed, so it comes to the same everywhere. (It is an
 *     isometry but for the rounding of f32: 2 log2(d) additions deep.)
 */
import { Random } from "../data/random.ts";

/** Sums and differences of pairs at every distance, in place. */
function hadamard(x: Float32Array): void {
  const d = x.length;
  let half = 1;
  // two distances at a time: half as many ways through memory
  for (; half * 4 <= d; half *= 4) {
    for (let from = 0; from < d; from += 4 * half) {
      for (let i = from; i < from + half; i++) {
        const j = i + half;
        const k = j + half;
        const l = k + half;
        const a = Math.fround(x[i]! + x[j]!);
        const b = Math.fround(x[i]! - x[j]!);
        const c = Math.fround(x[k]! + x[l]!);
        const e = Math.fround(x[k]! - x[l]!);
        x[i] = a + c;
        x[j] = b + e;
        x[k] = a - c;
        x[l] = b - e;
      }
    }
  }
  for (; half < d; half *= 2) {
    for (let i = 0; i < half; i++) {
      const a = x[i]!;
      const b = x[i + half]!;
      x[i] = a + b;
      x[i + half] = a - b;
    }
  }
}

function drawSigns(random: Random, d: number): Uint32Array {
  const signs = new Uint32Array(Math.ceil(d / 32));
  for (let i = 0; i < signs.length; i++) signs[i] = random.uint32();
  return signs;
}

function flip(x: Float32Array, signs: Uint32Array): void {
  for (let i = 0; i < x.length; i++) if ((signs[i >>> 5]! >>> (i & 31)) & 1) x[i] = -x[i]!;
}

function scale(x: Float32Array, by: number): void {
  for (let i = 0; i < x.length; i++) x[i]! *= by;
}

/** In place; the length is a power of two. */
export function rotate(x: Float32Array, seed: number): void {
  const random = new Random(seed);
  flip(x, drawSigns(random, x.length));
  hadamard(x);
  flip(x, drawSigns(random, x.length));
  hadamard(x);
  scale(x, 1 / x.length);
}

/** What `rotate` did, undone. */
export function rotateBack(x: Float32Array, seed: number): void {
  const random = new Random(seed);
  const first = drawSigns(random, x.length);
  const second = drawSigns(random, x.length);
  hadamard(x);
  flip(x, second);
  hadamard(x);
  flip(x, first);
  scale(x, 1 / x.length);
}
