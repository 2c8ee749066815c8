/**
 * A layout says where each named tensor of a model lies in one contiguous little-endian buffer.
 *
 * Owns names, dtypes, shapes, offsets and the digest that identifies them; owns no data.
 * T1 Tensors lie in the order given, without gaps: offset and total follow from dtypes and shapes.
 * T2 Two layouts are the same exactly when their digests are equal.
 * T3 Every tensor is `f32`, so a whole model is one Float32Array; other dtypes are refused, never cast.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { FlError } from "../errors.ts";

export const tensorSpec = z.strictObject({
  name: z.string().min(1).max(256),
  dtype: z.literal("f32"),
  shape: z.array(z.int().nonnegative()),
});
export type TensorSpec = z.infer<typeof tensorSpec>;

/** A tensor's place: `offset` and `length` count elements, not bytes. */
export type Placed = TensorSpec & { readonly offset: number; readonly length: number };

export type Layout = {
  readonly tensors: readonly Placed[];
  /** elements in all */
  readonly length: number;
  /** bytes in all */
  readonly bytes: number;
  /** SHA-256 of the specs in canonical JSON, hexadecimal */
  readonly digest: string;
};

const MAX_ELEMENTS = 2 ** 31;

/** @throws FL_LAYOUT_MISMATCH for anything that is not a list of uniquely named f32 tensors */
export function layoutOf(specs: readonly unknown[]): Layout {
  const parsed = z.array(tensorSpec).min(1).safeParse(specs);
  if (!parsed.success) {
    throw new FlError("FL_LAYOUT_MISMATCH", { reason: z.prettifyError(parsed.error) });
  }
  const names = new Set<string>();
  const tensors: Placed[] = [];
  let offset = 0;
  for (const spec of parsed.data) {
    if (names.has(spec.name)) throw new FlError("FL_LAYOUT_MISMATCH", { reason: `two tensors are named ${spec.name}` });
    names.add(spec.name);
    const length = spec.shape.reduce((a, b) => a * b, 1);
    tensors.push({ ...spec, offset, length });
    offset += length;
    if (!(offset <= MAX_ELEMENTS)) throw new FlError("FL_LAYOUT_MISMATCH", { reason: "more than 2^31 elements" });
  }
  const canonical = JSON.stringify(parsed.data.map((t) => [t.name, t.dtype, t.shape]));
  const digest = createHash("sha256").update(canonical).digest("hex");
  return { tensors, length: offset, bytes: offset * 4, digest };
}

/** The specs alone, as they travel and are stored. */
export const specsOf = (layout: Layout): TensorSpec[] =>
  layout.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));

/** @throws FL_LAYOUT_MISMATCH naming the first difference */
export function sameLayout(want: Layout, got: Layout): void {
  if (want.digest === got.digest) return;
  const n = Math.max(want.tensors.length, got.tensors.length);
  for (let i = 0; i < n; i++) {
    const a = show(want.tensors[i]);
    const b = show(got.tensors[i]);
    if (a !== b) throw new FlError("FL_LAYOUT_MISMATCH", { reason: `tensor ${i} is ${b}, expected ${a}` });
  }
  throw new FlError("FL_LAYOUT_MISMATCH", { expected: want.digest, got: got.digest });
}

const show = (t: Placed | undefined): string => (t ? `${t.name} ${t.dtype}[${t.shape.join(",")}]` : "absent");
