/**
 * Numbers in fewer bits than a byte: fixed widths, and ascending indices as the gaps between them.
 *
 * BI1 Bits fill a byte from the lowest. The last byte is filled up with zeros.
 * BI2 Gaps are Rice coded: of a gap g, g >> r times a one and then a zero, then its r lowest bits. `r` is chosen by the number of
 *     indices, so that one of k indices below n costs log2(n/k) + 3 bits at most on average (Golomb coding with powers of two).
 */
import { malformed, viewOf } from "./codec.ts";

/** Values below 2^width, width at most 8. */
export function packBits(values: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array(Math.ceil((values.length * width) / 8));
  let hold = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    hold |= values[i]! << held;
    held += width;
    if (held >= 8) {
      out[at++] = hold;
      hold >>>= 8;
      held -= 8;
    }
  }
  if (held > 0) out[at] = hold;
  return out;
}

/** @throws FL_CODEC_MALFORMED */
export function unpackBits(bytes: Uint8Array, width: number, n: number): Uint8Array {
  const want = Math.ceil((n * width) / 8);
  if (bytes.length !== want) throw malformed(`${bytes.length} bytes of bits, expected ${want}`);
  const out = new Uint8Array(n);
  const mask = (1 << width) - 1;
  let hold = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < n; i++) {
    if (held < width) {
      hold |= bytes[at++]! << held;
      held += 8;
    }
    out[i] = hold & mask;
    hold >>>= width;
    held -= width;
  }
  return out;
}

/** the count and the parameter */
const HEAD = 5;

/** No more bytes than this for `k` or fewer ascending indices below `n` (BI2). */
export const mostPlaces = (k: number, n: number): number =>
  HEAD + 1 + Math.ceil((k * (4 + Math.max(0, Math.ceil(Math.log2(n / Math.max(1, k)))))) / 8);

const parameter = (k: number, n: number): number =>
  k === 0 ? 0 : Math.max(0, Math.round(Math.log2(Math.max(1, ((n - k) / k) * Math.LN2))));

export function packPlaces(indices: Uint32Array, n: number): Uint8Array {
  const k = indices.length;
  const r = parameter(k, n);
  const out = new Uint8Array(mostPlaces(k, n));
  const view = viewOf(out);
  view.setUint32(0, k, true);
  out[4] = r;
  let bit = HEAD * 8;
  let before = -1;
  for (let i = 0; i < k; i++) {
    const gap = indices[i]! - before - 1;
    before = indices[i]!;
    for (let q = gap >>> r; q > 0; q--, bit++) out[bit >>> 3]! |= 1 << (bit & 7);
    bit++;
    for (let j = 0; j < r; j++, bit++) if ((gap >>> j) & 1) out[bit >>> 3]! |= 1 << (bit & 7);
  }
  return out.subarray(0, (bit + 7) >>> 3);
}

/** How many bytes the places at the beginning of `bytes` take, and which they are. @throws FL_CODEC_MALFORMED */
export function unpackPlaces(bytes: Uint8Array, most: number, n: number): { indices: Uint32Array; length: number } {
  if (bytes.length < HEAD) throw malformed("places are cut short");
  const k = viewOf(bytes).getUint32(0, true);
  const r = bytes[4]!;
  if (k > most) throw malformed(`${k} elements of ${n}, at most ${most} were to be chosen`);
  if (r > 31) throw malformed(`a gap of ${r} bits`);
  const end = bytes.length * 8;
  const indices = new Uint32Array(k);
  let bit = HEAD * 8;
  let before = -1;
  for (let i = 0; i < k; i++) {
    let gap = 0;
    while (bit < end && (bytes[bit >>> 3]! >>> (bit & 7)) & 1) {
      gap++;
      bit++;
    }
    bit++;
    if (bit + r > end) throw malformed("places are cut short");
    gap *= 2 ** r;
    for (let j = 0; j < r; j++, bit++) if ((bytes[bit >>> 3]! >>> (bit & 7)) & 1) gap += 2 ** j;
    before += gap + 1;
    if (before >= n) throw malformed(`element ${before} of ${n}`);
    indices[i] = before;
  }
  return { indices, length: (bit + 7) >>> 3 };
}
