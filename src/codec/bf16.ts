/**
 * The upper half of an f32, to nearest, ties to even: its whole range at 8 significant bits.
 *
 *   bf16 × n
 *
 * |x̂ − x| ≤ 2^-8 |x| + 2^-134: half an ulp of 8 bits, and of a subnormal.
 */
import { z } from "zod";
import { type PackingCodec, sized, viewOf } from "./codec.ts";

/** the largest finite one */
const MOST = 0x7f7f;

export const bf16: PackingCodec<Record<never, never>> = {
  ...{ name: "bf16", id: 2, version: 1, kind: "packs", options: z.strictObject({}), feedback: () => false },
  doc: "the upper half of each f32: 2 bytes an element, 8 significant bits",
  create: () => ({
    most: (n) => 2 * n,
    encode(values) {
      const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
      const out = new Uint8Array(2 * values.length);
      const view = viewOf(out);
      for (let i = 0; i < words.length; i++) {
        const magnitude = words[i]! & 0x7fffffff;
        const rounded = Math.min(MOST, (magnitude + 0x7fff + ((magnitude >>> 16) & 1)) >>> 16);
        view.setUint16(2 * i, ((words[i]! >>> 16) & 0x8000) | rounded, true);
      }
      return out;
    },
    decode(bytes, out) {
      sized("bf16", bytes, 2 * out.length);
      const view = viewOf(bytes);
      const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
      for (let i = 0; i < words.length; i++) words[i] = view.getUint16(2 * i, true) << 16;
    },
  }),
};
