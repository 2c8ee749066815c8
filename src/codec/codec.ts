/**
 * What a codec is: one step from differences to bytes and back. Pure functions of values, options and a seed.
 *
 * CO1 There are two kinds: one that chooses elements and drops the others, and one that packs elements into bytes. A chain is
 *     one of the first, one of the second, or both in this order; elements that nobody packs travel as they are.
 * CO2 Equal values, options and seed give equal bytes, on every machine: nothing here rounds otherwise than IEEE 754 says.
 * CO3 What does not decode is FL_CODEC_MALFORMED, nothing else. No claim of the bytes is believed beyond what as many values
 *     can take, so nothing larger than that is made room for.
 * CO4 Values are finite: whoever encodes sees to it, and whoever decodes checks what has come out.
 */
import type { z } from "zod";
import { FlError } from "../errors.ts";

/** Packs elements into bytes. */
export type Packing = {
  /** no more bytes than this for `n` values */
  most(n: number): number;
  encode(values: Float32Array, seed: number): Uint8Array;
  /** Writes every element of `out`. @throws FL_CODEC_MALFORMED */
  decode(bytes: Uint8Array, out: Float32Array, seed: number): void;
};

/** Chooses elements. */
export type Choosing = {
  /** no more elements of `n` than this */
  count(n: number): number;
  /** no more bytes than this say which of `n` values they are */
  most(n: number): number;
  /** Indices in ascending order, and the bytes that say which they are. */
  choose(values: Float32Array, seed: number): { readonly indices: Uint32Array; readonly places: Uint8Array };
  /** The indices again, ascending and below `n`. @throws FL_CODEC_MALFORMED */
  find(places: Uint8Array, n: number, seed: number): Uint32Array;
  /** what `k` chosen ones of `n` are multiplied by */
  gain(n: number, k: number): number;
};

type Shape<O> = {
  readonly name: string;
  /** on the wire */
  readonly id: number;
  /** counts the changes that another version could not read */
  readonly version: number;
  readonly options: z.ZodType<O>;
  /** what is lost in one round is to be added in the next: error feedback */
  feedback(options: O): boolean;
  /** one line for people */
  readonly doc: string;
};
export type PackingCodec<O> = Shape<O> & { readonly kind: "packs"; create(options: O): Packing };
export type ChoosingCodec<O> = Shape<O> & { readonly kind: "chooses"; create(options: O): Choosing };
export type Codec<O = never> = PackingCodec<O> | ChoosingCodec<O>;

export const malformed = (reason: string): FlError => new FlError("FL_CODEC_MALFORMED", { reason });

/** @throws FL_CODEC_MALFORMED */
export function sized(what: string, bytes: Uint8Array, want: number): void {
  if (bytes.length !== want) throw malformed(`${what}: ${bytes.length} bytes, expected ${want}`);
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** As many as a fraction of `n` comes to, at least one of some. */
export const portion = (fraction: number, n: number): number => Math.min(n, Math.ceil(fraction * n));
