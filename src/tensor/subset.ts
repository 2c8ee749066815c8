/**
 * Some tensors of a layout as a layout of their own, and the way of values between the two.
 *
 * SU1 Tensors keep their names and their order. A subset of all is the layout itself, and its values are moved nowhere.
 * SU2 What is not in the subset is never read by `take` and never written by `lay`.
 */
import { type Layout, layoutOf, type Placed, specsOf } from "./layout.ts";

type Run = { readonly from: number; readonly to: number; readonly length: number };

export class Subset {
  readonly layout: Layout;
  readonly whole: Layout;
  /** from the whole to the part, neighbours in one */
  readonly #runs: readonly Run[];

  /** @throws FL_LAYOUT_MISMATCH when nothing is in it */
  constructor(whole: Layout, isIn: (tensor: Placed, index: number) => boolean) {
    const inside = whole.tensors.filter(isIn);
    const names = new Set(inside.map((t) => t.name));
    this.whole = whole;
    this.layout =
      inside.length === whole.tensors.length ? whole : layoutOf(specsOf(whole).filter((t) => names.has(t.name)));
    const runs: Run[] = [];
    for (const [i, { offset: from, length }] of inside.entries()) {
      const { offset: to } = this.layout.tensors[i]!;
      const last = runs.at(-1);
      if (last !== undefined && last.from + last.length === from)
        runs[runs.length - 1] = { ...last, length: last.length + length };
      else runs.push({ from, to, length });
    }
    this.#runs = runs;
  }

  get isWhole(): boolean {
    return this.layout === this.whole; // SU1
  }

  /** Copies the subset's values out of those of the whole. */
  take(whole: Float32Array, part: Float32Array): Float32Array {
    for (const { from, to, length } of this.#runs) part.set(whole.subarray(from, from + length), to);
    return part;
  }

  /** Copies the subset's values to their places in the whole. */
  lay(part: Float32Array, whole: Float32Array): Float32Array {
    for (const { from, to, length } of this.#runs) whole.set(part.subarray(to, to + length), from);
    return whole;
  }
}
