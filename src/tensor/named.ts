/**
 * A model's weights as a program has them: typed arrays by name, each with its shape.
 *
 * NT1 The order of the names is the order of the layout, both ways.
 */
import { FlError } from "../errors.ts";
import { type Layout, layoutOf } from "./layout.ts";

export type NamedTensor = { readonly shape: readonly number[]; readonly values: Float32Array };
export type NamedTensors = Readonly<Record<string, NamedTensor>>;

/** Views into `values`, not copies. */
export const namedTensors = (layout: Layout, values: Float32Array): NamedTensors =>
  Object.fromEntries(
    layout.tensors.map(({ name, shape, offset, length }) => [
      name,
      { shape, values: values.subarray(offset, offset + length) },
    ]),
  );

/** @throws FL_LAYOUT_MISMATCH for what are no f32 tensors, or shapes that are not those of their values */
export function fromNamed(tensors: NamedTensors): { layout: Layout; values: Float32Array } {
  const entries = Object.entries(tensors);
  const layout = layoutOf(entries.map(([name, { shape }]) => ({ name, dtype: "f32", shape: [...(shape ?? [])] })));
  const values = new Float32Array(layout.length);
  for (const [i, { name, offset, length }] of layout.tensors.entries()) {
    const given = entries[i]![1].values;
    if (!(given instanceof Float32Array) || given.length !== length) {
      const got = given instanceof Float32Array ? `${given.length} values` : "no Float32Array";
      throw new FlError("FL_LAYOUT_MISMATCH", { reason: `tensor ${name} has ${got}, its shape makes ${length}` });
    }
    values.set(given, offset);
  }
  return { layout, values };
}
