/**
 * FedNova: updates count by how far each step of them has led, so those who take more steps do not pull the model to themselves.
 *
 *   w⁺ = w + τ_eff · Σ_k p_k · Δ_k / ‖a_k‖₁,   τ_eff = Σ_k p_k · ‖a_k‖₁,   p_k = n_k / n, Δ_k = w_k − w
 *
 * J. Wang, Q. Liu, H. Liang, G. Joshi, H. V. Poor: Tackling the Objective Inconsistency Problem in Heterogeneous Federated
 * Optimization, NeurIPS 2020, arXiv 2007.07481, equation 10. ‖a_k‖₁ is the number of steps for plain SGD, and what momentum and
 * FedProx make of it otherwise: the collaborator sends it in a slot behind the model (src/engine/method.ts). Where all take the
 * same number of steps it is FedAvg.
 */
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { methodOptions } from "../../src/plan/method.ts";
import { type Known, outside, Scaled } from "./scaled.ts";

const name = "fednova";

/** ‖a_k‖₁; of a model without slots all are alike */
const stepsOf = ({ scalars }: Known): number => scalars?.[0] ?? 1;

export const fednova = defineAggregation({
  name,
  summary: "The weighted mean of updates measured by their numbers of steps (Wang et al. 2020).",
  options: methodOptions.fednova,
  create: () =>
    new Scaled({
      name,
      scale(update) {
        const steps = stepsOf(update);
        if (!(steps > 0)) outside(name, "the number of steps", steps);
        return { weight: update.weight, by: 1 / steps };
      },
      step(updates) {
        const n = updates.reduce((sum, { weight }) => sum + weight, 0);
        return updates.reduce((sum, update) => sum + (update.weight / n) * stepsOf(update), 0);
      },
    }),
});
