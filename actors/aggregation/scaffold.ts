/**
 * SCAFFOLD: each collaborator's steps are corrected by how its gradient differs from everyone's, its control variate.
 *
 *   at a collaborator   y ← y − η · (g(y) − c_k + c),   then c_k⁺ = c_k − c + (x − y) / (K η)
 *   at the server       x ← x + (η_g / |S|) · Σ_{k∈S} (y_k − x),   c ← c + (1 / N) · Σ_{k∈S} (c_k⁺ − c_k)
 *
 * S. P. Karimireddy, S. Kale, M. Mohri, S. Reddi, S. Stich, A. T. Suresh: SCAFFOLD: Stochastic Controlled Averaging for Federated
 * Learning, ICML 2020, arXiv 1910.06378, Algorithm 1 with option II, and its η_g = 1. N counts all who take part, asked or not.
 *
 * c travels with the model, in slots behind it (src/tensor/slots.ts), and is stored with it; what a collaborator sends there is
 * c + c_k⁺ − c_k. c_k stays with the collaborator (src/engine/method.ts): one whose process is restarted begins again with 0.
 */
import { FlError } from "../../src/errors.ts";
import {
  type Aggregation,
  type AggregationRound,
  defineAggregation,
  type Update,
} from "../../src/parts/aggregation.ts";
import { checkWeight } from "../../src/parts/update.ts";
import { methodOptions } from "../../src/plan/method.ts";
import { methodSlot } from "../../src/tensor/slots.ts";
import { checkStep, Mean } from "./mean.ts";

const name = "scaffold";

class Scaffold implements Aggregation {
  readonly #step: number;
  readonly #mean = new Mean();
  #round: AggregationRound | undefined;
  /** |S| */
  #count = 0;

  constructor(step: number) {
    this.#step = step;
  }

  begin(round: AggregationRound): void {
    this.#mean.begin({ ...round, weightBound: 1 });
    this.#round = round;
    this.#count = 0;
  }

  async accept({ values, weight }: Update): Promise<void> {
    checkWeight(weight, this.#begun().weightBound);
    await this.#mean.accept({ values, weight: 1 });
    this.#count++;
  }

  async finish(out: Float32Array): Promise<void> {
    const { global, layout, members = this.#count } = this.#begun();
    const share = this.#count / Math.max(members, this.#count);
    await this.#mean.each((mean, from, to) => {
      for (const tensor of layout.tensors) {
        const by = methodSlot(tensor.name) === undefined ? this.#step : share;
        const end = Math.min(to, tensor.offset + tensor.length);
        for (let i = Math.max(from, tensor.offset); i < end; i++)
          out[i] = global[i]! + by * (mean[i - from]! - global[i]!);
      }
      checkStep(name, out, from, to);
    });
  }

  dispose(): void {
    this.#mean.dispose();
    this.#round = undefined;
  }

  #begun(): AggregationRound {
    if (this.#round === undefined) throw new FlError("FL_STATE", { reason: "no round has begun" });
    return this.#round;
  }
}

export const scaffold = defineAggregation({
  name,
  summary:
    "The mean of updates whose steps were corrected by control variates (Karimireddy et al. 2020). Everyone counts one; updates are twice as large.",
  options: methodOptions.scaffold,
  create: ({ learningRate }) => new Scaffold(learningRate),
});
