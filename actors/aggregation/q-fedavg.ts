/**
 * q-FedAvg: whom the model serves worse counts more, so that it comes to serve all alike.
 *
 *   w⁺ = w − Σ_k Δ_k / Σ_k h_k,   Δ_k = F_k^q · u_k,   h_k = q · F_k^(q−1) · ‖u_k‖² + L · F_k^q,   u_k = L · (w − w_k), L = 1 / η
 *
 * T. Li, M. Sanjabi, A. Beirami, V. Smith: Fair Resource Allocation in Federated Learning, ICLR 2020, arXiv 1905.10497, Algorithm
 * 2. F_k is the loss of the model that entered the round, before training: the collaborator sends it and its η in slots behind the
 * model (src/engine/method.ts). Everyone counts one; with q = 0 it is the plain mean. As in the paper's code no loss is below 1e-10.
 */
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { methodOptions } from "../../src/plan/method.ts";
import { type Known, outside, Scaled } from "./scaled.ts";

const name = "q_fedavg";

export const qFedavg = defineAggregation({
  name,
  summary: "The mean of updates, those of the worse off counting more (q-FedAvg, Li et al. 2020).",
  options: methodOptions.q_fedavg,
  create({ q }) {
    /** of a model without slots all are alike */
    const of = ({ scalars: [loss, rate] = [1, 1] }: Known) => ({ loss: Math.max(1e-10, loss!), inverse: 1 / rate! });
    return new Scaled({
      name,
      squares: true,
      scale(update) {
        const [loss, rate] = update.scalars ?? [1, 1];
        if (!(loss! >= 0)) outside(name, "the loss", loss);
        if (!(rate! > 0)) outside(name, "the learning rate", rate);
        const { loss: f, inverse } = of(update);
        return { weight: 1, by: inverse * f ** q };
      },
      step(updates) {
        const sum = updates.reduce((h, update) => {
          const { loss, inverse } = of(update);
          return h + q * loss ** (q - 1) * inverse ** 2 * update.square + inverse * loss ** q;
        }, 0);
        return updates.length / sum; // the mean's n against the sum's
      },
    });
  },
});
