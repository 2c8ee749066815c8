/**
 * An experiment's models: on its MODEL stream, published once for all, read live or from the record.
 *
 * D1 A stored model is a range of sequence numbers that holds exactly its frames; a frame says its own place, so the order
 *    within the range does not matter.
 * D2 Whoever listens gets the frames as they are published; a model of which any was missed is read from the stream, a
 *    window at a time.
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

type Place = { exp: string; epoch: number; round: number };

/** One model has one place. */
export const sameModel = (a: ModelRef, b: ModelRef): boolean => a.epoch === b.epoch && a.round === b.round;

/** Stores `bytes` as frames, unless the reference can carry them (D5); resolves when all are stored. @throws FL_FENCED if another writer's frames lie in between (D1) */
export async function publishModel(
  wire: Wire,
  journal: Journal,
  subject: typeof subjects.modelChunk | typeof subjects.stateChunk,
  place: Place,
  bytes: Uint8Array,
  layout: string,
): Promise<ModelRef> {
  const { epoch, round } = place;
  if (bytes.length <= INLINE_BYTES) {
    return { seq: 0, chunks: 0, bytes: bytes.length, epoch, round, layout, data: bytes.slice() };
  }
  const name = wire.subject(subject as typeof subjects.modelChunk, place);
  const chunks = chunkCount(bytes.length);
  const seqs: number[] = [];
  let next = 0;
  const append = async (): Promise<void> => {
    while (next < chunks) {
      const index = next++;
      const id = `${name}.${index}`;
      seqs.push((await journal.append(name, encodeFrame(bytes, index), { id })).seq);
    }
  };
  await Promise.all(Array.from({ length: Math.min(APPENDS, chunks) }, append));
  const first = seqs.reduce((a, b) => Math.min(a, b));
  const last = seqs.reduce((a, b) => Math.max(a, b));
  if (last - first + 1 !== chunks) throw new FlError("FL_FENCED", { reason: "another aggregator writes this stream" });
  return { seq: first, chunks, bytes: bytes.length, epoch, round, layout };
}

/** Reads a stored model. @returns undefined if it is not kept any more */
export async function readModel(
  journal: Journal,
  ref: ModelRef,
  options: { into?: Uint8Array; signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array | undefined> {
  if (ref.data !== undefined) {
    if (ref.data.length !== ref.bytes) throw new FlError("FL_FRAME_MALFORMED", { reason: "a model of another size" });
    const own = options.into ?? new Uint8Array(ref.bytes); // aligned, as a view of the message need not be
    own.set(ref.data);
    return own;
  }
  const assembly = new Assembly(ref.bytes, options.into);
  let over = false;
  // Frames lie in the range in any order (D1), so places are asked for until all frames are here.
  let next = 0;
  const take = async (): Promise<void> => {
    while (next < ref.chunks && !over) {
      options.signal?.throwIfAborted();
      const stored = await journal.read(ref.seq + next++);
      options.signal?.throwIfAborted();
      if (over) return; // D4
      if (stored === undefined) over = true;
      else assembly.add(decodeFrame(stored.data));
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
  readonly #wire: Wire;
  readonly #journal: Journal;
  readonly #exp: string;
  #values = new Float32Array(0);
  /** what comes live goes here; `#values` itself if the model is large */
  #next = this.#values;
  #live: { epoch: string; round: string; assembly: Assembly } | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(wire: Wire, journal: Journal, exp: string) {
    this.#wire = wire;
    this.#journal = journal;
    this.#exp = exp;
  }

  /** Listens for the next model while the reader has nothing else to do: its event loop is free to keep up (D3). */
  listen(layout: Layout | undefined): void {
    if (this.#unsubscribe || layout === undefined || layout.bytes <= INLINE_BYTES || layout.bytes > LIVE_BYTES) return;
    this.#size(layout.bytes);
    const subject = this.#wire.wildcard(subjects.modelChunk, { exp: this.#exp });
    this.#unsubscribe = this.#wire.ports.bus.subscribe(subject, (message) => {
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
        this.#wire.ports.counters.drop(this.#wire.ports.log, "FL_FRAME_MALFORMED", {
          subject: message.subject,
          err: e,
        });
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
    const got = await readModel(this.#journal, ref, { into, signal });
    return got && this.#values;
  }

  #size(bytes: number): void {
    if (this.#values.byteLength === bytes) return;
    this.#values = new Float32Array(bytes / 4);
    this.#next = bytes > STEADY_BYTES ? this.#values : new Float32Array(bytes / 4);
  }
}
