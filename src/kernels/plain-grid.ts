/** A grid in plain loops over plain arrays: V8 keeps them in registers. */
import { firstOutOfRange } from "../tensor/range.ts";
import type { Grid, Row } from "./grid.ts";

const HI = 2 ** -11;
const TO_HI = 1.5 * 2 ** 52 * HI;
const TO_LO = 1.5 * 2 ** 52 * 2 ** -63;
/** elements of a block, which stays in the first cache */
const BLOCK = 2048;

export class PlainGrid implements Grid {
  readonly hi: Float64Array;
  readonly lo: Float64Array;

  constructor(length: number) {
    this.hi = new Float64Array(length);
    this.lo = new Float64Array(length);
  }

  add(rows: readonly Row[], from: number, fresh: boolean): number {
    const length = rows[0]?.values.length ?? 0;
    for (let start = 0; start < length; start += BLOCK) {
      const end = Math.min(length, start + BLOCK);
      for (const { values } of rows) if (firstOutOfRange(values, start, end) < end) return start; // GR2
      for (const [k, { values, w }] of rows.entries()) {
        (fresh && k === 0 ? setBlock : addBlock)(this.hi, this.lo, from, values, w, start, end);
      }
    }
    return length;
  }

  mean(out: Float32Array, from: number, scale: number, total: number): void {
    const { hi, lo } = this;
    for (let i = 0; i < out.length; i++) {
      out[i] = (((hi[from + i] as number) + (lo[from + i] as number)) * scale) / total;
    }
  }
}

/** Adds x·w for the values [start, end). */
function addBlock(
  hi: Float64Array,
  lo: Float64Array,
  from: number,
  values: Float32Array,
  w: number,
  start: number,
  end: number,
): void {
  for (let i = start; i < end; i++) {
    const j = from + i;
    const v = (values[i] as number) * w;
    const h = v + TO_HI - TO_HI;
    const t = (lo[j] as number) + (v - h + TO_LO - TO_LO);
    const carry = t + TO_HI - TO_HI;
    lo[j] = t - carry;
    hi[j] = (hi[j] as number) + (h + carry);
  }
}

/** The same for elements that hold nothing yet: their sum is its first term. */
function setBlock(
  hi: Float64Array,
  lo: Float64Array,
  from: number,
  values: Float32Array,
  w: number,
  start: number,
  end: number,
): void {
  for (let i = start; i < end; i++) {
    const v = (values[i] as number) * w;
    const h = v + TO_HI - TO_HI;
    const t = v - h + TO_LO - TO_LO;
    const carry = t + TO_HI - TO_HI;
    lo[from + i] = t - carry;
    hi[from + i] = h + carry;
  }
}
