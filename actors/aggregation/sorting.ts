/**
 * Sorts columns element by element: of each element, column 0 then holds the lowest value and the last one the highest.
 *
 * Where values are noise, each comparison that branches is a coin toss for the processor. So up to NETWORK columns go through
 * a sorting network without branches, on integers in the order of the floats they stand for; beyond, where a network grows
 * too long, each element is sorted by itself.
 */

export const NETWORK = 32;
/** elements that go through the network together: few enough for all columns to stay in the cache */
const STRIP = 512;

/** Only the `wanted` places need to be right afterwards; all of them when absent. NaN is not among the values. */
export function sortColumns(columns: readonly Float32Array[], wanted?: readonly number[]): void {
  const length = columns[0]?.length ?? 0;
  if (columns.length > NETWORK) {
    sortEach(columns, length);
    return;
  }
  const places = wanted ?? columns.map((_, k) => k);
  const pairs = network(columns.length, places);
  const keys = columns.map((column) => new Int32Array(column.buffer, column.byteOffset, column.length));
  for (let from = 0; from < length; from += STRIP) {
    const to = Math.min(length, from + STRIP);
    for (const key of keys) flip(key, from, to);
    for (const [a, b] of pairs) exchange(keys[a] as Int32Array, keys[b] as Int32Array, from, to);
    for (const k of places) flip(keys[k] as Int32Array, from, to);
  }
}

function sortEach(columns: readonly Float32Array[], length: number): void {
  const one = new Float32Array(columns.length);
  for (let j = 0; j < length; j++) {
    for (let k = 0; k < one.length; k++) one[k] = (columns[k] as Float32Array)[j] as number;
    one.sort();
    for (let k = 0; k < one.length; k++) (columns[k] as Float32Array)[j] = one[k] as number;
  }
}

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
