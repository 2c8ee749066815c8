/**
 * Columns runs a rule that needs all updates at once, block by block, over updates put aside in a file.
 *
 * Owns the file and the rows' owners; the rule (`combine`) is given to it. The short form of defineAggregation makes one.
 * K1 Rows are in the order of collaborators' names (by code unit), so the result does not depend on arrival (G1).
 * K2 At most SLAB_VALUES values are in memory, whatever the number of updates (G3), and `combine` sees at most BLOCK_VALUES of
 *    them at a time, which bounds how long one call keeps the event loop (G4): the more updates, the fewer elements.
 * K3 `out` begins as NaN, and a block that is not finite afterwards is FL_PART_FAILED: an element forgotten is an error.
 * K4 A rule that must see whole updates first (`survey`) goes over all blocks as often as it likes, in the same bounds (K2), and
 *    hands what it has found, never values, to `combine`.
 */
import { setImmediate as turn } from "node:timers/promises";
import { asFlError, FlError } from "../errors.ts";
import { Spill } from "../tensor/spill.ts";
import type { PastRound } from "../wire/messages.ts";
import type { Aggregation, AggregationRound } from "./aggregation.ts";
import { checkValues, checkWeight, type Update } from "./update.ts";

/** Elements [from, to) of every update of the round. */
export type Block<O, F = undefined> = {
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
  /** what `survey` returned */
  found: F;
};

export type Combine<O, F = undefined> = (block: Block<O, F>) => void | Promise<void>;

/** The round's updates as a whole, before the first block is combined. */
export type Survey<O> = Pick<Block<O>, "weights" | "collaborators" | "options" | "history"> & {
  /** Goes over all blocks, in order; others get their turn between them. */
  each(visit: (block: Pick<Block<O>, "columns" | "global">) => void | Promise<void>): Promise<void>;
};

export type ColumnsRule<O, F> = {
  readonly name: string;
  readonly history?: boolean;
  least?(options: O): number;
  survey?(survey: Survey<O>): F | Promise<F>;
  readonly combine: Combine<O, F>;
};

const BLOCK_VALUES = 2 ** 19;
/** 64 MiB: what is read at a time, so that reads stay long when updates are many */
const SLAB_VALUES = 2 ** 24;
const MAX_WIDTH = 2 ** 16;

type Row = { row: number; collaborator: string; weight: number };

export class Columns<O, F = undefined> implements Aggregation {
  readonly #rule: ColumnsRule<O, F>;
  readonly #options: O;
  #spill: Spill | undefined;
  #round: AggregationRound | undefined;
  #rows: Row[] = [];

  readonly history: boolean;

  constructor(rule: ColumnsRule<O, F>, options: O) {
    this.history = rule.history ?? false;
    this.#rule = rule;
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
    const { round } = this.#begun();
    const rows = this.#rows.toSorted(byName); // K1
    if (rows.length === 0) throw new FlError("FL_STATE", { reason: "no update was accepted" });
    this.#enough(rows.length);
    const same = {
      weights: rows.map((r) => r.weight),
      collaborators: rows.map((r) => r.collaborator),
      options: this.#options,
      history: round.history ?? [],
    };
    const global = (from: number, to: number): Float32Array => round.global.subarray(from, to);
    const found = (await this.#attempt(() =>
      this.#rule.survey?.({
        ...same,
        each: (visit) => this.#each(rows, (columns, from, to) => visit({ columns, global: global(from, to) })), // K4
      }),
    )) as F;
    await this.#each(rows, (columns, from, to) =>
      this.#block({ ...same, columns, found, global: global(from, to), out: out.subarray(from, to) }, from),
    );
  }

  /** Block by block, in order (K2). */
  async #each(
    rows: readonly Row[],
    visit: (columns: Float32Array[], from: number, to: number) => void | Promise<void>,
  ): Promise<void> {
    const { spill } = this.#begun();
    const numbers = rows.map((r) => r.row);
    const slab = Math.max(1, Math.min(MAX_WIDTH, Math.floor(SLAB_VALUES / rows.length)));
    const width = Math.max(1, Math.min(MAX_WIDTH, Math.floor(BLOCK_VALUES / rows.length)));
    for (let start = 0; start < spill.length; start += slab) {
      const end = Math.min(spill.length, start + slab);
      const read = await spill.read(numbers, start, end);
      for (let from = start; from < end; from += width) {
        if (from > start) await turn();
        const to = Math.min(end, from + width);
        await visit(
          read.map((column) => column.subarray(from - start, to - start)),
          from,
          to,
        );
      }
    }
  }

  async dispose(): Promise<void> {
    await this.#spill?.dispose();
    this.#spill = undefined;
    this.#round = undefined;
  }

  /** @throws FL_PART_FAILED */
  #enough(updates: number): void {
    const least = this.#rule.least?.(this.#options) ?? 1;
    if (updates >= least) return;
    const { name } = this.#rule;
    const reason = `aggregation ${name} needs ${least} updates with these options, there are ${updates}; give the plan a quorum of ${least}, or ${name} less to bear`;
    throw new FlError("FL_PART_FAILED", { part: name, reason });
  }

  async #block(block: Block<O, F>, from: number): Promise<void> {
    const { out } = block;
    out.fill(Number.NaN); // K3
    await this.#attempt(() => this.#rule.combine(block));
    const bad = out.findIndex((x) => !Number.isFinite(x));
    if (bad === -1) return;
    const reason = `aggregation ${this.#rule.name} wrote ${out[bad]} to element ${from + bad}`;
    throw new FlError("FL_PART_FAILED", { reason });
  }

  async #attempt<T>(call: () => T | Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (e) {
      throw asFlError(e, "FL_PART_FAILED");
    }
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
