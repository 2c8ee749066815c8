/**
 * An aggregation whose work is done by a process elsewhere on the bus (actors/aggregation/main.ts, or anyone who speaks the
 * protocol). To its caller it is an aggregation like any other, with one more way to fail.
 *
 *   begin   ask until the actor is there ─ it pulls `global`, and `state` if it does not rest where this round starts
 *   accept  the actor pulls `update`, combines, answers
 *   finish  the actor combines, answers; `next` and `state` are pulled from it
 *
 * RE1 Accepted updates are in the actor's memory only. If it ends and nobody serves its name for LOST_MS, or it is silent for
 *     SILENT_MS (a rule that blocks its process is not gone at once), the round is over for this object: `accept` and
 *     `finish` throw FL_PART_LOST, from then on until the next `begin`. Never is a model made of less than what was
 *     accepted; the updates are still with the collaborators, who offer them again to the next epoch.
 * RE2 Each `begin` makes a session of its own. An actor that does not know a session says so (FL_PART_LOST) and does nothing,
 *     so neither a restarted actor nor a second Aggregator can mix rounds.
 * RE3 Every request may be repeated with the same words and takes effect once; so each is, until it is answered.
 * RE4 `begin` waits for the actor as long as it takes: a user may start it later. `dispose` ends every wait.
 * RE5 What is lent to the actor is the caller's buffer, and only while the call that was given it runs.
 */
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { asFlError, FlError, fromWire, type WireError } from "../../src/errors.ts";
import type { Aggregation, AggregationRound, Update } from "../../src/parts/aggregation.ts";
import { encodeFrame } from "../../src/tensor/frame.ts";
import { specsOf } from "../../src/tensor/layout.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { pullChunks, STALL_MS } from "../../src/transfer/pull.ts";
import type { AggregationPull, AggregationReply } from "../../src/wire/messages.ts";
import { type Subject, subjects } from "../../src/wire/table.ts";
import type { Filling } from "../../src/wire/template.ts";
import type { Wire } from "../../src/wire/wire.ts";

/** a living actor answers sooner, if only that it is working */
const ANSWER_MS = 5_000;
const LOST_MS = 10_000;
const SILENT_MS = 60_000;
const RETRY_MS = 200;
const MOST_RETRY_MS = 1_000;
const NONE = new Uint8Array(0);

export type RemoteOptions = {
  readonly wire: Wire;
  readonly exp: string;
  /** the name behind `nats:` */
  readonly name: string;
  readonly options: Record<string, unknown>;
};

/** A round as this object began it. */
type Session = {
  readonly id: string;
  readonly length: number;
  readonly weightBound: number;
  readonly lent: Map<string, Uint8Array>;
  lost: FlError | undefined;
};

/** The actor lives; `working`: its answer is still to come. */
type Heard = (what: "bytes" | "working") => void;

export class RemoteAggregation implements Aggregation {
  readonly #wire: Wire;
  readonly #place: { exp: string; name: string };
  readonly #options: Record<string, unknown>;
  readonly #ends = new AbortController();
  #endServing: (() => void) | undefined;
  #session: Session | undefined;
  /** the session that left `#state`, if an actor may still rest there */
  #after: string | null = null;
  #state: Uint8Array | undefined;
  /** calls that the first answer did not end */
  readonly #waiting = new Set<object>();
  /** there exactly when the actor's rule has a state */
  save?: () => Uint8Array;

  constructor({ wire, exp, name, options }: RemoteOptions) {
    this.#wire = wire;
    this.#place = { exp, name };
    setMaxListeners(0, this.#ends.signal); // one for each request under way
    this.#options = options;
  }

  get waitingFor(): string | null {
    return this.#waiting.size > 0 ? `nats:${this.#place.name}` : null;
  }

  restore(bytes: Uint8Array): void {
    this.#keep(bytes);
    this.#after = null;
  }

  async begin({ round, layout, global, weightBound, updatesBound }: AggregationRound): Promise<void> {
    const lent = new Map([["global", bytesOf(global)]]);
    const session: Session = { id: randomUUID(), length: layout.length, weightBound, lent, lost: undefined };
    if (this.#state !== undefined) lent.set("state", this.#state);
    this.#session = session; // RE2
    this.#endServing?.();
    this.#endServing = this.#wire.serve(
      subjects.aggregationTake,
      { ...this.#place, session: session.id },
      (_, { transfer, collaborator, index }) => {
        const bytes = transfer === "probe" ? NONE : lent.get(lentAs(transfer, collaborator));
        return bytes === undefined ? NONE : encodeFrame(bytes, index);
      },
      () => NONE,
    );
    const payload = {
      session: session.id,
      after: this.#after,
      round,
      options: this.#options,
      specs: specsOf(layout),
      weight_bound: weightBound,
      ...(updatesBound === undefined ? {} : { updates_bound: updatesBound }),
      state_bytes: this.#state?.length ?? null,
    };
    try {
      await this.#insist(session, "forever", (heard) => this.#ask(subjects.aggregationBegin, payload, heard)); // RE4
    } finally {
      lent.clear(); // RE5
    }
  }

  async accept({ collaborator, weight, values }: Update): Promise<void> {
    const session = this.#current();
    // what needs no look at the values is refused here, before anything is moved
    if (values.length !== session.length) {
      throw new FlError("FL_LAYOUT_MISMATCH", { reason: `${values.length} values, expected ${session.length}` });
    }
    if (!(weight > 0 && weight <= session.weightBound)) {
      const reason = `weight ${weight} is not above 0 and within the round's bound of ${session.weightBound}`;
      throw new FlError("FL_UPDATE_RANGE", { reason });
    }
    const key = lentAs("update", collaborator);
    session.lent.set(key, bytesOf(values));
    try {
      const payload = { session: session.id, collaborator, weight };
      await this.#insist(session, "awhile", (heard) => this.#ask(subjects.aggregationAccept, payload, heard));
    } finally {
      session.lent.delete(key);
    }
  }

  async finish(out: Float32Array): Promise<void> {
    const session = this.#current();
    const state = await this.#insist(session, "awhile", async (heard) => {
      const { state_bytes } = await this.#ask(subjects.aggregationFinish, { session: session.id }, heard);
      await this.#pull(session, "next", bytesOf(out), heard);
      if (typeof state_bytes !== "number") return undefined;
      const bytes = new Uint8Array(state_bytes);
      await this.#pull(session, "state", bytes, heard);
      return bytes;
    });
    this.#keep(state);
    this.#after = session.id;
  }

  dispose(): void {
    this.#ends.abort(new FlError("FL_CLOSED", { reason: "the aggregation is not used any more" }));
    this.#endServing?.();
    this.#session = undefined;
  }

  #keep(state: Uint8Array | undefined): void {
    this.#state = state;
    if (state === undefined) delete this.save;
    else this.save = () => state;
  }

  #current(): Session {
    const session = this.#session;
    if (session === undefined) throw new FlError("FL_STATE", { reason: "no round has begun" });
    if (session.lost !== undefined) throw session.lost; // RE1
    return session;
  }

  async #pull(session: Session, transfer: "next" | "state", into: Uint8Array, heard: Heard): Promise<void> {
    await pullChunks({
      request: (index, signal) => {
        const pull: AggregationPull = { session: session.id, transfer, index };
        return this.#wire.request(subjects.aggregationGive, this.#place, pull, { timeoutMs: STALL_MS, signal });
      },
      into,
      onBytes: () => heard("bytes"),
      signal: this.#ends.signal,
    });
  }

  /** One answer that is not "working". @throws what the actor failed with, FL_NO_RESPONDER, FL_TIMEOUT */
  async #ask<S extends string, T>(
    subject: Subject<S, T, AggregationReply>,
    payload: T,
    heard: Heard,
  ): Promise<AggregationReply> {
    const options = { timeoutMs: ANSWER_MS, signal: this.#ends.signal };
    for (;;) {
      const reply = await this.#wire.request(subject, this.#place as Omit<Filling<S>, "fed">, payload, options);
      if (reply.error !== undefined) throw fromWire(reply.error as WireError);
      if (reply.outcome === "done") return reply;
      heard("working");
    }
  }

  /** Repeats what fails for the moment only (RE3); not for ever, unless told so (RE1, RE4). */
  async #insist<T>(
    session: Session,
    patience: "awhile" | "forever",
    attempt: (heard: Heard) => Promise<T>,
  ): Promise<T> {
    const call = {};
    try {
      return await this.#repeat(session, patience, attempt, () => this.#waiting.add(call));
    } finally {
      this.#waiting.delete(call);
    }
  }

  async #repeat<T>(
    session: Session,
    patience: "awhile" | "forever",
    attempt: (heard: Heard) => Promise<T>,
    waits: () => void,
  ): Promise<T> {
    const { clock, log } = this.#wire.ports;
    const { name } = this.#place;
    let heardAt = clock.now();
    let failures = 0;
    for (let wait = RETRY_MS; ; wait = Math.min(2 * wait, MOST_RETRY_MS)) {
      try {
        return await attempt((what) => {
          heardAt = clock.now();
          if (what === "working") waits();
        });
      } catch (e) {
        this.#ends.signal.throwIfAborted();
        const error = asFlError(e);
        const silentMs = clock.now() - heardAt;
        const gone = patience === "awhile" && silentMs >= (error.code === "FL_NO_RESPONDER" ? LOST_MS : SILENT_MS);
        if (error.code === "FL_PART_LOST" || (error.retryable && gone)) throw this.#lose(session, error, silentMs);
        if (!error.retryable) throw error;
        waits();
        if (failures++ === 0) log.warn({ aggregation: name, code: error.code }, "waiting for the aggregation actor");
      }
      await this.#pause(wait);
      if (session.lost !== undefined) throw session.lost;
    }
  }

  #lose(session: Session, cause: FlError, silentMs: number): FlError {
    const { name } = this.#place;
    const reason =
      cause.code === "FL_PART_LOST"
        ? `aggregation ${name} has restarted and does not know this round`
        : `aggregation ${name} has not answered for ${Math.round(silentMs / 1000)} s`;
    session.lost ??= new FlError("FL_PART_LOST", { part: name, reason }, { cause });
    return session.lost;
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#ends;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        cancel();
        reject(signal.reason);
      };
      const cancel = this.#wire.ports.clock.after(ms, () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

const lentAs = (transfer: string, collaborator: string | undefined): string =>
  collaborator === undefined ? transfer : `${transfer}.${collaborator}`;
