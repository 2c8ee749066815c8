/**
 * The k elements of largest magnitude, in ascending order of their indices; of equal ones the first.
 *
 * Magnitudes of finite f32 are in the order of their bits, so the k-th is found by counting: 11, 10 and 10 bits in three passes.
 */
const counts = new Uint32Array(2048);

/** What of the bits' next `width` below `shift` the k-th has, among elements whose higher bits are `prefix`. */
function digit(words: Uint32Array, prefix: number, shift: number, width: number, k: number): [number, number] {
  const mask = (1 << width) - 1;
  counts.fill(0, 0, mask + 1);
  const above = shift + width;
  for (let i = 0; i < words.length; i++) {
    const magnitude = words[i]! & 0x7fffffff;
    if (above === 31 || magnitude >>> above === prefix) counts[(magnitude >>> shift) & mask]!++;
  }
  let left = k;
  let d = mask;
  for (; d > 0 && counts[d]! < left; d--) left -= counts[d]!;
  return [(prefix << width) | d, left];
}

/** Elements that are 0 are never among them. */
export function strongest(values: Float32Array, k: number): Uint32Array {
  if (k === 0) return new Uint32Array(0);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let [kth, left] = digit(words, 0, 20, 11, k);
  [kth, left] = digit(words, kth, 10, 10, left);
  [kth, left] = digit(words, kth, 0, 10, left); // `left` of those that equal the k-th are taken
  const found = new Uint32Array(k);
  let at = 0;
  for (let i = 0; i < words.length; i++) {
    const magnitude = words[i]! & 0x7fffffff;
    if (magnitude === 0 || magnitude < kth || (magnitude === kth && left-- <= 0)) continue;
    found[at++] = i;
  }
  return found.subarray(0, at);
}
