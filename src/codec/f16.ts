/**
 * IEEE 754 half precision, every block on a power of two of its own, so that neither small differences vanish nor large ones
 * overflow.
 *
 *   i16 e      the largest magnitude times 2^e lies in [2^14, 2^15)
 *   f16 × n    x · 2^e, to nearest, ties to even
 *
 * |x̂ − x| ≤ max(2^-11 |x|, 2^-39 max|x|) + 2^-150: half an ulp of 11 bits (IEEE 754-2019, 3.6), and of the subnormal ones.
 */
import { z } from "zod";
import { malformed, type PackingCodec, sized, viewOf } from "./codec.ts";
import { exponentOf, largest } from "./largest.ts";

/** adding and subtracting it rounds to a whole number, ties to even */
const WHOLE = 1.5 * 2 ** 52;
/** no f32 asks for more either way */
const MOST_EXPONENT = 170;

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** of a value below 2^16 */
function halfOf(y: number): number {
  float[0] = y;
  const u = bits[0]!;
  const sign = (u >>> 16) & 0x8000;
  const magnitude = u & 0x7fffffff;
  if (magnitude < 0x38800000) return sign | (Math.abs(y) * 2 ** 24 + WHOLE - WHOLE); // below 2^-14: subnormal
  return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13);
}

let table: Float32Array | undefined;
function halves(): Float32Array {
  table ??= Float32Array.from({ length: 65536 }, (_, h) => {
    const exponent = (h >>> 10) & 31;
    const fraction = h & 1023;
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? Number.NaN
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return h & 0x8000 ? -magnitude : magnitude;
  });
  return table;
}

export const f16: PackingCodec<Record<never, never>> = {
  ...{ name: "f16", id: 1, version: 1, kind: "packs", options: z.strictObject({}), feedback: () => false },
  doc: "half precision: 2 bytes an element, 11 significant bits",
  create: () => ({
    most: (n) => 2 + 2 * n,
    encode(values) {
      const top = largest(values);
      const e = top === 0 ? 0 : 14 - exponentOf(top);
      const scale = 2 ** e;
      const out = new Uint8Array(2 + 2 * values.length);
      const view = viewOf(out);
      view.setInt16(0, e, true);
      for (let i = 0; i < values.length; i++) view.setUint16(2 + 2 * i, halfOf(values[i]! * scale), true);
      return out;
    },
    decode(bytes, out) {
      sized("f16", bytes, 2 + 2 * out.length);
      const view = viewOf(bytes);
      const e = view.getInt16(0, true);
      if (Math.abs(e) > MOST_EXPONENT) throw malformed(`an exponent of ${e}`);
      const scale = 2 ** -e;
      const of = halves();
      for (let i = 0; i < out.length; i++) out[i] = of[view.getUint16(2 + 2 * i, true)]! * scale;
    },
  }),
};
