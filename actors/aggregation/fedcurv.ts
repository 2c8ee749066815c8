/**
 * FedCurv: FedAvg, while each collaborator is held near what matters to the others, as far as it matters to them.
 *
 *   at a collaborator   L_k(θ) + λ · Σ_{j≠k} (θ − θ_j)ᵀ diag(I_j) (θ − θ_j),   I_j the diagonal of the Fisher information at θ_j
 *   at the server       w⁺ = Σ_k (n_k / n) · θ_k,   U = Σ_k I_k,   V = Σ_k I_k · θ_k
 *
 * N. Shoham, T. Avidor, A. Keren, N. Israel, D. Benditkis, L. Mor-Yosef, I. Zeitak: Overcoming Forgetting in Federated Learning on
 * Non-IID Data, 2019, arXiv 1910.07796, section 2.2. The penalty is λ · (θᵀ diag(U − I_k) θ − 2 θᵀ (V − I_k θ_k)) and a constant.
 *
 * U and V travel with the model, in slots behind it (src/tensor/slots.ts): these are summed, each collaborator's as it is; all
 * other tensors are averaged. What a collaborator does with them is in src/engine/method.ts.
 */
import { FlError } from "../../src/errors.ts";
import {
  type Aggregation,
  type AggregationRound,
  defineAggregation,
  type Update,
} from "../../src/parts/aggregation.ts";
import { checkValues, checkWeight } from "../../src/parts/update.ts";
import { methodOptions } from "../../src/plan/method.ts";
import { methodSlot } from "../../src/tensor/slots.ts";
import { Subset } from "../../src/tensor/subset.ts";
import { checkStep, Mean } from "./mean.ts";

const name = "fedcurv";

type Part = { readonly subset: Subset; readonly mean: Mean; readonly out: Float32Array };

class FedCurv implements Aggregation {
  #round: AggregationRound | undefined;
  #averaged: Part | undefined;
  /** undefined: nothing is */
  #summed: Part | undefined;
  #count = 0;
  #spare: Float32Array[] = [];

  begin(round: AggregationRound): void {
    if (this.#round?.layout.digest !== round.layout.digest) this.#share(round);
    this.#round = round;
    this.#count = 0;
    for (const { mean, subset } of this.#parts())
      mean.begin({ ...round, layout: subset.layout, weightBound: Math.max(1, round.weightBound) });
  }

  #share({ layout }: AggregationRound): void {
    const part = (isIn: (slot: boolean) => boolean): Part | undefined => {
      if (!layout.tensors.some((t) => isIn(methodSlot(t.name) !== undefined))) return undefined;
      const subset = new Subset(layout, (t) => isIn(methodSlot(t.name) !== undefined));
      return { subset, mean: new Mean(), out: new Float32Array(subset.layout.length) };
    };
    this.#averaged = part((slot) => !slot);
    this.#summed = part((slot) => slot);
    this.#spare = [];
  }

  #parts(): Part[] {
    return [this.#averaged, this.#summed].filter((part) => part !== undefined);
  }

  async accept({ values, weight }: Update): Promise<void> {
    const { layout, weightBound } = this.#begun();
    checkWeight(weight, weightBound);
    await checkValues(values, layout.length); // before either part has anything of it
    const scratch = this.#spare.pop() ?? new Float32Array(layout.length);
    try {
      let at = 0;
      for (const part of this.#parts()) {
        const own = part.subset.take(values, scratch.subarray(at, at + part.subset.layout.length));
        at += own.length;
        await part.mean.accept({ values: own, weight: part === this.#summed ? 1 : weight });
      }
      this.#count++;
    } finally {
      if (scratch.length === this.#round?.layout.length) this.#spare.push(scratch);
    }
  }

  async finish(out: Float32Array): Promise<void> {
    this.#begun();
    for (const part of this.#parts()) {
      const times = part === this.#summed ? this.#count : 1;
      await part.mean.each((mean, from, to) => {
        for (let i = from; i < to; i++) part.out[i] = mean[i - from]! * times;
        checkStep(name, part.out, from, to);
      });
      part.subset.lay(part.out, out);
    }
  }

  dispose(): void {
    this.#round = undefined;
    this.#averaged = undefined;
    this.#summed = undefined;
    this.#spare = [];
  }

  #begun(): AggregationRound {
    if (this.#round === undefined) throw new FlError("FL_STATE", { reason: "no round has begun" });
    return this.#round;
  }
}

export const fedcurv = defineAggregation({
  name,
  summary:
    "The weighted mean of updates that were held near what matters to the others (Shoham et al. 2019). Updates are three times as large.",
  options: methodOptions.fedcurv,
  create: () => new FedCurv(),
});
