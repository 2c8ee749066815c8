/**
 * What training is pulled by beside its loss: a gradient of its own for each trained weight, added to every batch's.
 *
 * FedProx pulls towards the model that entered the round:
 *
 *   h(v; w) = F(v) + (μ / 2) · ‖v − w‖²,   so ∇h = ∇F + μ · (v − w)
 *
 * T. Li, A. K. Sahu, M. Zaheer, M. Sanjabi, A. Talwalkar, V. Smith: Federated Optimization in Heterogeneous Networks, MLSys 2020,
 * arXiv 1812.06127, equation 2. The aggregation is FedAvg's.
 *
 * PU1 The gradient is worked out as such, never left to be derived from a number that no variable is seen in.
 * PU2 The loss that is reported is F's alone.
 */
import type * as tfjs from "@tensorflow/tfjs";
import type { Tf } from "../workspace/define.ts";

export type Pull = {
  /** of the trained weight `index`, whose value is `weight`; call it inside tidy */
  gradient(index: number, weight: tfjs.Tensor): tfjs.Tensor;
  dispose(): void;
};

/** Where each trained weight lies in a flat model. */
export function trainedPlaces(model: tfjs.LayersModel): { from: number; to: number; shape: number[] }[] {
  let at = 0;
  const places = new Map(
    model.weights.map((weight) => {
      const shape = weight.shape.map(Number);
      const from = at;
      at += shape.reduce((a, b) => a * b, 1);
      return [weight, { shape, from, to: at }];
    }),
  );
  return model.trainableWeights.map((weight) => places.get(weight)!);
}

/** The values of each trained weight in a flat model, as tensors. */
export const trainedValues = (tf: Tf, model: tfjs.LayersModel, flat: Float32Array): tfjs.Tensor[] =>
  trainedPlaces(model).map(({ from, to, shape }) => tf.tensor(flat.slice(from, to), shape, "float32"));

/** FedProx's; `entered` is the flat model that entered the round, or nothing for what the weights are now. */
export function proximal(tf: Tf, model: tfjs.LayersModel, mu: number, entered: Float32Array | undefined): Pull {
  const anchors =
    entered === undefined ? model.trainableWeights.map((w) => tf.clone(w.read())) : trainedValues(tf, model, entered);
  return {
    gradient: (index, weight) => tf.mul(tf.sub(weight, anchors[index]!), mu),
    dispose: () => tf.dispose(anchors),
  };
}
