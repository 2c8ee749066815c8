/** The initial model that came with a submission, if one did: a safetensors object, checked against its digest. */
import { createHash } from "node:crypto";
import { FlError } from "../../src/errors.ts";
import { parseSafetensors, type Safetensors } from "../../src/tensor/safetensors.ts";
import type { Submission } from "../../src/wire/messages.ts";
import { shelves } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";

/** @throws FL_NOT_FOUND, FL_DIGEST_MISMATCH, FL_FRAME_MALFORMED, FL_LAYOUT_MISMATCH */
export async function initialModel(wire: Wire, submission: Submission): Promise<Safetensors | undefined> {
  const { model } = submission;
  if (model === undefined) return undefined;
  const bytes = await (await wire.shelf(shelves.models)).get(model.object);
  if (bytes === undefined) throw new FlError("FL_NOT_FOUND", { reason: `no initial model ${model.object} is stored` });
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (digest !== model.digest) throw new FlError("FL_DIGEST_MISMATCH", { object: model.object, digest });
  return parseSafetensors(bytes);
}
