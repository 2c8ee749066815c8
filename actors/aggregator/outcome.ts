/**
 * What an experiment comes to: its last and its best model as objects of the store, and the outcome that names them.
 */
import { FlError } from "../../src/errors.ts";
import type { Layout } from "../../src/tensor/layout.ts";
import { writeSafetensors } from "../../src/tensor/safetensors.ts";
import { modelOf } from "../../src/tensor/slots.ts";
import { type ModelPlace, readModel, sameModel } from "../../src/transfer/model-stream.ts";
import type { Outcome } from "../../src/wire/messages.ts";
import { shelves } from "../../src/wire/table.ts";
import type { Checkpoint } from "./machine.ts";

type Final = { readonly layout: Layout | undefined; readonly global: Float32Array };

/** @throws FL_STATE when there is no model, FL_NOT_FOUND when the best one is not stored any more */
export async function storeOutcome(
  place: ModelPlace,
  { layout, global }: Final,
  checkpoint: Checkpoint,
): Promise<Outcome> {
  const { wire, exp } = place;
  const { best, trained, metrics, model } = checkpoint;
  if (layout === undefined || model === null) throw new FlError("FL_STATE", { reason: "there is no model" });
  const shelf = await wire.shelf(shelves.models);
  const put = (which: "best" | "last", all: Float32Array, rounds: number): Promise<string> => {
    const stored = modelOf({ layout, values: all });
    const metadata = { experiment: exp, rounds: String(rounds) };
    return shelf.put(`${exp}.${which}`, writeSafetensors(stored.layout, stored.values, metadata));
  };
  await put("last", global, trained);
  if (best === null || sameModel(best.model, model)) await put("best", global, trained);
  else {
    const bytes = await readModel(place, best.model);
    if (bytes === undefined) throw new FlError("FL_NOT_FOUND", { reason: "the best model is not stored any more" });
    await put("best", new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4), best.round);
  }
  return {
    rounds: trained,
    metrics: { ...metrics },
    best: best && { ...best, model: { ...best.model, data: undefined } }, // the object has it
    objects: { last: `${exp}.last`, best: `${exp}.best` },
  };
}
