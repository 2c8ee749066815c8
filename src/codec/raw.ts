/** Elements as they are, little-endian f32: how exact tensors travel, and what was chosen and is not packed. */
import { type Packing, sized } from "./codec.ts";

export const raw: Packing = {
  most: (n) => n * 4,
  encode: (values) => new Uint8Array(values.slice().buffer),
  decode(bytes, out) {
    sized("f32", bytes, out.length * 4);
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
  },
};
