/**
 * A weighted sum of updates that is bit-identical for every order and every grouping of them.
 *
 * Floating-point addition is not associative, but on a fixed grid (multiples of 2^k) f64 addition is exact while the sum
 * stays below 2^(k+53). So each term v = x·w is put on a grid once, by itself, and from there nothing is rounded any more:
 *
 *   w  = weight / S          S = 2^(6+10c), the class of the weight: S/1024 < weight <= S, so w <= 1
 *   v  = x · w               one f64 rounding; |v| <= 1e9
 *   h  = v on HI = 2^-11     (v + C) - C with C = 1.5·2^52·HI rounds to the grid, ties to even
 *   q  = v - h on LO = 2^-63
 *   hi + lo grows by h + q:  lo takes q and hands what exceeds HI/2 on to hi, so |lo| <= HI/2 always
 *
 * Each class of weights has its own pair of accumulators, made when a weight of that class first comes: the precision does
 * not depend on how large weights are. Sample counts mostly share one class, (64, 65536]; 16 bytes per element then.
 *
 * X1 hi + lo is exactly the sum of the rounded terms, a real number that depends on neither order nor grouping; so is its
 *    nearest f64, and so is the mean, which adds the classes in ascending order. Partial sums merge exactly: trees of
 *    aggregators give the flat result.
 * X2 No intermediate overflows its grid: |sum of v| <= 1e9 · 4096 < 2^42 = 2^53·HI, and |lo + q| <= HI = 2^52·LO.
 * X3 |mean - exact mean| <= ulp32(mean)/2 + 2^-50·Σ(weight·|x|)/Σweight + 2^-54, for all weights alike. (2^-54 is 1/16 of the
 *    ulp of 1e-8. A round of more than 4096 updates has a larger S, by the power of two that it takes: X5.)
 * X4 An update with a value that is not finite, or beyond ±1e9, is refused, and the sum is what it was before: what had been
 *    added is subtracted again, exactly (X1).
 * X5 In each class, 4096 updates of its largest weight fit, more of smaller ones; `reset` makes room for more.
 * X6 Weights lie in [2^-24, 2^36], so there are at most 7 classes, and memory is bounded whatever weights are sent.
 * X7 A reset touches no element: of each STEP elements it is known whether they hold this round's sum yet, and what first
 *    comes there is written, not added. Zeroing would cost a third of an addition.
 */
import { FlError } from "../errors.ts";
import { outOfRange } from "./range.ts";
import { Bin, type Dropped, MAX_UPDATES, STEP, type Term } from "./weight-class.ts";

export { MAX_UPDATES, STEP };
export const MIN_WEIGHT = 2 ** -24;
export const MAX_WEIGHT = 2 ** 36;
/** elements of a block that stay in the first cache */
const BLOCK = 2048;

export type Weighted = { readonly values: Float32Array; readonly weight: number };

export class ExactSum {
  readonly length: number;
  /** one for each class of weights that has come; in ascending order when it matters (`#ordered`) */
  readonly #bins = new Map<number, Bin>();
  /** S = 2^(6+10c) · room */
  #room = 1;

  constructor(length: number) {
    this.length = length;
  }

  /** Back to zero, for a round of at most `updates` updates (X5, X7). Memory is kept for the classes that were in use. */
  reset(updates: number = MAX_UPDATES): void {
    this.#room = 1;
    while (MAX_UPDATES * this.#room < updates) this.#room *= 2;
    for (const [c, bin] of this.#bins) {
      if (bin.weight === 0) this.#bins.delete(c);
      else bin.empty();
    }
  }

  /** The sum of weights so far. */
  get weight(): number {
    return this.#ordered().reduce((sum, [scale, bin]) => sum + bin.weight * scale, 0);
  }

  /** @throws FL_UPDATE_RANGE (X4, X6), FL_STATE (X5), FL_LAYOUT_MISMATCH; the sum is then unchanged */
  add(values: Float32Array, weight: number): void {
    drain(this.adding(values, weight));
  }

  /** The same in steps of STEP elements; steps of several updates may interleave. */
  *adding(values: Float32Array, weight: number): Generator<undefined, void> {
    const [refusal] = yield* this.addingAll([{ values, weight }]);
    if (refusal !== undefined) throw refusal;
  }

  /** Several in one pass, which is faster: each element's sum is read and written once. @returns of each why it was refused */
  *addingAll(updates: readonly Weighted[]): Generator<undefined, (FlError | undefined)[]> {
    const refusals: (FlError | undefined)[] = [];
    const live = new Map<Bin, readonly Term[]>();
    for (const [of, { values, weight }] of updates.entries()) {
      const refusal = this.#refusal(values, weight);
      refusals.push(refusal);
      if (refusal !== undefined) continue;
      const c = classOf(weight);
      const bin = this.#bin(c);
      const w = weight / this.#scale(c);
      bin.weigh(w); // first, so that interleaved updates cannot overfill
      live.set(bin, [...(live.get(bin) ?? []), { of, values, w }]);
    }
    const dropped: Dropped[] = [];
    for (let from = 0; from < this.length; from += STEP) {
      if (from > 0) yield;
      for (const [bin, terms] of live) {
        const left = bin.step(terms, from, Math.min(this.length, from + STEP), dropped);
        if (left.length < terms.length) live.set(bin, left);
      }
    }
    for (const { bin, term, stop, added } of dropped) {
      const { of, values, w } = term;
      for (let at = 0; at < added; at += STEP) {
        yield;
        bin.add([{ of, values, w: -w }], at, Math.min(added, at + STEP), false); // X4
      }
      bin.weigh(-w);
      refusals[of] = outOfRange(values, stop);
    }
    return refusals;
  }

  #refusal(values: Float32Array, weight: number): FlError | undefined {
    if (values.length !== this.length) {
      return new FlError("FL_LAYOUT_MISMATCH", { reason: `${values.length} values, expected ${this.length}` });
    }
    if (!(weight >= MIN_WEIGHT && weight <= MAX_WEIGHT)) {
      const reason = `weight ${weight} is not between ${MIN_WEIGHT} and ${MAX_WEIGHT}`;
      return new FlError("FL_UPDATE_RANGE", { reason });
    }
    const c = classOf(weight);
    return this.#bins.get(c)?.refusal(weight / this.#scale(c));
  }

  /** Adds what another sum of the same round holds. */
  merge(other: ExactSum): void {
    if (other.length !== this.length || other.#room !== this.#room) {
      throw new FlError("FL_INTERNAL", { reason: "sums of different rounds do not merge" });
    }
    for (const [c, from] of other.#bins) {
      const refusal = this.#bins.get(c)?.refusal(from.weight);
      if (refusal !== undefined) throw refusal;
    }
    for (const [c, from] of other.#bins) {
      if (from.weight > 0) this.#bin(c).join(from);
    }
  }

  /** Writes the weighted mean of elements [from, to) to the same places of `out`. @throws FL_STATE if nothing was added */
  mean(out: Float32Array, from = 0, to: number = this.length): void {
    const total = this.weight;
    if (!(total > 0)) throw new FlError("FL_STATE", { reason: "the mean of no updates" });
    const bins = this.#ordered();
    const [first, ...others] = bins as [[number, Bin], ...[number, Bin][]];
    if (others.length === 0) {
      for (const { grid, at, start, end } of first[1].parts(from, to)) {
        grid.mean(out.subarray(start, end), at, first[0], total);
      }
      return;
    }
    const block = new Float64Array(Math.min(BLOCK, to - from));
    for (let start = from; start < to; start += BLOCK) {
      const end = Math.min(to, start + BLOCK);
      block.fill(0);
      for (const [scale, bin] of bins) bin.scaled(scale, block, start, end);
      for (let i = start; i < end; i++) out[i] = (block[i - start] as number) / total;
    }
  }

  /** The same in full precision, to the beginning of `out`. */
  preciseMean(out: Float64Array, from: number, to: number): void {
    const total = this.weight;
    if (!(total > 0)) throw new FlError("FL_STATE", { reason: "the mean of no updates" });
    out.fill(0, 0, to - from);
    for (const [scale, bin] of this.#ordered()) bin.scaled(scale, out, from, to);
    for (let i = 0; i < to - from; i++) out[i] = (out[i] as number) / total;
  }

  #scale(c: number): number {
    return 2 ** (6 + 10 * c) * this.#room;
  }

  #bin(c: number): Bin {
    let bin = this.#bins.get(c);
    if (bin === undefined) {
      bin = new Bin(this.length);
      this.#bins.set(c, bin);
    }
    return bin;
  }

  #ordered(): [scale: number, bin: Bin][] {
    const used = [...this.#bins].filter(([, bin]) => bin.weight > 0); // the others may hold anything (X7)
    return used.sort(([a], [b]) => a - b).map(([c, bin]) => [this.#scale(c), bin]);
  }
}

/** The class c with 2^(10c-4) < weight <= 2^(10c+6). */
function classOf(weight: number): number {
  let c = Math.ceil((Math.log2(weight) - 6) / 10);
  // log2 may be off by one rounding, right where a class ends
  if (weight > 2 ** (6 + 10 * c)) c++;
  else if (weight <= 2 ** (10 * c - 4)) c--;
  return c;
}

function drain(steps: Generator<undefined, void>): void {
  while (steps.next().done !== true);
}
