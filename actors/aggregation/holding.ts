/**
 * What an aggregation actor holds for one experiment: the rule's instance, the model its round started from, the updates on
 * their way in, and the next model until it is fetched.
 *
 * HO1 Everything belongs to one session; what is asked for another is FL_PART_LOST and touches nothing.
 * HO2 A new session begins when all calls of the old one have ended, so no two of them share a buffer or the instance.
 * HO3 An instance goes on to the next round only from where its last finish left it. In every other case (the round before
 *     was left open, another Aggregator, a restart) a new one is made and restored from the state that is sent.
 * HO4 An update counts once, however often it is announced; one that was refused or broke off may be announced again.
 * HO5 Memory is O(model × updates under way), which the Aggregator bounds by its slots; buffers are reused.
 */
import { FlError } from "../../src/errors.ts";
import type { Aggregation } from "../../src/parts/aggregation.ts";
import { encodeFrame } from "../../src/tensor/frame.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { pullChunks } from "../../src/transfer/pull.ts";
import type { AggregationAccept, AggregationBegin, AggregationPull } from "../../src/wire/messages.ts";

const NONE = new Uint8Array(0);

export type HoldingParts = {
  readonly create: (options: Record<string, unknown>) => Aggregation;
  /** one credit to the Aggregator */
  readonly take: (pull: AggregationPull, signal: AbortSignal) => Promise<Uint8Array>;
};

export class Holding {
  readonly #parts: HoldingParts;
  readonly #running = new Set<Promise<unknown>>();
  #ends = new AbortController();
  /** the session that was begun last, whatever became of it */
  #latest: string | undefined;
  /** the present session, from when it has begun */
  #session: string | undefined;
  #closed = false;
  /** the session whose finish the instance rests after */
  #rests: string | undefined;
  #aggregation: Aggregation | undefined;
  #global = new Float32Array(0);
  #next = new Float32Array(0);
  #state: Uint8Array | undefined;
  #updates = new Map<string, Promise<void>>();
  #spare: Float32Array[] = [];

  constructor(parts: HoldingParts) {
    this.#parts = parts;
  }

  get latest(): string | undefined {
    return this.#latest;
  }

  /** Makes the round's session the present one. @throws what the rule throws, what the transfer throws, the signal's reason */
  begin(begin: AggregationBegin, signal: AbortSignal): Promise<void> {
    const left = this.#leave();
    this.#latest = begin.session;
    return this.#track(async () => {
      await left;
      signal.throwIfAborted();
      const layout = layoutOf(begin.specs);
      this.#size(layout.length);
      const goesOn = begin.after !== null && begin.after === this.#rests; // HO3
      this.#rests = undefined;
      this.#state = undefined;
      if (!goesOn) {
        await this.#retire();
        this.#aggregation = this.#parts.create(begin.options);
        await this.#restore(begin, signal);
      }
      await this.#pull({ session: begin.session, transfer: "global" }, bytesOf(this.#global), signal);
      signal.throwIfAborted();
      await this.#aggregation!.begin({
        round: begin.round,
        layout,
        global: this.#global,
        weightBound: begin.weight_bound,
        updatesBound: begin.updates_bound,
      });
      signal.throwIfAborted();
      this.#session = begin.session;
      this.#closed = false;
    });
  }

  async #restore({ session, state_bytes }: AggregationBegin, signal: AbortSignal): Promise<void> {
    if (state_bytes === null) return;
    const state = new Uint8Array(state_bytes);
    await this.#pull({ session, transfer: "state" }, state, signal);
    signal.throwIfAborted();
    this.#aggregation!.restore?.(state);
  }

  /** Takes an update in. @throws FL_PART_LOST (HO1), what the rule throws, what the transfer throws */
  accept(accept: AggregationAccept): Promise<void> {
    if (accept.session !== this.#session) return Promise.reject(unknown(accept.session));
    const updates = this.#updates;
    const known = updates.get(accept.collaborator);
    if (known !== undefined) return known; // HO4
    if (this.#closed) return Promise.reject(new FlError("FL_STATE", { reason: "the round has closed" }));
    const taking = this.#track(() => this.#take(accept));
    updates.set(accept.collaborator, taking);
    taking.catch(() => updates.delete(accept.collaborator));
    return taking;
  }

  async #take({ session, collaborator, weight }: AggregationAccept): Promise<void> {
    const { signal } = this.#ends;
    const values = this.#spare.pop() ?? new Float32Array(this.#global.length);
    try {
      await this.#pull({ session, transfer: "update", collaborator }, bytesOf(values), signal);
      signal.throwIfAborted();
      await this.#aggregation!.accept({ collaborator, weight, values });
    } finally {
      if (values.length === this.#global.length) this.#spare.push(values);
    }
  }

  /** Closes the round: the next model is there to be fetched, and the rule's state, whose size is returned. */
  finish(session: string): Promise<number | null> {
    if (session !== this.#session) return Promise.reject(unknown(session));
    this.#closed = true;
    return this.#track(async () => {
      await Promise.allSettled(this.#updates.values());
      const aggregation = this.#aggregation!;
      await aggregation.finish(this.#next);
      this.#state = aggregation.save?.();
      this.#rests = session;
      return this.#state?.length ?? null;
    });
  }

  /** A chunk of what `finish` left; nothing of another session (HO1). */
  give({ session, transfer, index }: AggregationPull): Uint8Array {
    if (session !== this.#session || this.#rests !== session) return NONE;
    const bytes = transfer === "next" ? bytesOf(this.#next) : transfer === "state" ? this.#state : undefined;
    return bytes === undefined ? NONE : encodeFrame(bytes, index);
  }

  /** Lets go of everything. */
  async free(): Promise<void> {
    await this.#leave();
    await this.#retire();
    this.#rests = undefined;
    this.#state = undefined;
    this.#size(0);
  }

  /** Ends the present session: nothing of it starts any more. Resolves when what was under way has ended (HO2). */
  #leave(): Promise<unknown> {
    this.#session = undefined;
    this.#ends.abort(new FlError("FL_PART_LOST", { reason: "another round has begun" }));
    this.#ends = new AbortController();
    this.#updates = new Map();
    return Promise.allSettled(this.#running);
  }

  async #retire(): Promise<void> {
    const old = this.#aggregation;
    this.#aggregation = undefined;
    await old?.dispose?.();
  }

  #size(length: number): void {
    if (this.#global.length === length) return;
    this.#global = new Float32Array(length);
    this.#next = new Float32Array(length);
    this.#spare = [];
  }

  #pull(of: Omit<AggregationPull, "index">, into: Uint8Array, signal: AbortSignal): Promise<void> {
    return pullChunks({ request: (index, over) => this.#parts.take({ ...of, index }, over), into, signal });
  }

  #track<T>(call: () => Promise<T>): Promise<T> {
    const running: Promise<T> = call().finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }
}

export const unknown = (session: string): FlError =>
  new FlError("FL_PART_LOST", { session, reason: "this round is not known here" });
