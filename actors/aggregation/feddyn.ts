/**
 * FedDyn: each collaborator's loss is regularised anew in each round, so that where all are at rest is where their sum is.
 *
 *   at a collaborator   θ_k = argmin L_k(θ) − ⟨g_k, θ⟩ + (α / 2) · ‖θ − w‖²,   then g_k ← g_k − α · (θ_k − w)
 *   at the server       h ← h − (α / m) · Σ_{k∈P} (θ_k − w),   w⁺ = (1 / |P|) · Σ_{k∈P} θ_k − h / α,   h = 0 at first
 *
 * D. A. E. Acar, Y. Zhao, R. Matas Navarro, M. Mattina, P. N. Whatmough, V. Saligrama: Federated Learning Based on Dynamic
 * Regularization, ICLR 2021, arXiv 2111.04263, Algorithm 1. m counts all who take part, asked or not. α = 0.01 of its 0.001 to 0.1.
 *
 * h / α is what is remembered: α is the collaborators' business alone (src/engine/method.ts). g_k stays with the collaborator: one
 * whose process is restarted begins again with 0.
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
import { checkStep, Mean } from "./mean.ts";
import { Remembered } from "./remembered.ts";

const name = "feddyn";

class FedDyn implements Aggregation {
  readonly #mean = new Mean();
  /** h / α */
  readonly #drift = new Remembered(name, [0]);
  #round: AggregationRound | undefined;
  /** |P| */
  #count = 0;

  begin(round: AggregationRound): void {
    this.#drift.begin(round);
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
    const { round, global, members = this.#count } = this.#begun();
    const share = this.#count / Math.max(members, this.#count);
    const [drift] = this.#drift.before;
    const [next] = this.#drift.after;
    await this.#mean.each((mean, from, to) => {
      for (let i = from; i < to; i++) {
        const theta = mean[i - from]!;
        const h = drift![i]! - share * (theta - global[i]!);
        next![i] = h;
        out[i] = theta - h;
      }
      checkStep(name, out, from, to);
    });
    this.#drift.close(round);
  }

  save(): Uint8Array {
    return this.#drift.save();
  }

  restore(bytes: Uint8Array): void {
    this.#drift.restore(bytes);
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

export const feddyn = defineAggregation({
  name,
  summary:
    "The mean of updates trained under a dynamic regulariser, and what their drift has come to (Acar et al. 2021). Everyone counts one.",
  options: methodOptions.feddyn,
  create: () => new FedDyn(),
});
