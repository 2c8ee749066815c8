/**
 * A model's weights where they are stored: a safetensors object once the experiment has finished, or if its round is kept, the
 * MODEL stream before.
 *
 * M1 The weights are whole or there are none: a model that the stream has dropped meanwhile is looked up again.
 */
import { FlError } from "../errors.ts";
import type { Plan } from "../plan/plan.ts";
import { layoutOf } from "../tensor/layout.ts";
import { parseSafetensors } from "../tensor/safetensors.ts";
import { modelOf } from "../tensor/slots.ts";
import { keptIn } from "../transfer/kept.ts";
import { readModel } from "../transfer/model-stream.ts";
import type { ExperimentRecord, Uploaded } from "../wire/messages.ts";
import { buckets, shelves } from "../wire/table.ts";
import type { Wire } from "../wire/wire.ts";
import type { Weights, Which } from "./holdings.ts";

/** the model of a round is dropped some rounds later: time for as many looks */
const TRIES = 5;

export type FetchedModel = Weights & {
  readonly experiment: string;
  readonly owner: string;
  readonly which: Which;
  readonly plan: Plan;
  /** of the workspace that says what the weights belong to */
  readonly archive: Uploaded;
};

/** @throws FL_STATE before there is one, FL_NOT_FOUND when it is not kept any more */
export async function readWeights(wire: Wire, { name, outcome }: ExperimentRecord, which: Which): Promise<Weights> {
  if (typeof which === "object") {
    const row = await (await wire.table(buckets.rounds)).get({ exp: name });
    return shelved(wire, keptIn(name, row?.value.kept ?? [], which.round));
  }
  return outcome === null ? streamed(wire, name, which) : shelved(wire, outcome.objects[which]);
}

async function shelved(wire: Wire, object: string): Promise<Weights> {
  const bytes = await (await wire.shelf(shelves.models)).get(object);
  if (bytes === undefined) throw new FlError("FL_NOT_FOUND", { reason: `no model ${object} is stored`, object });
  const { layout, values, metadata } = parseSafetensors(bytes);
  return { layout, values, rounds: Number(metadata.rounds ?? 0) };
}

async function streamed(wire: Wire, experiment: string, which: "best" | "last"): Promise<Weights> {
  const rounds = await wire.table(buckets.rounds);
  for (let tries = 0; tries < TRIES; tries++) {
    const record = (await rounds.get({ exp: experiment }))?.value;
    const best = record?.best ?? null;
    const [ref, trained] = which === "best" ? [best?.model, best?.round] : [record?.model, record?.trained];
    if (!record?.specs || !ref || trained === undefined) {
      throw new FlError("FL_STATE", { reason: `experiment ${experiment} has no ${which} model yet`, experiment });
    }
    const journal = await wire.journal("model", experiment);
    const bytes = await readModel({ wire, journal, exp: experiment }, ref);
    if (bytes === undefined) continue; // M1
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    return modelOf({ layout: layoutOf(record.specs), values, rounds: trained });
  }
  throw new FlError("FL_NOT_FOUND", { reason: `the ${which} model of ${experiment} is not kept any more`, experiment });
}
