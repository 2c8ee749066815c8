/**
 * Where a round's tensors are: the global model, the open uploads, the aggregation. Takes offers in and closes rounds;
 * decides nothing about when (the machine does).
 *
 * B1 Memory is O(model × SLOTS), never O(collaborators): an offer waits, unread, until a slot is free; its bytes stay with
 *    the collaborator until then (law L5).
 * B2 An update counts when all its bytes are here, checked, and the aggregation has taken it; from then on its collaborator
 *    is answered `accepted`, and `duplicate` if it offers again.
 * B3 After `close` began, no update of that round is taken in: it is answered `late`.
 * B4 A slot is free again when its transfer ends, however it ends.
 * B5 The aggregation gets ready for a round while its collaborators work: bytes may come before it is, updates go in after.
 * B6 Of one collaborator's offers the newest waits for the verdict; an older one is answered `again`, as its sender has ceased
 *    to wait. So a round that waits for its aggregation holds no more of them than collaborators.
 * B7 Of several uploads the eldest has the full window, the others a small one: were all alike, all would be whole at once, and
 *    be added one after the other while nothing arrives. A slow or stalled eldest leaves the others their share.
 * B8 A compressed update is pulled as it is, of no more bytes than its layout allows, and becomes whole in its slot: nobody
 *    behind the slot knows that it was.
 */
import { asFlError, FlError } from "../../src/errors.ts";
import type { Aggregation } from "../../src/parts/aggregation.ts";
import { Assembly } from "../../src/tensor/assembly.ts";
import { undiffer } from "../../src/tensor/delta.ts";
import { decodeFrame } from "../../src/tensor/frame.ts";
import { type Layout, layoutOf, sameLayout } from "../../src/tensor/layout.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { pullChunks, WINDOW } from "../../src/transfer/pull.ts";
import type { MetricsOfTask, Offer, PastRound, Verdict } from "../../src/wire/messages.ts";
import { Pressing, type Travel } from "./pressing.ts";

/** Memory for open uploads; at least two are open at a time whatever the model's size, so that one can stall. */
const UPLOAD_BYTES = 128 * 2 ** 20;
const MOST_SLOTS = 16;
/** chunks under way of an upload that is not the first (B7) */
const BESIDE = 2;
/** The largest weight an update may have: samples of one collaborator in one round. */
export const WEIGHT_BOUND = 2 ** 28;

export type Contribution = { readonly weight: number; readonly metrics: readonly MetricsOfTask[] };
export type Pull = (collaborator: string, round: number, index: number, signal: AbortSignal) => Promise<Uint8Array>;

/** Buffers for open uploads of one layout; `free` counts those that may still be taken. */
type Slots = { readonly buffers: Float32Array[]; free: number };

type Round = {
  readonly number: number;
  /** of whom an update is expected, not only metrics */
  trains: ReadonlySet<string>;
  /** who was asked to contribute */
  expected: ReadonlySet<string>;
  readonly contributions: Map<string, Contribution>;
  /** how many of them have brought an update */
  updates: number;
  readonly open: Map<string, Promise<Verdict>>;
  /** answers the newest offer of each that is on its way in (B6) */
  readonly asked: Map<string, (verdict: Verdict) => void>;
  readonly closing: AbortController;
  /** the aggregation is ready for updates (B5) */
  readonly begun: Promise<void>;
  ready: boolean;
};

export class Workbench {
  readonly #aggregation: Aggregation;
  readonly #pull: Pull;
  readonly #onBytes: (collaborator: string, bytes: number) => void;
  /** differences from the open round's model, compressed or not; the first model comes as it is */
  readonly #travel: Travel | undefined;
  #pressing: Pressing | undefined;
  #layout: Layout | undefined;
  /** the model of the open round, and the buffer of the next */
  #global: Float32Array = new Float32Array(0);
  #next: Float32Array = new Float32Array(0);
  #round: Round | undefined;
  #slots: Slots = { buffers: [], free: 0 };
  readonly #waiting: (() => void)[] = [];
  /** the uploads under way, the eldest first */
  readonly #pulling = new Set<object>();

  constructor(
    aggregation: Aggregation,
    pull: Pull,
    onBytes: (collaborator: string, bytes: number) => void,
    travel?: Travel,
  ) {
    this.#travel = travel;
    this.#aggregation = aggregation;
    this.#pull = pull;
    this.#onBytes = onBytes;
  }

  get layout(): Layout | undefined {
    return this.#layout;
  }

  get global(): Float32Array {
    return this.#global;
  }

  /** The aggregation, while it keeps the round waiting. */
  get waitingFor(): string | null {
    return this.#aggregation.waitingFor ?? null;
  }

  /** The model that the next round starts from, and the layout it comes with. */
  load(layout: Layout, values: Float32Array): void {
    this.#shape(layout);
    this.#global.set(values);
  }

  #shape(layout: Layout): void {
    if (this.#layout?.digest === layout.digest) return;
    this.#layout = layout;
    this.#global = new Float32Array(layout.length);
    this.#next = new Float32Array(layout.length);
    this.#pressing = this.#travel && new Pressing(this.#travel, layout);
    const free = Math.min(MOST_SLOTS, Math.max(2, Math.floor(UPLOAD_BYTES / Math.max(1, layout.bytes))));
    this.#slots = { buffers: [], free };
  }

  /**
   * Opens a round: offers for it are taken from the call on, not only when it resolves. Of a round that is open already,
   * only who is asked changes. `trains` are those of whom an update is expected.
   */
  async open(
    number: number,
    trains: ReadonlySet<string>,
    expected: ReadonlySet<string>,
    history: readonly PastRound[] = [],
    /** how many take part, asked or not */
    members: number = expected.size,
  ): Promise<void> {
    if (this.#round?.number === number) {
      this.#round.expected = expected;
      this.#round.trains = trains;
      return;
    }
    const round: Round = {
      number,
      trains,
      expected,
      contributions: new Map(),
      updates: 0,
      open: new Map(),
      asked: new Map(),
      closing: new AbortController(),
      begun: this.#begin(number, trains.size, history, members),
      ready: false,
    };
    this.#round = round;
    await round.begun;
    round.ready = true;
  }

  async #begin(round: number, updatesBound: number, history: readonly PastRound[], members: number): Promise<void> {
    if (updatesBound === 0 || round === 0) return;
    const layout = this.#layout!;
    const bounds = { weightBound: WEIGHT_BOUND, updatesBound };
    await this.#aggregation.begin({ round, layout, global: this.#global, ...bounds, members, history });
  }

  /** Takes an offer in. Resolves to the verdict; never rejects. */
  async offer(collaborator: string, offer: Offer): Promise<Verdict> {
    const round = this.#round;
    if (round === undefined || offer.round > round.number) return { verdict: "again" };
    if (offer.round < round.number || round.closing.signal.aborted) return { verdict: "late" };
    if (!round.expected.has(collaborator)) return { verdict: "refused", error: notAsked(round, collaborator).toJSON() };
    if (round.contributions.has(collaborator)) return { verdict: "duplicate" };
    round.asked.get(collaborator)?.({ verdict: "again" }); // B6
    const answer = new Promise<Verdict>((resolve) => round.asked.set(collaborator, resolve));
    if (round.open.has(collaborator)) return answer; // asked again while its chunks are on the way
    const taking = this.#take(round, collaborator, offer).catch((e): Verdict => {
      if (round.closing.signal.aborted) return { verdict: "late" };
      const error = asFlError(e);
      // a transfer that broke off may be tried again; an update that is wrong may not
      const again = ["FL_TIMEOUT", "FL_NO_RESPONDER", "FL_FRAME_CHECKSUM", "FL_CLOSED", "FL_PART_LOST"].includes(
        error.code,
      );
      return { verdict: again ? "again" : "refused", error: error.toJSON() };
    });
    round.open.set(collaborator, taking);
    taking.then((verdict) => {
      round.open.delete(collaborator);
      round.asked.get(collaborator)?.(verdict);
      round.asked.delete(collaborator);
    });
    return answer;
  }

  async #take(round: Round, collaborator: string, offer: Offer): Promise<Verdict> {
    if (offer.weight > WEIGHT_BOUND) {
      throw new FlError("FL_UPDATE_RANGE", { reason: `a weight of ${offer.weight} exceeds ${WEIGHT_BOUND}` });
    }
    if (round.trains.has(collaborator)) {
      const slots = await this.#room(round, offer);
      const slot = slots.buffers.pop() ?? new Float32Array(this.#layout!.length);
      try {
        const packed = round.number > 0 && this.#pressing?.updates ? new Uint8Array(offer.bytes) : undefined; // B8
        await this.#receive(round, collaborator, offer, packed ?? bytesOf(slot));
        if (!round.ready) await Promise.race([round.begun, closed(round)]); // B5
        if (round.closing.signal.aborted) return { verdict: "late" }; // B3
        if (!round.expected.has(collaborator)) throw notAsked(round, collaborator); // another was asked meanwhile
        if (packed !== undefined) await this.#pressing!.unpack(packed, collaborator, round.number, this.#global, slot);
        else if (this.#travel?.delta && round.number > 0) await undiffer(slot, this.#global);
        if (round.number === 0) this.#global.set(slot);
        else await this.#aggregation.accept({ collaborator, weight: offer.weight, values: slot });
        round.updates++;
      } finally {
        slots.buffers.push(slot);
        this.#release(slots); // B4
      }
    }
    round.contributions.set(collaborator, { weight: offer.weight, metrics: offer.metrics });
    return { verdict: "accepted" };
  }

  /** Waits for room for one update. */
  async #room(round: Round, offer: Offer): Promise<Slots> {
    const layout = this.#checked(round, offer);
    if (round.number === 0) this.#shape(layout);
    while (this.#slots.free === 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      round.closing.signal.throwIfAborted();
    }
    this.#slots.free--;
    return this.#slots;
  }

  #release(slots: Slots): void {
    slots.free++;
    this.#waiting.shift()?.();
  }

  #checked(round: Round, offer: Offer): Layout {
    if (round.number === 0) {
      if (offer.specs === undefined)
        throw new FlError("FL_LAYOUT_MISMATCH", { reason: "an initial model has no specs" });
      const layout = layoutOf(offer.specs);
      if (layout.digest !== offer.layout || layout.bytes !== offer.bytes) {
        throw new FlError("FL_LAYOUT_MISMATCH", { reason: "the specs are not those of the digest and size offered" });
      }
      return layout;
    }
    const layout = this.#layout!;
    if (offer.specs !== undefined) sameLayout(layout, layoutOf(offer.specs));
    const packed = this.#pressing?.updates === true;
    if (offer.layout !== layout.digest || (!packed && offer.bytes !== layout.bytes)) {
      throw new FlError("FL_LAYOUT_MISMATCH", { expected: layout.digest, got: offer.layout, bytes: offer.bytes });
    }
    if (packed) this.#pressing?.checkSize(offer.bytes); // B8
    return layout;
  }

  async #receive(round: Round, collaborator: string, offer: Offer, into: Uint8Array): Promise<void> {
    this.#onBytes(collaborator, 0);
    if (offer.frame !== undefined) {
      const whole = new Assembly(into.length, into);
      whole.add(decodeFrame(offer.frame));
      if (!whole.complete) throw new FlError("FL_FRAME_MALFORMED", { reason: "one frame does not hold this update" });
      this.#onBytes(collaborator, into.length);
      return;
    }
    const upload = {};
    this.#pulling.add(upload);
    try {
      await pullChunks({
        request: (index, signal) => this.#pull(collaborator, round.number, index, signal),
        into,
        onBytes: (bytes) => this.#onBytes(collaborator, bytes),
        window: () => (this.#pulling.values().next().value === upload ? WINDOW : BESIDE), // B7
        signal: round.closing.signal,
      });
    } finally {
      this.#pulling.delete(upload);
    }
  }

  /**
   * Closes the open round: waits for updates whose bytes are all here, turns the others away, and combines.
   * @returns who contributed what, in the order of names, whether `global` now is a new model, and how it came of the one before
   */
  async close(): Promise<{
    contributions: [string, Contribution][];
    changed: boolean;
    change: Uint8Array | undefined;
  }> {
    const round = this.#round;
    if (round === undefined) throw new FlError("FL_STATE", { reason: "no round is open" });
    round.closing.abort(new FlError("FL_STATE", { reason: "the round has closed" }));
    for (const wake of this.#waiting.splice(0)) wake(); // they all belong to this round
    await Promise.allSettled(round.open.values());
    const contributions = [...round.contributions].sort(([a], [b]) => (a < b ? -1 : 1));
    const changed = round.updates > 0;
    let change: Uint8Array | undefined;
    if (changed && round.number > 0) {
      await this.#aggregation.finish(this.#next);
      const pressed = await this.#pressing?.press(this.#next, this.#global, round.number + 1);
      change = pressed?.change;
      [this.#global, this.#next] = [pressed?.model ?? this.#next, this.#global];
    }
    this.#round = undefined;
    return { contributions, changed, change };
  }

  save(): Uint8Array | undefined {
    return this.#aggregation.save?.();
  }

  restore(state: Uint8Array): void {
    this.#aggregation.restore?.(state);
  }

  /** What compression has left out of the model so far. */
  get residual(): Uint8Array | undefined {
    return this.#pressing?.residual;
  }

  restoreResidual(residual: Uint8Array): void {
    this.#pressing?.restore(residual);
  }

  async dispose(): Promise<void> {
    this.#round?.closing.abort(new FlError("FL_CLOSED"));
    await this.#aggregation.dispose?.();
  }
}

/** Rejects when the round closes. */
const closed = ({ closing: { signal } }: Round): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

const notAsked = (round: Round, collaborator: string): FlError =>
  new FlError("FL_STATE", { reason: `nothing was asked of ${collaborator} in round ${round.number}` });
