/**
 * An update as its difference from the model that entered the round, and back.
 *
 * DE1 Both ways round once, to f32: what comes back differs from what was sent off by at most 2^-24 (|difference| + |value|)
 *     an element, and not at all where value and model are within a factor of two of each other and of one sign.
 */
import { setImmediate as turn } from "node:timers/promises";
import { STEP } from "./exact-sum.ts";

/** Makes values their difference from the model. */
export function differ(values: Float32Array, model: Float32Array): Float32Array {
  for (let i = 0; i < values.length; i++) values[i]! -= model[i]!;
  return values;
}

/** Makes differences the values again; lets others run between blocks. */
export async function undiffer(values: Float32Array, model: Float32Array): Promise<void> {
  for (let from = 0; from < values.length; from += STEP) {
    if (from > 0) await turn();
    const to = Math.min(values.length, from + STEP);
    for (let i = from; i < to; i++) values[i]! += model[i]!;
  }
}
