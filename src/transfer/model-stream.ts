/**
 * An experiment's models: on its MODEL stream, published once for all, read live or from the record.
 *
 * D1 Each frame of a stored model has a subject of its own, and all of them lie in one range of sequence numbers: what lies
 *    under such a subject outside the range is another writer's.
 * D2 Whoever listens gets the frames as they are published; a model of which any was missed is read from the stream, a
 *    window at a time, by subject: that is what a server can permit.
 * D3 Only models up to LIVE_BYTES are listened for: a fan-out has no back-pressure, and a reader for which more lies in the
 *    server than its pending limit (64 MiB by default) is cut off. One whole model and the rest of the traffic fit below it.
 * D4 Once a read has ended, however it ended, nothing is written to the buffer it was lent.
 * D5 A model up to INLINE_BYTES never goes to the stream: its reference carries it, and is as durable as what it stands in.
 *    To store it apart would cost more than all else in a small round.
 */
import { FlError } from "../errors.ts";
import type { Journal } from "../ports.ts";
import { Assembly } from "../tensor/assembly.ts";
import { chunkCount, decodeFrame, encodeFrame } from "../tensor/frame.ts";
import type { Layout } from "../tensor/layout.ts";
import type { ModelRef } from "../wire/messages.ts";
import { subjects } from "../wire/table.ts";
import { match } from "../wire/template.ts";
import type { Wire } from "../wire/wire.ts";
import { WINDOW } from "./pull.ts";

export const LIVE_BYTES = 40 * 2 ** 20;
export const INLINE_BYTES = 8 * 2 ** 10;
/** up to here two buffers cost less than subscribing for each round */
const STEADY_BYTES = 2 ** 20;
/** appends under way at once: 8 MiB */
const APPENDS = 16;

export const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** An experiment's stream of models. */
export type ModelPlace = { readonly wire: Wire; readonly journal: Journal; readonly exp: string };
type Chunk = typeof subjects.modelChunk | typeof subjects.changeChunk | typeof subjects.stateChunk;

/** One model has one place. */
export const sameModel = (a: ModelRef, b: ModelRef): boolean => a.epoch === b.epoch && a.round === b.round;

/** Stores `bytes` as frames, unless the reference can carry them (D5); resolves when all are stored. @throws FL_FENCED if another writer's frames lie in between (D1) */
export async function publishModel(
  { wire, journal, exp }: ModelPlace,
  subject: Chunk,
  { epoch, round }: { epoch: number; round: number },
  bytes: Uint8Array,
  layout: string,
): Promise<ModelRef> {
  if (bytes.length <= INLINE_BYTES) {
    return { seq: 0, chunks: 0, bytes: bytes.length, epoch, round, layout, data: bytes.slice() };
  }
  const nameOf = (index: number): string =>
    wire.subject(subject as typeof subjects.modelChunk, { exp, epoch, round, index });
  const chunks = chunkCount(bytes.length);
  const seqs: number[] = [];
  let next = 0;
  const append = async (): Promise<void> => {
    while (next < chunks) {
      const index = next++;
      const name = nameOf(index);
      seqs.push((await journal.append(name, encodeFrame(bytes, index), { id: name })).seq);
    }
  };
  await Promise.all(Array.from({ length: Math.min(APPENDS, chunks) }, append));
  const first = seqs.reduce((a, b) => Math.min(a, b));
  const last = seqs.reduce((a, b) => Math.max(a, b));
  if (last - first + 1 !== chunks) throw new FlError("FL_FENCED", { reason: "another aggregator writes this stream" });
  return { seq: first, chunks, bytes: bytes.length, epoch, round, layout };
}

/** One stored frame, as it was published; undefined if it is not kept any more (D1). */
export async function readFrame(
  { wire, journal, exp }: ModelPlace,
  { epoch, round, seq, chunks }: ModelRef,
  index: number,
  subject: Chunk = subjects.modelChunk,
): Promise<Uint8Array | undefined> {
  const name = wire.subject(subject as typeof subjects.modelChunk, { exp, epoch, round, index });
  const stored = await journal.last(name);
  return stored !== undefined && stored.seq >= seq && stored.seq < seq + chunks ? stored.data : undefined;
}

/** Reads a stored model. @returns undefined if it is not kept any more */
export async function readModel(
  place: ModelPlace,
  ref: ModelRef,
  options: { into?: Uint8Array; signal?: AbortSignal | undefined; subject?: Chunk } = {},
): Promise<Uint8Array | undefined> {
  if (ref.data !== undefined) {
    if (ref.data.length !== ref.bytes) throw new FlError("FL_FRAME_MALFORMED", { reason: "a model of another size" });
    const own = options.into ?? new Uint8Array(ref.bytes); // aligned, as a view of the message need not be
    own.set(ref.data);
    return own;
  }
  const assembly = new Assembly(ref.bytes, options.into);
  let over = false;
  let next = 0;
  const take = async (): Promise<void> => {
    while (next < ref.chunks && !over) {
      options.signal?.throwIfAborted();
      const frame = await readFrame(place, ref, next++, options.subject);
      options.signal?.throwIfAborted();
      if (over) return; // D4
      if (frame === undefined) over = true;
      else assembly.add(decodeFrame(frame));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(WINDOW, ref.chunks) }, take));
  } finally {
    over = true;
  }
  return assembly.complete ? assembly.buffer : undefined;
}

/**
 * A collaborator's ear on its experiment's model stream. Its buffers are reused for every model: one for a large model, two
 * for a small one, for which it goes on listening while the other is in use, as subscribing anew costs the server more than
 * the model does.
 */
export class ModelFeed {
  readonly #place: ModelPlace;
  #values = new Float32Array(0);
  /** what comes live goes here; `#values` itself if the model is large */
  #next = this.#values;
  #live: { epoch: string; round: string; assembly: Assembly } | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(place: ModelPlace) {
    this.#place = place;
  }

  /** Listens for the next model while the reader has nothing else to do: its event loop is free to keep up (D3). */
  listen(layout: Layout | undefined): void {
    if (this.#unsubscribe || layout === undefined || layout.bytes <= INLINE_BYTES || layout.bytes > LIVE_BYTES) return;
    this.#size(layout.bytes);
    const { wire, exp } = this.#place;
    this.#unsubscribe = wire.ports.bus.subscribe(wire.wildcard(subjects.modelChunk, { exp }), (message) => {
      const place = match(subjects.modelChunk.pattern, message.subject);
      if (place === undefined) return;
      try {
        if (this.#live?.round !== place.round || this.#live.epoch !== place.epoch) {
          this.#live = {
            epoch: place.epoch,
            round: place.round,
            assembly: new Assembly(this.#next.byteLength, bytesOf(this.#next)),
          };
        }
        this.#live.assembly.add(decodeFrame(message.data));
      } catch (e) {
        // Nothing is lost: the stored copy is read instead (D2).
        wire.ports.counters.drop(wire.ports.log, "FL_FRAME_MALFORMED", { subject: message.subject, err: e });
      }
    });
  }

  /** Stops listening. */
  rest(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    this.#live = undefined;
  }

  /**
   * The model a round names, in a buffer that is the caller's until the next `listen`: as it came live if all of it did, else read from the stream (D2).
   * @returns undefined if the model is not kept any more (the round has moved on)
   */
  async fetch(ref: ModelRef, signal: AbortSignal): Promise<Float32Array | undefined> {
    const live = this.#live;
    const same = live !== undefined && live.round === String(ref.round) && live.epoch === String(ref.epoch);
    if (ref.bytes > STEADY_BYTES) this.rest();
    this.#live = undefined;
    if (same && live.assembly.complete) {
      [this.#values, this.#next] = [this.#next, this.#values];
      return this.#values;
    }
    this.#size(ref.bytes);
    const into = bytesOf(this.#values);
    const got = await readModel(this.#place, ref, { into, signal });
    return got && this.#values;
  }

  #size(bytes: number): void {
    if (this.#values.byteLength === bytes) return;
    this.#values = new Float32Array(bytes / 4);
    this.#next = bytes > STEADY_BYTES ? this.#values : new Float32Array(bytes / 4);
  }
}
