/**
 * A model on disk in TensorFlow.js's LayersModel format: model.json and weights.bin.
 *
 * S1 model.json is written last and by rename: a folder that has it is complete.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type * as tfjs from "@tensorflow/tfjs";
import { FlError } from "../errors.ts";
import type { Tf } from "../workspace/define.ts";

const WEIGHTS = "weights.bin";

export async function saveModel(model: tfjs.LayersModel, dir: string, tf: Tf): Promise<void> {
  await mkdir(dir, { recursive: true });
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      const weights = Buffer.from(tf.io.CompositeArrayBuffer.join(artifacts.weightData));
      const manifest = {
        format: "layers-model",
        generatedBy: artifacts.generatedBy ?? null,
        convertedBy: null,
        modelTopology: artifacts.modelTopology,
        weightsManifest: [{ paths: [WEIGHTS], weights: artifacts.weightSpecs }],
      };
      await writeFile(join(dir, WEIGHTS), weights);
      const unfinished = join(dir, ".model.json.part");
      await writeFile(unfinished, JSON.stringify(manifest));
      await rename(unfinished, join(dir, "model.json")); // S1
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" } };
    }),
  );
}

/** @throws FL_NOT_FOUND when the folder holds no complete model, FL_WORKSPACE_INVALID when it is damaged */
export async function loadModel(dir: string, tf: Tf): Promise<tfjs.LayersModel> {
  const [text, weights] = await Promise.all([
    readFile(join(dir, "model.json"), "utf8"),
    readFile(join(dir, WEIGHTS)),
  ]).catch((cause: unknown) => {
    throw new FlError("FL_NOT_FOUND", { reason: `no saved model in ${dir}` }, { cause });
  });
  try {
    const manifest = JSON.parse(text) as tfjs.io.ModelJSON;
    const weightData = weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength) as ArrayBuffer;
    return await tf.loadLayersModel(
      tf.io.fromMemory({
        modelTopology: manifest.modelTopology,
        weightSpecs: manifest.weightsManifest.flatMap((group) => group.weights),
        weightData,
      }),
    );
  } catch (cause) {
    const reason = `${dir}: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new FlError("FL_WORKSPACE_INVALID", { reason }, { cause });
  }
}
