/**
 * A chain of codecs as one packing: what one codec chooses another packs.
 *
 *   without a codec that chooses    the packed bytes
 *   with one                        u32 bytes of places · places · the chosen elements, packed or as they are
 */
import { FlError } from "../errors.ts";
import { type Choosing, malformed, type Packing, viewOf } from "./codec.ts";
import { raw } from "./raw.ts";
import { type Chosen, codecOf } from "./registry.ts";

export type Chain = Packing & {
  /** number and version of each codec, as they stand in front of what is packed */
  readonly ids: Uint8Array;
  readonly feedback: boolean;
};

/** Of a plan's chain, which says at least one codec (CO1). */
export function chainOf(chosen: readonly Chosen[]): Chain {
  let choosing: Choosing | undefined;
  let packing: Packing = raw;
  const ids: number[] = [];
  let feedback = false;
  for (const { use, ...options } of chosen) {
    const codec = codecOf(use);
    if (codec.kind === "packs") packing = codec.create(options as never);
    else choosing = codec.create(options as never);
    ids.push(codec.id, codec.version);
    feedback ||= codec.feedback(options as never);
  }
  if (ids.length === 0) throw new FlError("FL_INTERNAL", { reason: "a chain of no codecs" });
  const own = choosing === undefined ? packing : chained(choosing, packing);
  return { ...own, ids: Uint8Array.from(ids), feedback };
}

const chained = (choosing: Choosing, packing: Packing): Packing => ({
  most: (n) => 4 + choosing.most(n) + packing.most(choosing.count(n)),
  encode(values, seed) {
    const { indices, places } = choosing.choose(values, seed);
    const gain = choosing.gain(values.length, indices.length);
    const chosen = new Float32Array(indices.length);
    for (let i = 0; i < indices.length; i++) chosen[i] = values[indices[i]!]! * gain;
    const packed = packing.encode(chosen, seed);
    const out = new Uint8Array(4 + places.length + packed.length);
    viewOf(out).setUint32(0, places.length, true);
    out.set(places, 4);
    out.set(packed, 4 + places.length);
    return out;
  },
  decode(bytes, out, seed) {
    if (bytes.length < 4) throw malformed("a block is cut short");
    const length = viewOf(bytes).getUint32(0, true);
    if (length > bytes.length - 4) throw malformed(`${length} bytes of places in a block of ${bytes.length}`);
    const indices = choosing.find(bytes.subarray(4, 4 + length), out.length, seed);
    const chosen = new Float32Array(indices.length);
    packing.decode(bytes.subarray(4 + length), chosen, seed);
    out.fill(0);
    for (let i = 0; i < indices.length; i++) out[indices[i]!] = chosen[i]!;
  },
});
