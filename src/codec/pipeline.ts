/**
 * A model's values as compressed differences from a base that both sides hold, and back.
 *
 *   u8 1 · u8 codecs · (u8 number · u8 version) × codecs
 *   then the tensors in the layout's order:
 *     exact        the values themselves, little-endian f32
 *     compressed   in blocks of at most BLOCK elements, as even as they go: u32 bytes · the chain's bytes
 *
 * PI1 Exact are tensors of fewer than `exactBelow` elements, and what an optimizer or a method remembers (a second moment off by a
 *     little may be below zero). They lose no bit: their values travel, not differences. One rule says which, for both directions.
 * PI2 What `decode` gives depends on the bytes, the base and the seed alone, so all who hold the base come to the same bits.
 * PI3 With error feedback what is sent is the difference plus what was left before, and `left` becomes what this loses.
 * PI4 What does not decode is FL_CODEC_MALFORMED. No size is believed beyond what the layout allows (`most`), and nothing is made
 *     room for but one block.
 * PI5 A value or difference that is not finite, or beyond LIMIT, is not sent: FL_UPDATE_RANGE names it.
 * PI6 Between blocks others run.
 */
import { setImmediate as turn } from "node:timers/promises";
import { seedFrom } from "../data/random.ts";
import { FlError } from "../errors.ts";
import type { Layout } from "../tensor/layout.ts";
import { VALUE_LIMIT } from "../tensor/range.ts";
import { isSlot } from "../tensor/slots.ts";
import { type Chain, chainOf } from "./chain.ts";
import { malformed, viewOf } from "./codec.ts";
import { raw } from "./raw.ts";
import type { Chosen } from "./registry.ts";

/** Elements that are compressed at a time. */
export const BLOCK = 2 ** 17;
const VERSION = 1;
/** of a difference, and of what is left of several */
const LIMIT = 16 * VALUE_LIMIT;

type Part = { readonly from: number; readonly to: number; readonly exact: boolean };
/** What is to be sent, and where what is lost goes. */
export type Sending = {
  readonly values: Float32Array;
  readonly base: Float32Array;
  /** what was lost before; none without feedback */
  readonly before?: Float32Array | undefined;
  /** written in full, if given: not `before` itself */
  readonly left?: Float32Array | undefined;
  readonly seed: number;
};

/** Of one direction in one round: the plan's seed, the round, and who compresses (a collaborator's name, or none downwards). */
export const seedOf = (seed: number, round: number, who: string | undefined): number =>
  seedFrom("compression", seed, round, who === undefined ? "down" : "up", who ?? "");

export class Pipeline {
  readonly layout: Layout;
  readonly #chain: Chain;
  readonly #parts: readonly Part[];
  /** no more bytes than this */
  readonly most: number;

  constructor(chosen: readonly Chosen[], exactBelow: number, layout: Layout) {
    this.layout = layout;
    this.#chain = chainOf(chosen);
    this.#parts = partsOf(layout, exactBelow);
    const sizes = this.#parts.map(({ from, to, exact }) => (exact ? (to - from) * 4 : 4 + this.#chain.most(to - from)));
    this.most = 2 + this.#chain.ids.length + sizes.reduce((a, b) => a + b, 0);
  }

  /** What is lost is kept for the next time. */
  get feedback(): boolean {
    return this.#chain.feedback;
  }

  /** @throws FL_UPDATE_RANGE (PI5) */
  async encode({ values, base, before, left, seed }: Sending): Promise<Uint8Array> {
    const { ids } = this.#chain;
    const out: Uint8Array[] = [Uint8Array.of(VERSION, ids.length / 2, ...ids)];
    const room = new Float32Array(BLOCK);
    for (const [index, { from, to, exact }] of this.#parts.entries()) {
      if (exact) {
        inRange(values.subarray(from, to), from);
        out.push(raw.encode(values.subarray(from, to), 0));
        left?.fill(0, from, to);
        continue;
      }
      const block = room.subarray(0, to - from);
      for (let i = from; i < to; i++) block[i - from] = values[i]! - base[i]! + (before === undefined ? 0 : before[i]!);
      inRange(block, from);
      const own = seedFrom(seed, index);
      const bytes = this.#chain.encode(block, own);
      const head = new Uint8Array(4);
      viewOf(head).setUint32(0, bytes.length, true);
      out.push(head, bytes);
      if (left !== undefined) {
        const lost = left.subarray(from, to);
        this.#chain.decode(bytes, lost, own);
        for (let i = 0; i < lost.length; i++) lost[i] = block[i]! - lost[i]!; // PI3
      }
      await turn(); // PI6
    }
    const whole = Buffer.concat(out);
    return new Uint8Array(whole.buffer, whole.byteOffset, whole.length);
  }

  /** Writes all values to `out`, which is not `base`. @throws FL_CODEC_MALFORMED (PI4) */
  async decode(packed: Uint8Array, base: Float32Array, out: Float32Array, seed: number): Promise<void> {
    const { ids } = this.#chain;
    let at = 2 + ids.length;
    if (packed[0] !== VERSION) throw malformed(`version ${packed[0] ?? "none"}, expected ${VERSION}`);
    const said = packed.subarray(2, at);
    if (packed[1] !== ids.length / 2 || said.length !== ids.length || said.some((id, i) => id !== ids[i])) {
      throw malformed(`packed by codecs ${show(said)}, the plan has ${show(ids)}`);
    }
    const take = (bytes: number): Uint8Array => {
      if (bytes > packed.length - at) throw malformed("it is cut short");
      at += bytes;
      return packed.subarray(at - bytes, at);
    };
    for (const [index, { from, to, exact }] of this.#parts.entries()) {
      const values = out.subarray(from, to);
      if (exact) {
        raw.decode(take(values.length * 4), values, 0);
        continue;
      }
      const bytes = viewOf(take(4)).getUint32(0, true);
      if (bytes > this.#chain.most(values.length))
        throw malformed(`a block of ${bytes} bytes for ${values.length} values`);
      this.#chain.decode(take(bytes), values, seedFrom(seed, index));
      for (let i = 0; i < values.length; i++) {
        if (!Number.isFinite(values[i])) throw malformed(`element ${from + i} comes to ${values[i]}`);
        values[i]! += base[from + i]!;
      }
      await turn(); // PI6
    }
    if (at !== packed.length) throw malformed(`${packed.length - at} bytes follow the last tensor`);
  }
}

/** What a plan's chain comes to; none if it says `none`. */
export const pipelineOf = (chosen: readonly Chosen[], exactBelow: number, layout: Layout): Pipeline | undefined =>
  chosen[0]?.use === "none" ? undefined : new Pipeline(chosen, exactBelow, layout);

/** Neighbouring exact tensors are one part. */
function partsOf(layout: Layout, exactBelow: number): Part[] {
  const parts: Part[] = [];
  for (const { name, offset, length } of layout.tensors) {
    const exact = length < exactBelow || isSlot(name); // PI1
    const last = parts.at(-1);
    if (exact && last?.exact) parts[parts.length - 1] = { ...last, to: offset + length };
    else if (exact) parts.push({ from: offset, to: offset + length, exact });
    else {
      const pieces = Math.ceil(length / BLOCK);
      const border = (i: number): number => offset + Math.floor((i * length) / pieces);
      for (let i = 0; i < pieces; i++) parts.push({ from: border(i), to: border(i + 1), exact });
    }
  }
  return parts;
}

/** PI5 */
function inRange(values: Float32Array, from: number): void {
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i]!) <= LIMIT) continue; // false for NaN too
    throw new FlError("FL_UPDATE_RANGE", { reason: `value ${from + i} is ${values[i]}`, index: from + i });
  }
}

const show = (ids: Uint8Array): string =>
  Array.from({ length: ids.length / 2 }, (_, i) => `${ids[2 * i]} v${ids[2 * i + 1]}`).join(", ") || "none";
