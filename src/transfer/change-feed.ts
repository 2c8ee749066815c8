/**
 * A collaborator's models where they come as changes: it holds the last one and makes the next of it.
 *
 * CF1 What it holds is the Aggregator's model, bit for bit: it began with a whole one, each change is checked by the checksum of
 *     the model that it makes, and what does not fit (no base, not kept any more, damaged, another sum) is read whole instead.
 * CF2 A read that has ended leaves what is held as it was.
 */
import { crc32 } from "node:zlib";
import type { Pipeline } from "../codec/pipeline.ts";
import { seedOf } from "../codec/pipeline.ts";
import { asFlError, FlError } from "../errors.ts";
import type { ModelRef, RoundRecord } from "../wire/messages.ts";
import { subjects } from "../wire/table.ts";
import { bytesOf, type ModelPlace, readModel, sameModel } from "./model-stream.ts";

export class ChangeFeed {
  readonly #place: ModelPlace;
  readonly #pipeline: Pipeline;
  /** the plan's */
  readonly #seed: number;
  #held: { readonly ref: ModelRef; readonly values: Float32Array } | undefined;
  #next: Float32Array;

  constructor(place: ModelPlace, pipeline: Pipeline, seed: number) {
    this.#place = place;
    this.#pipeline = pipeline;
    this.#seed = seed;
    this.#next = new Float32Array(pipeline.layout.length);
  }

  /**
   * The model that a record names; valid until the next but one.
   * @returns undefined if it is not kept any more (the round has moved on)
   */
  async fetch(
    { model, change }: Pick<RoundRecord, "change"> & { model: ModelRef },
    signal: AbortSignal,
  ): Promise<Float32Array | undefined> {
    if (this.#held !== undefined && sameModel(this.#held.ref, model)) return this.#held.values;
    const made = (await this.#change(model, change, signal)) || (await this.#whole(model, signal));
    if (!made) return undefined;
    const values = this.#next;
    this.#next = this.#held?.values ?? new Float32Array(values.length);
    this.#held = { ref: model, values };
    return values;
  }

  /** Reads it whole into `#next`. */
  async #whole(model: ModelRef, signal: AbortSignal): Promise<boolean> {
    return (await readModel(this.#place, model, { into: bytesOf(this.#next), signal })) !== undefined;
  }

  /** Makes it of what is held, in `#next`. */
  async #change(model: ModelRef, change: RoundRecord["change"], signal: AbortSignal): Promise<boolean> {
    const held = this.#held;
    if (change === undefined || held === undefined) return false;
    const { ref, base } = change;
    if (held.ref.epoch !== base.epoch || held.ref.round !== base.round || ref.bytes > this.#pipeline.most) return false;
    try {
      const bytes = await readModel(this.#place, ref, { signal, subject: subjects.changeChunk });
      if (bytes === undefined) return false;
      await this.#pipeline.decode(bytes, held.values, this.#next, seedOf(this.#seed, model.round, undefined));
      if (crc32(bytesOf(this.#next)) === change.crc32) return true;
      throw new FlError("FL_CODEC_MALFORMED", { reason: "the model that came of a change is not the Aggregator's" });
    } catch (e) {
      signal.throwIfAborted();
      const { code } = asFlError(e);
      if (code !== "FL_CODEC_MALFORMED" && code !== "FL_FRAME_MALFORMED" && code !== "FL_FRAME_CHECKSUM") throw e;
      const { counters, log } = this.#place.wire.ports;
      counters.drop(log, code, { round: model.round, err: e }); // CF1: the whole one is read instead
      return false;
    }
  }
}
