/**
 * Which values an update may hold: finite ones within ±1e9. Beyond lie diverged models, and what an exact sum can carry.
 */
import { FlError } from "../errors.ts";

/** Largest magnitude a value may have. */
export const VALUE_LIMIT = 1e9;

/** The index of the first value in [from, to) that is not in range, or `to`. */
export function firstOutOfRange(values: Float32Array, from = 0, to: number = values.length): number {
  for (let i = from; i < to; i++) {
    const x = values[i] as number;
    if (!(x >= -VALUE_LIMIT && x <= VALUE_LIMIT)) return i; // false for NaN too
  }
  return to;
}

/** The refusal of an update for the value at `index`. */
export const outOfRange = (values: Float32Array, index: number): FlError =>
  new FlError("FL_UPDATE_RANGE", { reason: `value ${index} is ${values[index]}`, index });
