/**
 * FedAvg: the average of the updates, weighted by their numbers of samples.
 *
 *   w[t+1] = Σ_k (n_k / n) · w_k[t+1],   n = Σ_k n_k
 *
 * B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas: Communication-Efficient Learning of Deep Networks from
 * Decentralized Data, AISTATS 2017, arXiv 1602.05629, Algorithm 1 (ServerExecutes). The sum runs over the collaborators whose
 * updates were accepted, so n is their samples, not the federation's.
 *
 * Streams: each update is added to an exact sum as it comes and is then done with, so memory is a few models, and no order shows.
 */
import { setImmediate as turn } from "node:timers/promises";
import { FlError } from "../../src/errors.ts";
import {
  type Aggregation,
  type AggregationRound,
  defineAggregation,
  type Update,
} from "../../src/parts/aggregation.ts";
import { checkWeight } from "../../src/parts/update.ts";
import { ExactSum, STEP } from "../../src/tensor/exact-sum.ts";
import { Passes } from "./passes.ts";

class FedAvg implements Aggregation {
  #sum: ExactSum | undefined;
  #passes: Passes | undefined;
  #weightBound = 0;

  async begin({ layout, weightBound, updatesBound }: AggregationRound): Promise<void> {
    if (this.#sum?.length !== layout.length) this.#sum = new ExactSum(layout.length);
    this.#passes = new Passes(this.#sum);
    this.#weightBound = weightBound;
    this.#sum.reset(updatesBound);
  }

  async accept({ values, weight }: Update): Promise<void> {
    const { passes } = this.#begun();
    checkWeight(weight, this.#weightBound);
    await passes.add(values, weight);
  }

  async finish(out: Float32Array): Promise<void> {
    const { sum } = this.#begun();
    for (let from = 0; from < sum.length; from += STEP) {
      if (from > 0) await turn();
      sum.mean(out, from, Math.min(sum.length, from + STEP));
    }
  }

  dispose(): void {
    this.#sum = undefined;
    this.#passes = undefined;
  }

  #begun(): { sum: ExactSum; passes: Passes } {
    if (this.#sum === undefined || this.#passes === undefined) {
      throw new FlError("FL_STATE", { reason: "no round has begun" });
    }
    return { sum: this.#sum, passes: this.#passes };
  }
}

export const fedavg = defineAggregation({
  name: "fedavg",
  summary: "The weighted mean (McMahan et al. 2017).",
  create: () => new FedAvg(),
});
