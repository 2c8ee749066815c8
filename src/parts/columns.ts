/**
 * Columns runs a rule that needs all updates at once, block by block, over updates put aside in a file.
 *
 * Owns the file and the rows' owners; the rule (`combine`) is given to it. The short form of defineAggregation makes one.
 * K1 Rows are in the order of collaborators' names (by code unit), so the result does not depend on arrival (G1).
 * K2 At most SLAB_VALUES values are in memory, whatever the number of updates (G3), and `combine` sees at most BLOCK_VALUES of
 *    them at a time, which bounds how long one call keeps the event loop (G4): the more updates, the fewer elements.
 * K3 `out` begins as NaN, and a block that is not finite afterwards is FL_PART_FAILED: an element forgotten is an error.
 */
import { setImmediate as turn } from "node:timers/promises";
import { asFlError, FlError } from "../errors.ts";
import { Spill } from "../tensor/spill.ts";
import type { PastRound } from "../wire/messages.ts";
import type { Aggregation, AggregationRound } from "./aggregation.ts";
import { checkValues, checkWeight, type Update } from "./update.ts";

/** Elements [from, to) of every update of the round. */
export type Block<O> = {
  /** one per update, in the order of collaborators' names; scratch: sort or overwrite them freely */
  columns: Float32Array[];
  /** weights[k] and collaborators[k] belong to columns[k] */
  weights: readonly number[];
  collaborators: readonly string[];
  /** the round's starting model, the same elements; read only */
  global: Float32Array;
  /** the next model, the same elements; write every one */
  out: Float32Array;
  options: O;
  /** the newest closed rounds, oldest first; empty unless the rule is defined with `history: true` */
  history: readonly PastRound[];
};

export type Combine<O> = (block: Block<O>) => void | Promise<void>;

const BLOCK_VALUES = 2 ** 19;
/** 64 MiB: what is read at a time, so that reads stay long when updates are many */
const SLAB_VALUES = 2 ** 24;
const MAX_WIDTH = 2 ** 16;

type Row = { row: number; collaborator: string; weight: number };

export class Columns<O> implements Aggregation {
  readonly #name: string;
  readonly #combine: Combine<O>;
  readonly #options: O;
  #spill: Spill | undefined;
  #round: AggregationRound | undefined;
  #rows: Row[] = [];

  readonly history: boolean;

  constructor(name: string, combine: Combine<O>, options: O, history = false) {
    this.history = history;
    this.#name = name;
    this.#combine = combine;
    this.#options = options;
  }

  async begin(round: AggregationRound): Promise<void> {
    if (this.#spill?.length !== round.layout.length) {
      await this.dispose();
      this.#spill = await Spill.open(round.layout.length);
    }
    this.#spill.clear();
    this.#rows = [];
    this.#round = round;
  }

  async accept(update: Update): Promise<void> {
    const { spill, round } = this.#begun();
    checkWeight(update.weight, round.weightBound);
    await checkValues(update.values, round.layout.length);
    const row = await spill.append(update.values);
    this.#rows.push({ row, collaborator: update.collaborator, weight: update.weight });
  }

  async finish(out: Float32Array): Promise<void> {
    const { spill, round } = this.#begun();
    const rows = this.#rows.toSorted(byName); // K1
    if (rows.length === 0) throw new FlError("FL_STATE", { reason: "no update was accepted" });
    const numbers = rows.map((r) => r.row);
    const weights = rows.map((r) => r.weight);
    const collaborators = rows.map((r) => r.collaborator);
    const slab = Math.max(1, Math.min(MAX_WIDTH, Math.floor(SLAB_VALUES / rows.length))); // K2
    const width = Math.max(1, Math.min(MAX_WIDTH, Math.floor(BLOCK_VALUES / rows.length)));
    for (let start = 0; start < spill.length; start += slab) {
      const end = Math.min(spill.length, start + slab);
      const read = await spill.read(numbers, start, end);
      for (let from = start; from < end; from += width) {
        if (from > start) await turn();
        const to = Math.min(end, from + width);
        const columns = read.map((column) => column.subarray(from - start, to - start));
        const global = round.global.subarray(from, to);
        await this.#block({ columns, weights, collaborators, global, out: out.subarray(from, to) }, from);
      }
    }
  }

  async dispose(): Promise<void> {
    await this.#spill?.dispose();
    this.#spill = undefined;
    this.#round = undefined;
  }

  async #block(block: Omit<Block<O>, "options" | "history">, from: number): Promise<void> {
    const { out } = block;
    out.fill(Number.NaN); // K3
    try {
      const history = this.#round?.history ?? [];
      await this.#combine({ ...block, options: this.#options, history });
    } catch (e) {
      throw asFlError(e, "FL_PART_FAILED");
    }
    const bad = out.findIndex((x) => !Number.isFinite(x));
    if (bad === -1) return;
    const reason = `aggregation ${this.#name} wrote ${out[bad]} to element ${from + bad}`;
    throw new FlError("FL_PART_FAILED", { reason });
  }

  #begun(): { spill: Spill; round: AggregationRound } {
    if (this.#spill === undefined || this.#round === undefined) {
      throw new FlError("FL_STATE", { reason: "no round has begun" });
    }
    return { spill: this.#spill, round: this.#round };
  }
}

const byName = (a: Row, b: Row): number =>
  a.collaborator < b.collaborator ? -1 : a.collaborator > b.collaborator ? 1 : 0;
