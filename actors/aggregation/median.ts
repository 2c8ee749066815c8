/**
 * Median: each element is the median of the updates' elements; for an even number, the mean of the middle two.
 *
 *   w[t+1]_j = med { (w_k[t+1])_j : k },   for every coordinate j
 *
 * D. Yin, Y. Chen, K. Ramchandran, P. Bartlett: Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates,
 * ICML 2018, arXiv 1803.01498, Definition 1 and Algorithm 1 (Option I). Weights play no part: an attacker would choose his.
 *
 * Where values are noise, each comparison that branches is a coin toss for the processor. So up to NETWORK updates go through
 * a sorting network without branches, on integers in the order of the floats they stand for; beyond, where a network grows
 * too long, each element is selected by itself.
 */
import { defineAggregation } from "../../src/parts/aggregation.ts";

const NETWORK = 32;
/** elements that go through the network together: few enough for all columns to stay in the cache */
const STRIP = 512;

export const median = defineAggregation({
  name: "median",
  summary: "The median of each element (Yin et al. 2018). Everyone counts one.",
  combine({ columns, out }) {
    const upper = columns.length >> 1;
    const lower = (columns.length - 1) >> 1;
    if (columns.length > NETWORK) {
      selectEach(columns, lower, upper, out);
      return;
    }
    const pairs = network(columns.length, [lower, upper]);
    const keys = columns.map((column) => new Int32Array(column.buffer, column.byteOffset, column.length));
    for (let from = 0; from < out.length; from += STRIP) {
      const to = Math.min(out.length, from + STRIP);
      for (const key of keys) flip(key, from, to);
      for (const [a, b] of pairs) exchange(keys[a] as Int32Array, keys[b] as Int32Array, from, to);
      flip(keys[lower] as Int32Array, from, to);
      if (upper !== lower) flip(keys[upper] as Int32Array, from, to);
      middle(columns[lower] as Float32Array, columns[upper] as Float32Array, out, from, to);
    }
  },
});

/** + 0 makes -0 into 0: which of the two is in the middle is left open. */
const half = (sum: number): number => sum / 2 + 0;

/** Turns the bits of floats into integers that sort as the floats do, and back. */
function flip(bits: Int32Array, from: number, to: number): void {
  for (let j = from; j < to; j++) {
    const x = bits[j] as number;
    bits[j] = x ^ ((x >> 31) & 0x7fff_ffff);
  }
}

/** Puts the lower of a[j] and b[j] into a[j], the higher into b[j]. */
function exchange(a: Int32Array, b: Int32Array, from: number, to: number): void {
  for (let j = from; j < to; j++) {
    const x = a[j] as number;
    const y = b[j] as number;
    const differ = x ^ y;
    const less = (x - y) | 0;
    // all ones if x < y, or else zero: the sign of x - y, put right where the subtraction overflowed
    const keep = differ & ((less ^ (differ & (less ^ x))) >> 31);
    a[j] = y ^ keep;
    b[j] = x ^ keep;
  }
}

function middle(lower: Float32Array, upper: Float32Array, out: Float32Array, from: number, to: number): void {
  for (let j = from; j < to; j++) out[j] = half((lower[j] as number) + (upper[j] as number));
}

/**
 * Batcher's merge exchange (Knuth, The Art of Computer Programming, vol. 3, 5.2.2 M) for n columns, less the pairs on which
 * none of the `wanted` places depends.
 */
function network(n: number, wanted: readonly number[]): [number, number][] {
  const pairs: [number, number][] = [];
  const top = n < 2 ? 0 : 2 ** (Math.ceil(Math.log2(n)) - 1);
  for (let p = top; p >= 1; p /= 2) {
    let r = 0;
    let d = p;
    for (let q = top; ; q /= 2) {
      for (let i = 0; i < n - d; i++) if ((i & p) === r) pairs.push([i, i + d]);
      if (q === p) break;
      d = q - p;
      r = p;
    }
  }
  const matters = new Set(wanted);
  const kept: [number, number][] = [];
  for (const [a, b] of pairs.reverse()) {
    if (!matters.has(a) && !matters.has(b)) continue;
    matters.add(a).add(b);
    kept.push([a, b]);
  }
  return kept.reverse();
}

function selectEach(columns: readonly Float32Array[], lower: number, upper: number, out: Float32Array): void {
  const one = new Float32Array(columns.length);
  for (let j = 0; j < out.length; j++) {
    for (let k = 0; k < one.length; k++) one[k] = (columns[k] as Float32Array)[j] as number;
    select(one, upper);
    const high = one[upper] as number;
    let low = high;
    if (lower !== upper) {
      low = one[0] as number;
      for (let k = 1; k < upper; k++) low = Math.max(low, one[k] as number);
    }
    out[j] = half(low + high);
  }
}

/** C. A. R. Hoare's FIND: afterwards a[n] is what it would be in a sorted `a`, with nothing greater before it. */
function select(a: Float32Array, n: number): void {
  let left = 0;
  let right = a.length - 1;
  while (left < right) {
    const pivot = a[n] as number;
    let i = left;
    let j = right;
    while (i <= j) {
      while ((a[i] as number) < pivot) i++;
      while (pivot < (a[j] as number)) j--;
      if (i > j) break;
      const x = a[i] as number;
      a[i++] = a[j] as number;
      a[j--] = x;
    }
    if (j < n) left = i;
    if (n < i) right = j;
  }
}
