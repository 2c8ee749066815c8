/**
 * A grid in WebAssembly SIMD. Its memory holds the accumulators and a stage of three rows: a block of each row is copied to
 * the stage, looked at (GR2), and added while it is in the cache; the accumulators' block stays there for all rows.
 *
 * Three rows are added before anything is carried: |lo| + 3·|q| <= 4 · HI/2 = 2^53·LO, so nothing is rounded on the way.
 */
import { VALUE_LIMIT } from "../tensor/range.ts";
import type { Grid, Row } from "./grid.ts";
import { type Kernels, kernelsOver } from "./wasm.ts";

const ROWS = 3;
/** elements of a block: its accumulators and a stage stay in the second cache */
const BLOCK = 4096;
/** bytes from row to row, and what sets hi and lo apart: not the same places of the cache */
const STRIDE = 4 * BLOCK + 192;
const APART = 2112;
const LINE = 64;
const LIMIT_BITS = new Int32Array(Float32Array.of(VALUE_LIMIT).buffer)[0] as number;

const aligned = (bytes: number): number => Math.ceil(bytes / LINE) * LINE;
const HI_AT = aligned(LINE + ROWS * STRIDE);

export class WasmGrid implements Grid {
  readonly hi: Float64Array;
  readonly lo: Float64Array;
  readonly #kernels: Kernels;
  readonly #stage: readonly Float32Array[];

  private constructor(length: number, buffer: ArrayBuffer, kernels: Kernels) {
    this.#kernels = kernels;
    this.hi = new Float64Array(buffer, HI_AT, length);
    this.lo = new Float64Array(buffer, loAt(length), length);
    this.#stage = Array.from({ length: ROWS }, (_, r) => new Float32Array(buffer, LINE + r * STRIDE, BLOCK));
  }

  /** undefined where there are no kernels, or not that much memory */
  static create(length: number): WasmGrid | undefined {
    const over = kernelsOver(loAt(length) + 8 * length + LINE);
    return over && new WasmGrid(length, over.buffer, over.kernels);
  }

  add(rows: readonly Row[], from: number, fresh: boolean): number {
    const length = rows[0]?.values.length ?? 0;
    for (let start = 0; start < length; start += BLOCK) {
      const end = Math.min(length, start + BLOCK);
      if (rows.length > ROWS && !this.#inRange(rows, start, end)) return start;
      for (let first = 0; first < rows.length; first += ROWS) {
        const some = rows.length > ROWS ? rows.slice(first, first + ROWS) : rows;
        if (!this.#load(some, start, end)) return start;
        this.#pass(some, from + start, end - start, fresh && first === 0);
      }
    }
    return length;
  }

  mean(out: Float32Array, from: number, scale: number, total: number): void {
    const [stage] = this.#stage as [Float32Array];
    for (let start = 0; start < out.length; start += BLOCK) {
      const n = Math.min(BLOCK, out.length - start);
      const [hi, lo] = [this.hi.byteOffset + 8 * (from + start), this.lo.byteOffset + 8 * (from + start)];
      this.#kernels.mean(hi, lo, scale, total, stage.byteOffset, n);
      out.set(n === BLOCK ? stage : stage.subarray(0, n), start);
    }
  }

  /** More rows than the stage holds are looked at before the first of them is added (GR2). */
  #inRange(rows: readonly Row[], start: number, end: number): boolean {
    return rows.every((row) => this.#load([row], start, end));
  }

  /** @returns whether all values are in range */
  #load(rows: readonly Row[], start: number, end: number): boolean {
    const n = end - start;
    for (const [r, { values }] of rows.entries()) {
      const stage = this.#stage[r] as Float32Array;
      stage.set(values.subarray(start, end));
      if (n % 2 === 1) stage[n] = 0;
      if (this.#kernels.peak(stage.byteOffset, n) > LIMIT_BITS) return false;
    }
    return true;
  }

  #pass(rows: readonly Row[], at: number, n: number, fresh: boolean): void {
    const [stage] = this.#stage as [Float32Array];
    const [hi, lo] = [this.hi.byteOffset + 8 * at, this.lo.byteOffset + 8 * at];
    const [w0, w1, w2] = [rows[0]?.w ?? 0, rows[1]?.w ?? 0, rows[2]?.w ?? 0];
    this.#kernels.add(hi, lo, stage.byteOffset, STRIDE, n, w0, w1, w2, rows.length, fresh);
  }
}

/** hi has room for a padded end before it. */
function loAt(length: number): number {
  return aligned(HI_AT + 8 * (length + 1)) + APART;
}
