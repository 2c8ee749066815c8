/**
 * A step made of the updates' differences, each times a number of its own: what FedNova and q-FedAvg share.
 *
 *   w⁺ = w + s · Σ_k (p_k / Σ p) · b_k · (w_k − w)
 *
 * The rule gives p_k and b_k as an update comes, and s once all have come, from what it was told of each, in the order of names:
 * so no sum depends on the order of arrival (G1). Updates stream (G3); what is kept of each is its numbers.
 */
import { FlError } from "../../src/errors.ts";
import type { Aggregation, AggregationRound, Update } from "../../src/parts/aggregation.ts";
import { checkValues, checkWeight } from "../../src/parts/update.ts";
import { type MethodName, scalarsOf } from "../../src/tensor/slots.ts";
import { scaleTo, squareOf } from "./difference.ts";
import { checkStep, Mean } from "./mean.ts";

export type Known = {
  readonly weight: number;
  /** what came in the method's slots (src/tensor/slots.ts); undefined where the model has none */
  readonly scalars: readonly number[] | undefined;
  /** ‖w_k − w‖² of the model, without slots; 0 unless the rule asks for it */
  readonly square: number;
};

export type ScaledRule = {
  readonly name: MethodName;
  readonly squares?: boolean;
  /** @throws FL_UPDATE_RANGE for scalars that cannot be */
  scale(update: Known): { readonly weight: number; readonly by: number };
  /** s */
  step(updates: readonly Known[]): number;
};

export class Scaled implements Aggregation {
  readonly #rule: ScaledRule;
  readonly #mean = new Mean();
  readonly #known = new Map<string, Known>();
  #round: AggregationRound | undefined;
  #places: readonly number[] | undefined;
  #spare: Float32Array[] = [];

  constructor(rule: ScaledRule) {
    this.#rule = rule;
  }

  begin(round: AggregationRound): void {
    if (this.#round?.layout.length !== round.layout.length) this.#spare = [];
    this.#mean.begin({ ...round, weightBound: Math.max(1, round.weightBound) });
    this.#places = scalarsOf(round.layout, this.#rule.name);
    this.#known.clear();
    this.#round = round;
  }

  async accept({ collaborator, values, weight }: Update): Promise<void> {
    const { global, layout, weightBound } = this.#begun();
    checkWeight(weight, weightBound);
    await checkValues(values, layout.length);
    const scalars = this.#places?.map((at) => values[at]!);
    const model = layout.length - (scalars?.length ?? 0); // the scalars are last
    const square = this.#rule.squares ? await squareOf(values.subarray(0, model), global) : 0;
    const known = { weight, scalars, square };
    const { weight: counts, by } = this.#rule.scale(known);
    const scaled = this.#spare.pop() ?? new Float32Array(values.length);
    try {
      await scaleTo(scaled, values, global, by);
      scaled.fill(0, model); // numbers about the update, no part of the step
      await this.#mean.accept({ values: scaled, weight: counts });
      this.#known.set(collaborator, known);
    } finally {
      if (scaled.length === this.#round?.layout.length) this.#spare.push(scaled);
    }
  }

  async finish(out: Float32Array): Promise<void> {
    const { global } = this.#begun();
    if (this.#known.size === 0) throw new FlError("FL_STATE", { reason: "no update was accepted" });
    const names = [...this.#known.keys()].sort();
    const step = this.#rule.step(names.map((name) => this.#known.get(name)!));
    await this.#mean.each((mean, from, to) => {
      for (let i = from; i < to; i++) out[i] = global[i]! + step * mean[i - from]!;
      checkStep(this.#rule.name, out, from, to);
    });
  }

  dispose(): void {
    this.#mean.dispose();
    this.#round = undefined;
    this.#spare = [];
  }

  #begun(): AggregationRound {
    if (this.#round === undefined) throw new FlError("FL_STATE", { reason: "no round has begun" });
    return this.#round;
  }
}

/** @throws FL_UPDATE_RANGE */
export function outside(rule: string, what: string, value: number | undefined): never {
  throw new FlError("FL_UPDATE_RANGE", { reason: `${what} of this update, as ${rule} has it, is ${value}` });
}
