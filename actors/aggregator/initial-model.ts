/**
 * The model that an experiment begins with, if it was given one: with the submission, or by the plan's `from`.
 *
 * IM1 A model of another experiment is its owner's: to anyone else it is not there.
 * IM2 With `from.resume` the experiment goes on counting where that model stands. Its own aggregation begins anew.
 */
import { FlError } from "../../src/errors.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { parseSafetensors, type Safetensors } from "../../src/tensor/safetensors.ts";
import { modelOf } from "../../src/tensor/slots.ts";
import { keptIn } from "../../src/transfer/kept.ts";
import { readModel } from "../../src/transfer/model-stream.ts";
import { readUpload } from "../../src/transfer/upload.ts";
import type { ExperimentRecord, RoundRecord, Uploaded } from "../../src/wire/messages.ts";
import { buckets, shelves } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";

export type InitialModel = Pick<Safetensors, "layout" | "values"> & {
  /** the round that has made it, and the rounds of training in it, as this experiment counts them */
  readonly round: number;
  readonly trained: number;
};

/** @throws FL_NOT_FOUND, FL_STATE, FL_DIGEST_MISMATCH, FL_FRAME_MALFORMED, FL_LAYOUT_MISMATCH, FL_PLAN_INVALID when two are given */
export async function initialModel(
  wire: Wire,
  { owner, submission }: Pick<ExperimentRecord, "owner" | "submission">,
  { from, rounds }: Pick<Plan, "from" | "rounds">,
): Promise<InitialModel | undefined> {
  if (from === undefined)
    return submission.model && { ...(await given(wire, owner, submission.model)), round: 0, trained: 0 };
  if (submission.model !== undefined) {
    const reason = `a model came with the submission, and the plan begins from ${from.experiment}: give one of the two`;
    throw new FlError("FL_PLAN_INVALID", { reason });
  }
  const found = await stored(wire, from, owner);
  if (!from.resume) return { ...found, round: 0, trained: 0 };
  if (found.round < rounds) return found; // IM2
  const reason = `rounds is ${rounds}, but the model of ${from.experiment} to resume from has ${found.round} already`;
  throw new FlError("FL_PLAN_INVALID", { reason });
}

async function given(wire: Wire, owner: string, model: Uploaded): Promise<Safetensors> {
  return parseSafetensors(await readUpload(wire, owner, model));
}

async function stored(wire: Wire, from: NonNullable<Plan["from"]>, owner: string): Promise<InitialModel> {
  const { experiment: exp, round } = from;
  const [records, rounds] = await Promise.all([wire.table(buckets.experiments), wire.table(buckets.rounds)]);
  const record = (await records.get({ exp }))?.value;
  if (record?.owner !== owner) throw new FlError("FL_NOT_FOUND", { reason: `there is no experiment ${exp}` }); // IM1
  const open = (await rounds.get({ exp }))?.value;
  if (typeof round === "number") {
    return shelved(wire, keptIn(exp, open?.kept ?? [], round));
  }
  if (record.outcome !== null) return shelved(wire, record.outcome.objects[round]);
  return streamed(wire, exp, round, open);
}

async function shelved(wire: Wire, object: string): Promise<InitialModel> {
  const bytes = await (await wire.shelf(shelves.models)).get(object);
  if (bytes === undefined) throw new FlError("FL_NOT_FOUND", { reason: `no model ${object} is stored`, object });
  const { layout, values, metadata } = parseSafetensors(bytes);
  const trained = Number(metadata.rounds ?? 0);
  return { layout, values, trained, round: Number(metadata.round ?? trained) };
}

/** Of an experiment that has not finished. */
async function streamed(
  wire: Wire,
  exp: string,
  which: "best" | "last",
  open: RoundRecord | undefined,
): Promise<InitialModel> {
  const ref = which === "best" ? open?.best?.model : open?.model;
  const trained = which === "best" ? open?.best?.round : open?.trained;
  const none = new FlError("FL_STATE", { reason: `experiment ${exp} has no ${which} model yet` });
  if (!open?.specs || !ref || trained === undefined) throw none;
  const bytes = await readModel({ wire, journal: await wire.journal("model", exp), exp }, ref);
  if (bytes === undefined) throw none;
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  return modelOf({ layout: layoutOf(open.specs), values, trained, round: trained });
}
