/**
 * How a model came of the one before it, stored for the collaborators that hold that one.
 *
 * CH1 The model itself is stored all the same: it is the checkpoint, and what everybody gets who does not hold the one before.
 * CH2 A change is there only where it is worth it: smaller than a model that does not lie in the record anyway.
 */
import { crc32 } from "node:zlib";
import { bytesOf, type ModelPlace, publishModel } from "../../src/transfer/model-stream.ts";
import type { ModelChange, ModelRef } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";

type Changed = {
  readonly change: Uint8Array | undefined;
  readonly base: ModelRef | null;
  readonly model: ModelRef;
  /** the model's */
  readonly values: Float32Array;
};

export async function storeChange(
  place: ModelPlace,
  { change, base, model, values }: Changed,
): Promise<ModelChange | undefined> {
  if (change === undefined || base === null || model.data !== undefined || change.length >= model.bytes)
    return undefined;
  const ref = await publishModel(place, subjects.changeChunk, model, change, model.layout);
  return { ref, base: { epoch: base.epoch, round: base.round }, crc32: crc32(bytesOf(values)) };
}
