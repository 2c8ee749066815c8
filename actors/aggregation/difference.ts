/**
 * How an update differs from the model that entered the round, or from that model and a step: its length, and a multiple of it.
 * Worked out in f64, element by element in order; others get their turn between blocks.
 */
import { setImmediate as turn } from "node:timers/promises";
import { STEP } from "../../src/tensor/exact-sum.ts";

/** ‖values − w − v‖² */
export async function squareOf(values: Float32Array, w: Float32Array, v?: Float32Array): Promise<number> {
  let sum = 0;
  for (let from = 0; from < values.length; from += STEP) {
    if (from > 0) await turn();
    sum += squares(values, w, v, from, Math.min(values.length, from + STEP));
  }
  return sum;
}

/** out = by · (values − w − v), each element rounded once more to f32 */
export async function scaleTo(
  out: Float32Array,
  values: Float32Array,
  w: Float32Array,
  by: number,
  v?: Float32Array,
): Promise<void> {
  for (let from = 0; from < values.length; from += STEP) {
    await turn();
    scale(out, values, w, v, by, from, Math.min(values.length, from + STEP));
  }
}

type Step = Float32Array | undefined;

function squares(values: Float32Array, w: Float32Array, v: Step, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) {
    const x = values[i]! - w[i]! - (v === undefined ? 0 : v[i]!);
    sum += x * x;
  }
  return sum;
}

function scale(
  out: Float32Array,
  values: Float32Array,
  w: Float32Array,
  v: Step,
  by: number,
  from: number,
  to: number,
): void {
  for (let i = from; i < to; i++) out[i] = (values[i]! - w[i]! - (v === undefined ? 0 : v[i]!)) * by;
}
