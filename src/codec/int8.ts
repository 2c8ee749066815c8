/**
 * Eight bits an element, with a scale for each so many of them: the largest magnitude there is 127.
 *
 *   f32 × ⌈n / block⌉    scales, 0 where all is 0
 *   i8 × n
 *
 * With s the scale, at most max|x| / 127 of the block and its rounding to f32: |x̂ − x| ≤ s/2 (1 + 2^-20) + 2^-119 by rounding to
 * nearest. Stochastic rounding (QSGD, arXiv 1610.02132) is unbiased and off by less than s (1 + 2^-20) + 2^-119.
 */
import { z } from "zod";
import { Random } from "../data/random.ts";
import { malformed, type PackingCodec, sized, viewOf } from "./codec.ts";
import { largest } from "./largest.ts";

const options = z.strictObject({
  block: z.int().min(16).max(65536).default(256),
  rounding: z.enum(["nearest", "stochastic"]).default("nearest"),
});

/** below it a scale would have fewer bits than others */
const LEAST = 2 ** -126;

export const int8: PackingCodec<z.output<typeof options>> = {
  ...{ name: "int8", id: 3, version: 1, kind: "packs", options, feedback: () => false },
  doc: "one byte an element, with a scale for each `block` (256) of them; `rounding` is `nearest` or `stochastic`",
  create: ({ block, rounding }) => {
    const scales = (n: number): number => 4 * Math.ceil(n / block);
    return {
      most: (n) => scales(n) + n,
      encode(values, seed) {
        const n = values.length;
        const random = rounding === "stochastic" ? new Random(seed) : undefined;
        const out = new Uint8Array(scales(n) + n);
        const view = viewOf(out);
        const packed = new Int8Array(out.buffer, scales(n));
        for (let from = 0, b = 0; from < n; from += block, b++) {
          const to = Math.min(n, from + block);
          const exact = largest(values, from, to) / 127;
          const scale = exact < LEAST ? 0 : Math.fround(exact);
          view.setFloat32(4 * b, scale, true);
          if (scale === 0) continue;
          for (let i = from; i < to; i++) {
            const y = values[i]! / scale;
            const q = random === undefined ? Math.round(y) : Math.floor(y + random.float());
            packed[i] = q > 127 ? 127 : q < -127 ? -127 : q;
          }
        }
        return out;
      },
      decode(bytes, out) {
        const n = out.length;
        sized("int8", bytes, scales(n) + n);
        const view = viewOf(bytes);
        const packed = new Int8Array(bytes.buffer, bytes.byteOffset + scales(n), n);
        for (let from = 0, b = 0; from < n; from += block, b++) {
          const scale = view.getFloat32(4 * b, true);
          if (!(scale >= 0 && scale < Number.POSITIVE_INFINITY)) throw malformed(`a scale of ${scale}`);
          const to = Math.min(n, from + block);
          for (let i = from; i < to; i++) out[i] = packed[i]! * scale;
        }
      },
    };
  },
};
