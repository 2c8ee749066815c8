/**
 * The models of kept rounds: objects of their own in the store of models, to be fetched by the round's number while the
 * experiment runs and after.
 *
 * KE1 A round's model is stored before the record lists the round, and is deleted after a record that does not list it.
 * KE2 Storing it again is the same again: a restarted Aggregator repeats the round, and what it stores replaces what was.
 */
import { isKept, stillKept } from "../../src/plan/checkpoints.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { Layout } from "../../src/tensor/layout.ts";
import { writeSafetensors } from "../../src/tensor/safetensors.ts";
import { modelOf } from "../../src/tensor/slots.ts";
import { keptObject, shelves } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";

export class Keeping {
  readonly #wire: Wire;
  readonly #exp: string;
  readonly #keep: Plan["checkpoints"]["keep"];
  /** stored, and in no record any more once the next one is written */
  #dropped: readonly number[] = [];

  constructor(wire: Wire, exp: string, { checkpoints }: Plan) {
    this.#wire = wire;
    this.#exp = exp;
    this.#keep = checkpoints.keep;
  }

  /** Stores the model of a closed round if it is one to keep. @returns the rounds that are kept now */
  async close(
    round: number,
    trained: number,
    layout: Layout,
    values: Float32Array,
    kept: readonly number[],
  ): Promise<readonly number[]> {
    if (!isKept(this.#keep, round)) return kept;
    const metadata = { experiment: this.#exp, rounds: String(trained), round: String(round) };
    const shelf = await this.#wire.shelf(shelves.models);
    const model = modelOf({ layout, values });
    await shelf.put(keptObject(this.#exp, round), writeSafetensors(model.layout, model.values, metadata));
    const all = [...kept.filter((n) => n !== round), round];
    const left = stillKept(this.#keep, all);
    this.#dropped = [...this.#dropped, ...all.filter((n) => !left.includes(n))];
    return left;
  }

  /** A record without them has been written (KE1). */
  recorded(): void {
    if (this.#dropped.length === 0) return;
    const gone = this.#dropped;
    this.#dropped = [];
    const remove = async (): Promise<void> => {
      const shelf = await this.#wire.shelf(shelves.models);
      for (const round of gone) await shelf.delete(keptObject(this.#exp, round));
    };
    remove().catch((e) => this.#wire.ports.log.warn({ err: e, rounds: gone }, "old models not deleted"));
  }
}
