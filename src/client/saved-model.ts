/**
 * A fetched model as a model again, and as files: model.safetensors for any tool, TensorFlow.js's model.json and weights.bin.
 *
 * S1 The workspace says what the weights belong to, so its archive is opened here as at any collaborator: whoever makes or
 *    saves a model runs the code of whoever submitted it. The folder it is opened in is gone afterwards.
 * S2 A model that TensorFlow.js has not trained, since the workspace has none for it, is safetensors only.
 */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type TfjsTrainer, tfjsEngine } from "../engine/tfjs.ts";
import { travellingOf } from "../engine/travelling.ts";
import { FlError } from "../errors.ts";
import { scratchFolder } from "../scratch.ts";
import { sameLayout } from "../tensor/layout.ts";
import { writeSafetensors } from "../tensor/safetensors.ts";
import { checkExperiment } from "../workspace/define.ts";
import { dependenciesIn, installedAt } from "../workspace/dependencies.ts";
import { importWorkspace, linkPackages, openArchive } from "../workspace/open.ts";
import { type Holdings, whichName } from "./holdings.ts";
import type { FetchedModel } from "./model.ts";

export type SavedModel = { readonly dir: string; readonly files: readonly string[] };

/** Writes the files into `dir`, which is made. @throws what `openModel` throws */
export async function saveModel(holdings: Holdings, model: FetchedModel, dir: string): Promise<SavedModel> {
  const { experiment, which, rounds, layout, values } = model;
  const folder = resolve(dir);
  await mkdir(folder, { recursive: true });
  const safetensors = join(folder, "model.safetensors");
  const metadata = { experiment, which: whichName(which), rounds: String(rounds) };
  await writeFile(`${safetensors}.part`, writeSafetensors(layout, values, metadata));
  await rename(`${safetensors}.part`, safetensors);
  const written = [safetensors];
  const trainer = await openModel(holdings, model).catch((e: unknown) => {
    if (e instanceof FlError && e.detail.tfjs === false) return undefined; // S2
    throw e;
  });
  if (trainer === undefined) return { dir: folder, files: written };
  try {
    await trainer.save(folder);
  } finally {
    trainer.dispose();
  }
  return { dir: folder, files: [...["model.json", "weights.bin"].map((file) => join(folder, file)), ...written] };
}

/**
 * The workspace's model with these weights (S1); it goes when the trainer is disposed of.
 * @throws FL_NOT_FOUND, FL_DIGEST_MISMATCH, FL_WORKSPACE_INVALID, FL_LAYOUT_MISMATCH, FL_ENGINE_UNAVAILABLE
 */
export async function openModel(holdings: Holdings, model: FetchedModel): Promise<TfjsTrainer> {
  const { layout, values, plan, archive } = model;
  const [bytes, shapes] = await Promise.all([holdings.archive(model), holdings.shapes()]);
  const scratch = await scratchFolder("model");
  try {
    const opened = await openArchive(bytes, archive.digest, join(scratch.dir, "workspace"));
    await linkPackages(opened.dir, await installedAt(process.cwd(), await dependenciesIn(opened.dir)));
    const definition = checkExperiment(await importWorkspace(opened.dir));
    const engine = await tfjsEngine();
    const trainer = await engine.open(definition, { seed: plan.seed, ...shapes });
    try {
      const travels = travellingOf(trainer, plan);
      sameLayout(travels.layout, layout);
      const whole = new Float32Array(trainer.layout.length);
      trainer.read(whole); // what the plan holds out is as the seed makes it
      trainer.write(travels.lay(values, whole));
      return trainer;
    } catch (e) {
      trainer.dispose();
      throw e;
    }
  } finally {
    await scratch.close();
  }
}
