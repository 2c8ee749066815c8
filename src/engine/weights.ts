/**
 * The weights of a TensorFlow.js model as one flat array: where each lies, and how they are read.
 *
 * F1 Tensor names in the layout are `<index>.<kind>` ("0.kernel", "1.bias"). TensorFlow.js's own names count the layers made
 *    in the process so far, so they differ from opening to opening.
 * F2 The layout has all weights, also those not trained (moving means of batch normalisation), in the model's order.
 * F3 A path has no count of layers either: `dense/kernel` is every dense layer that was given no name.
 */
import type * as tfjs from "@tensorflow/tfjs";
import { FlError } from "../errors.ts";
import { type Layout, layoutOf } from "../tensor/layout.ts";

export type LayersModel = tfjs.LayersModel;

/** @throws FL_WORKSPACE_INVALID for a model with nothing to train, or weights that are not f32 */
export function layoutFrom(model: LayersModel): Layout {
  for (const weight of model.weights) {
    if (weight.dtype !== "float32")
      wrong(`its weight ${weight.originalName} is ${weight.dtype}; only float32 is federated`);
  }
  if (model.trainableWeights.length === 0) wrong("it has nothing to train");
  return layoutOf(
    model.weights.map((weight, i) => ({
      name: `${i}.${weight.originalName.split("/").at(-1)}`, // F1
      dtype: "f32",
      shape: weight.shape.map(Number),
    })),
  );
}

/** TensorFlow.js's name for a layer that was given none: the class in two spellings and how many were made before */
const UNNAMED = /^(\w+?)_[A-Z][A-Za-z0-9]*?\d+$/;

/** `<layer>/<kind>` of each weight, the layer by its own name, or by its class where it was given none (F3). */
export const pathsOf = (model: LayersModel): string[] =>
  model.weights.map(({ originalName }) => {
    const [layer, ...rest] = originalName.split("/") as [string, ...string[]];
    return [UNNAMED.exec(layer)?.[1] ?? layer, ...rest].join("/");
  });

/** Copies all weights out. `out` has the layout's length. */
export function readWeights(model: LayersModel, layout: Layout, out: Float32Array): void {
  model.weights.forEach((weight, i) => {
    out.set(weight.read().dataSync<"float32">(), layout.tensors[i]!.offset);
  });
}

/** All weights, one after the other, as the layout has them. */
export function flatWeights(model: LayersModel): Float32Array {
  const values = model.weights.map((weight) => weight.read().dataSync<"float32">());
  const out = new Float32Array(values.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const value of values) {
    out.set(value, at);
    at += value.length;
  }
  return out;
}

export function wrong(reason: string): never {
  throw new FlError("FL_WORKSPACE_INVALID", { reason: `model: ${reason}`, path: "model" });
}
