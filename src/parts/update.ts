/**
 * An update is one collaborator's contribution to a round, and the checks made before anything of it is kept.
 *
 * U1 A weight is a finite number above 0 within the round's bound; a value is finite and within ±1e9. Anything else is
 *    FL_UPDATE_RANGE.
 */
import { setImmediate as turn } from "node:timers/promises";
import { FlError } from "../errors.ts";
import { STEP } from "../tensor/exact-sum.ts";
import { firstOutOfRange, outOfRange } from "../tensor/range.ts";

/** No collaborator comes twice in a round. */
export type Update = {
  collaborator: string;
  /** above 0; usually a count of samples */
  weight: number;
  /** the collaborator's whole model; valid and unchanged until `accept` is done */
  values: Float32Array;
};

/** @throws FL_UPDATE_RANGE (U1) */
export function checkWeight(weight: number, bound: number): void {
  if (weight > 0 && weight <= bound) return;
  const reason = `weight ${weight} is not above 0 and within the round's bound of ${bound}`;
  throw new FlError("FL_UPDATE_RANGE", { reason });
}

/** Lets others run between blocks. @throws FL_LAYOUT_MISMATCH, FL_UPDATE_RANGE (U1) */
export async function checkValues(values: Float32Array, length: number): Promise<void> {
  if (values.length !== length) {
    throw new FlError("FL_LAYOUT_MISMATCH", { reason: `${values.length} values, expected ${length}` });
  }
  for (let from = 0; from < length; from += STEP) {
    if (from > 0) await turn();
    const to = Math.min(length, from + STEP);
    const stop = firstOutOfRange(values, from, to);
    if (stop < to) throw outOfRange(values, stop);
  }
}
