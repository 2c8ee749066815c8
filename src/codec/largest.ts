/** The largest magnitude among values, and its power of two. */
const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

export function largest(values: Float32Array, from = 0, to: number = values.length): number {
  let top = 0;
  for (let i = from; i < to; i++) {
    const x = Math.abs(values[i]!);
    if (x > top) top = x;
  }
  return top;
}

/** e of an f32 in [2^e, 2^(e+1)). */
export function exponentOf(x: number): number {
  float[0] = x;
  const magnitude = word[0]! & 0x7fffffff;
  return magnitude >= 0x800000 ? (magnitude >>> 23) - 127 : -118 - Math.clz32(magnitude);
}
