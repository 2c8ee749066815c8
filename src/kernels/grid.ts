/**
 * A grid holds the two accumulators of a run of an exact sum's elements, and adds weighted rows to them.
 *
 * Owns what a grid is and the choice between its two forms: kernels in WebAssembly SIMD over a memory of their own, and plain
 * loops, which are the reference and the fallback. Why sums on it are exact is said in ../tensor/exact-sum.ts.
 * GR1 Both forms leave hi + lo the same real number in each element, whatever rows are added together and in whatever groups.
 * GR2 A block of rows is looked at before any of it is added: what is not in range leaves no trace.
 */
import { PlainGrid } from "./plain-grid.ts";
import { WasmGrid } from "./wasm-grid.ts";

/** Values times a weight of at most 1 in magnitude. */
export type Row = { readonly values: Float32Array; readonly w: number };

export type Grid = {
  readonly hi: Float64Array;
  readonly lo: Float64Array;
  /**
   * Adds rows, all of one length, to the elements from `from` on; what these held counts for nothing if `fresh`.
   * @returns how many values of each row were added: all, or those before the block in which a row has one out of range
   */
  add(rows: readonly Row[], from: number, fresh: boolean): number;
  /** Fills `out` with (hi + lo) · scale / total of the elements from `from` on. */
  mean(out: Float32Array, from: number, scale: number, total: number): void;
};

/** Below, a memory of its own costs more than it saves. */
const WORTH = 1 << 14;

/** Elements start as zero. */
export function gridOf(length: number): Grid {
  return (length < WORTH ? undefined : WasmGrid.create(length)) ?? new PlainGrid(length);
}
