/**
 * The part of an exact sum that is of one class of weights: its accumulators, the weight in them, and which of them count.
 *
 * The invariants are those of exact-sum.ts (X1 to X7).
 */
import { FlError } from "../errors.ts";
import { type Grid, gridOf } from "../kernels/grid.ts";
import { firstOutOfRange } from "./range.ts";

/** Updates of a class's largest weight that fit (X5). */
export const MAX_UPDATES = 4096;
/** Elements worked on between two yields: about 5 ms. */
export const STEP = 1 << 20;
/** Elements of a grid: 1 GiB, of the 4 that a WebAssembly memory can have; a multiple of STEP. */
const SEGMENT = 1 << 26;

const TO_HI = 1.5 * 2 ** 52 * 2 ** -11;
// the weights themselves are at most 1 each and 4096 in all: on finer grids they count exactly
const TO_WEIGHT_HI = 1.5 * 2 ** 52 * 2 ** -40;
const TO_WEIGHT_LO = 1.5 * 2 ** 52 * 2 ** -92;

/** One of the updates under way: its place among them, and its weight in units of the class's S. */
export type Term = { readonly of: number; readonly values: Float32Array; readonly w: number };
/** Its value `stop` is out of range; of those before, `added` are in the sum. */
export type Dropped = { readonly bin: Bin; readonly term: Term; readonly stop: number; readonly added: number };
/** Elements [start, end) of a sum are a grid's from `at` on. */
type Part = { readonly grid: Grid; readonly at: number; readonly start: number; readonly end: number };

/** The sum over one class of weights, in units of its S. */
export class Bin {
  /** of SEGMENT elements each */
  readonly #grids: readonly Grid[];
  weightHi = 0;
  weightLo = 0;
  /** of each STEP elements, whether they hold this round's sum (X7) */
  readonly #held: Uint8Array;

  constructor(length: number) {
    this.#grids = Array.from({ length: Math.ceil(length / SEGMENT) }, (_, k) =>
      gridOf(Math.min(SEGMENT, length - k * SEGMENT)),
    );
    this.#held = new Uint8Array(Math.ceil(length / STEP));
  }

  #grid(element: number): Grid {
    return this.#grids[Math.floor(element / SEGMENT)] as Grid;
  }

  *parts(from: number, to: number): Generator<Part> {
    for (let start = from; start < to; ) {
      const at = start % SEGMENT;
      const end = Math.min(to, start - at + SEGMENT);
      yield { grid: this.#grid(start), at, start, end };
      start = end;
    }
  }

  /** block += elements [from, to) · scale */
  scaled(scale: number, block: Float64Array, from: number, to: number): void {
    for (const { grid, at, start, end } of this.parts(from, to)) {
      scaleBlock(grid, scale, block, start - from, at, at + end - start);
    }
  }

  /** Adds the elements [from, to) of one step; those of a term out of range are dropped. @returns the terms that are left */
  step(terms: readonly Term[], from: number, to: number, dropped: Dropped[]): readonly Term[] {
    const fresh = !this.holds(from);
    const gone: Omit<Dropped, "added">[] = [];
    const reached: number[] = [];
    let left = terms;
    for (let at = from; left.length > 0; ) {
      at = this.add(left, at, to, fresh);
      if (at === to) break;
      left = left.filter((term) => {
        const stop = firstOutOfRange(term.values, at, to);
        if (stop === to) return true;
        gone.push({ bin: this, term, stop });
        reached.push(at);
        return false;
      });
    }
    if (left.length > 0) this.held(from);
    // what was written to a step that holds nothing counts as nothing
    for (const [k, one] of gone.entries()) dropped.push({ ...one, added: this.holds(from) ? reached[k]! : from });
    return left;
  }

  /** @returns the element up to which all were added: `to`, or one before a value that is out of range */
  add(terms: readonly Term[], from: number, to: number, fresh: boolean): number {
    const rows = terms.map(({ values, w }) => ({ values: values.subarray(from, to), w }));
    return from + this.#grid(from).add(rows, from % SEGMENT, fresh);
  }

  holds(from: number): boolean {
    return this.#held[from / STEP] === 1;
  }

  held(from: number): void {
    this.#held[from / STEP] = 1;
  }

  get weight(): number {
    return this.weightHi + this.weightLo;
  }

  /** FL_STATE if so much more does not fit (X5) */
  refusal(more: number): FlError | undefined {
    if (this.weight + more <= MAX_UPDATES) return undefined;
    return new FlError("FL_STATE", { reason: `the sum is full: ${MAX_UPDATES} updates of the largest weight` });
  }

  weigh(w: number): void {
    const h = w + TO_WEIGHT_HI - TO_WEIGHT_HI;
    this.#carry(h, w - h + TO_WEIGHT_LO - TO_WEIGHT_LO);
  }

  /** Adds what another sum of this class holds; something was added to it, so it holds every element. */
  join(other: Bin): void {
    this.#carry(other.weightHi, other.weightLo);
    for (let k = 0; k < this.#held.length; k++) {
      const from = k * STEP;
      const [mine, its, at] = [this.#grid(from), other.#grid(from), from % SEGMENT];
      const end = Math.min(mine.hi.length, at + STEP);
      if (this.holds(from)) mergeBlock(mine, its, at, end);
      else {
        mine.hi.set(its.hi.subarray(at, end), at);
        mine.lo.set(its.lo.subarray(at, end), at);
        this.held(from);
      }
    }
  }

  #carry(h: number, q: number): void {
    const t = this.weightLo + q;
    const carry = t + TO_WEIGHT_HI - TO_WEIGHT_HI;
    this.weightLo = t - carry;
    this.weightHi += h + carry;
  }

  empty(): void {
    this.weightHi = 0;
    this.weightLo = 0;
    this.#held.fill(0);
  }
}

function mergeBlock(to: Grid, other: Grid, from: number, end: number): void {
  const { hi, lo } = to;
  const { hi: otherHi, lo: otherLo } = other;
  for (let i = from; i < end; i++) {
    const t = (lo[i] as number) + (otherLo[i] as number);
    const carry = t + TO_HI - TO_HI;
    lo[i] = t - carry;
    hi[i] = (hi[i] as number) + ((otherHi[i] as number) + carry);
  }
}

/** block += (hi + lo) · scale, from its element `at` on; the product with a power of two is exact */
function scaleBlock({ hi, lo }: Grid, scale: number, block: Float64Array, at: number, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const j = at + i - from;
    block[j] = (block[j] as number) + ((hi[i] as number) + (lo[i] as number)) * scale;
  }
}
