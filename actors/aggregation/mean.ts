/**
 * The weighted mean of a round's updates, in full precision: what every rule that takes a step from it shares.
 *
 * Streams: each update is added to an exact sum as it comes, so memory is a few models and no order shows (G1, G3).
 */
import { setImmediate as turn } from "node:timers/promises";
import { FlError } from "../../src/errors.ts";
import type { AggregationRound, Update } from "../../src/parts/aggregation.ts";
import { checkWeight } from "../../src/parts/update.ts";
import { ExactSum, STEP } from "../../src/tensor/exact-sum.ts";
import { firstOutOfRange } from "../../src/tensor/range.ts";
import { Passes } from "./passes.ts";

/** elements of a block: few enough for what a rule holds of them to stay in the cache */
const WIDTH = 1 << 15;

export class Mean {
  #sum: ExactSum | undefined;
  #passes: Passes | undefined;
  #weightBound = 0;
  #mean = new Float64Array(0);

  begin({ layout, weightBound, updatesBound }: AggregationRound): void {
    if (this.#sum?.length !== layout.length) this.#sum = new ExactSum(layout.length);
    this.#passes = new Passes(this.#sum);
    this.#weightBound = weightBound;
    this.#sum.reset(updatesBound);
  }

  /** @throws FL_UPDATE_RANGE, FL_LAYOUT_MISMATCH; it has then left no trace */
  async accept({ values, weight }: Pick<Update, "values" | "weight">): Promise<void> {
    const { passes } = this.#begun();
    checkWeight(weight, this.#weightBound);
    await passes.add(values, weight);
  }

  /** The mean, block by block; `mean` is scratch and holds elements [from, to). @throws FL_STATE when nothing was added */
  async each(visit: (mean: Float64Array, from: number, to: number) => void): Promise<void> {
    const { sum } = this.#begun();
    if (!(sum.weight > 0)) throw new FlError("FL_STATE", { reason: "no update was accepted" });
    if (this.#mean.length === 0) this.#mean = new Float64Array(WIDTH);
    for (let from = 0; from < sum.length; from += WIDTH) {
      if (from > 0 && from % STEP === 0) await turn();
      const to = Math.min(sum.length, from + WIDTH);
      sum.preciseMean(this.#mean, from, to);
      visit(this.#mean.subarray(0, to - from), from, to);
    }
  }

  dispose(): void {
    this.#sum = undefined;
    this.#passes = undefined;
  }

  #begun(): { sum: ExactSum; passes: Passes } {
    if (this.#sum === undefined || this.#passes === undefined) {
      throw new FlError("FL_STATE", { reason: "no round has begun" });
    }
    return { sum: this.#sum, passes: this.#passes };
  }
}

/** A step may lead out of what a model can hold. @throws FL_PART_FAILED */
export function checkStep(rule: string, out: Float32Array, from: number, to: number): void {
  const stop = firstOutOfRange(out, from, to);
  if (stop === to) return;
  const reason = `aggregation ${rule} took element ${stop} to ${out[stop]}: its steps are too large`;
  throw new FlError("FL_PART_FAILED", { part: rule, reason });
}
