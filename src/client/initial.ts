/** The weights that an experiment begins with, in any form a program has them, as the safetensors file that travels. */
import { readFile } from "node:fs/promises";
import type { LayersModel } from "../engine/weights.ts";
import { FlError } from "../errors.ts";
import type { Layout } from "../tensor/layout.ts";
import { fromNamed, type NamedTensors } from "../tensor/named.ts";
import { parseSafetensors, writeSafetensors } from "../tensor/safetensors.ts";

/** a safetensors file or its bytes; a model fetched from another experiment; arrays by name; a TensorFlow.js model */
export type InitialModel =
  | string
  | Uint8Array
  | { readonly layout: Layout; readonly values: Float32Array }
  | NamedTensors
  | LayersModel;

/** @throws FL_NOT_FOUND, FL_FRAME_MALFORMED, FL_LAYOUT_MISMATCH, FL_WORKSPACE_INVALID for a LayersModel that cannot be federated */
export async function initialModel(model: InitialModel): Promise<Uint8Array> {
  const bytes = await safetensors(model);
  parseSafetensors(bytes);
  return bytes;
}

async function safetensors(model: InitialModel): Promise<Uint8Array> {
  if (typeof model === "string") {
    return readFile(model).catch((cause) => {
      throw new FlError("FL_NOT_FOUND", { reason: `${model} cannot be read`, file: model }, { cause });
    });
  }
  if (model instanceof Uint8Array) return model;
  if (isLayersModel(model)) {
    const { layoutFrom, readWeights } = await import("../engine/weights.ts");
    const layout = layoutFrom(model);
    const values = new Float32Array(layout.length);
    readWeights(model, layout, values);
    return writeSafetensors(layout, values);
  }
  const { layout, values } = isWeights(model) ? model : fromNamed(model as NamedTensors);
  return writeSafetensors(layout, values);
}

const isLayersModel = (model: object): model is LayersModel =>
  "trainableWeights" in model && "predict" in model && typeof model.predict === "function";
const isWeights = (model: object): model is { layout: Layout; values: Float32Array } =>
  "layout" in model && "values" in model && model.values instanceof Float32Array;
