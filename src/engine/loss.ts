/**
 * What a model's outputs are measured by: the loss as a scalar tensor, and how many outputs are right.
 *
 * L1 Accuracy is counted for one-dimensional targets of two classes or more, by the largest value in each row, and only
 *    when the loss is softmaxCrossEntropy or the targets are class ids.
 */
import type * as tfjs from "@tensorflow/tfjs";
import { hasClasses, type Split } from "../data/shard.ts";
import type { ExperimentDefinition, Tf } from "../workspace/define.ts";

/** The batch's mean loss, with the layers' regularisers. Call it inside tidy. */
export function lossOf(
  tf: Tf,
  definition: ExperimentDefinition,
  model: tfjs.LayersModel,
  outputs: tfjs.Tensor,
  targets: tfjs.Tensor,
): tfjs.Scalar {
  let loss = measure(tf, definition.loss, outputs, targets);
  for (const penalty of model.calculateLosses()) loss = tf.add(loss, penalty);
  return loss;
}

function measure(tf: Tf, loss: ExperimentDefinition["loss"], outputs: tfjs.Tensor, targets: tfjs.Tensor): tfjs.Scalar {
  if (loss === "softmaxCrossEntropy") return tf.losses.softmaxCrossEntropy(targets, outputs).asScalar();
  if (loss === "meanSquaredError") return tf.losses.meanSquaredError(targets, outputs).asScalar();
  const value = loss(tf, outputs, targets);
  return (value.rank === 0 ? value : tf.mean(value)) as tfjs.Scalar;
}

export const countsAccuracy = (
  definition: ExperimentDefinition,
  split: Split,
  targetShape: readonly number[],
): boolean =>
  targetShape.length === 1 &&
  targetShape[0]! > 1 &&
  (definition.loss === "softmaxCrossEntropy" || hasClasses(split, targetShape)); // L1

/** In how many rows do both have their largest value at the same place? */
export function countCorrect(outputs: ArrayLike<number>, targets: ArrayLike<number>, width: number): number {
  let correct = 0;
  for (let row = 0; row < targets.length; row += width) {
    let said = 0;
    let right = 0;
    for (let k = 1; k < width; k++) {
      if (outputs[row + k]! > outputs[row + said]!) said = k;
      if (targets[row + k]! > targets[row + right]!) right = k;
    }
    if (said === right) correct++;
  }
  return correct;
}
