/**
 * A Journal in memory: it records what anybody publishes on its subjects, and what is appended.
 *
 * J1 Sequence numbers go up by one and are never used again, purged or not.
 * J2 An id seen within the last two minutes is answered with the first one's number and not stored.
 * J3 A message given to a worker belongs to it until its handler is done; rejected, it comes again after a second.
 * J4 A reader of n messages costs n steps, whatever else the journal holds.
 */

import { contentTypeOf } from "../content-type.ts";
import { FlError } from "../errors.ts";
import type { Clock, Journal, JournalSpec, Stored } from "../ports.ts";
import type { Delivery, Exchange } from "./exchange.ts";
import { matches } from "./subject.ts";

const DUPLICATE_WINDOW_MS = 120_000;
const RETRY_MS = 1_000;

/** What a durable name remembers: the next message, and those that are to come again. */
type Durable = { next: number; again: { seq: number; at: number }[] };

export class MemoryJournal implements Journal {
  readonly #spec: JournalSpec;
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #messages = new Map<number, Stored>();
  readonly #ids = new Map<string, { seq: number; at: number }>();
  readonly #durables = new Map<string, Durable>();
  readonly #waiting = new Set<() => void>();
  readonly #end: () => void;
  #seq = 0;
  /** changes when a message goes */
  #gone = 0;
  #removed = false;

  constructor(spec: JournalSpec, exchange: Exchange, clock: Clock) {
    this.#spec = spec;
    this.#exchange = exchange;
    this.#clock = clock;
    const recorder = {
      patterns: spec.subjects,
      record: (delivery: Delivery): void => {
        const seq = this.#store(delivery);
        if (delivery.reply === undefined) return;
        const ack = Buffer.from(JSON.stringify({ stream: spec.name, seq }));
        exchange.publish({ subject: delivery.reply, data: ack, contentType: "json" });
      },
    };
    exchange.recorders.add(recorder);
    this.#end = () => void exchange.recorders.delete(recorder);
  }

  async append(
    subject: string,
    data: Uint8Array,
    options?: { id?: string },
  ): Promise<{ seq: number; duplicate: boolean }> {
    this.#check();
    if (!this.#spec.subjects.some((pattern) => matches(pattern, subject))) {
      throw new FlError("FL_NOT_FOUND", { reason: "the journal does not record this subject", subject });
    }
    const now = this.#clock.now();
    const id = options?.id;
    const delivery = { subject, data: data.slice(), contentType: contentTypeOf(data) };
    this.#exchange.fanOut(delivery); // as NATS does, whether it is stored or known already
    if (id !== undefined) {
      const known = this.#ids.get(id);
      if (known !== undefined && now - known.at < DUPLICATE_WINDOW_MS) {
        await this.#exchange.turn();
        return { seq: known.seq, duplicate: true }; // J2
      }
      this.#ids.set(id, { seq: this.#seq + 1, at: now });
    }
    const seq = this.#store(delivery);
    await this.#exchange.turn();
    return { seq, duplicate: false };
  }

  async read(seq: number): Promise<Stored | undefined> {
    this.#check();
    const found = copyOf(this.#messages.get(seq));
    await this.#exchange.turn();
    return found;
  }

  async last(subject: string): Promise<Stored | undefined> {
    this.#check();
    let seq = this.#seq;
    while (seq > 0 && this.#messages.get(seq)?.subject !== subject) seq--;
    const found = copyOf(this.#messages.get(seq));
    await this.#exchange.turn();
    return found;
  }

  follow(options: {
    filter?: string;
    from: number | "new";
    signal: AbortSignal;
  }): AsyncIterable<Stored & { pending: number }> {
    const from = options.from === "new" ? this.#seq + 1 : Math.max(1, options.from);
    return this.#follow(from, options.filter ?? ">", options.signal);
  }

  async *#follow(from: number, filter: string, signal: AbortSignal): AsyncGenerator<Stored & { pending: number }> {
    let next = from;
    // How many are to come is counted on, not anew for each: only what has gone meanwhile makes it begin again (J4).
    let counted = from - 1;
    let pending = 0;
    let gone = this.#gone;
    while (!signal.aborted) {
      this.#check();
      const message = this.#firstFrom(next, filter);
      if (message === undefined) {
        await this.#change(signal);
        continue;
      }
      next = message.seq + 1;
      if (gone !== this.#gone) {
        gone = this.#gone;
        pending = 0;
        counted = message.seq;
      } else if (message.seq <= counted) pending--;
      else counted = message.seq;
      while (counted < this.#seq) {
        const later = this.#messages.get(++counted);
        if (later !== undefined && matches(filter, later.subject)) pending++;
      }
      yield { ...message, data: message.data.slice(), pending };
    }
  }

  async work(
    { durable, signal }: { durable: string; signal: AbortSignal },
    handler: (message: Stored) => Promise<void>,
  ): Promise<void> {
    this.#check();
    const state = this.#durables.get(durable) ?? { next: 1, again: [] };
    this.#durables.set(durable, state);
    while (!signal.aborted) {
      this.#check();
      const message = this.#take(state);
      if (message === undefined) {
        await this.#change(signal);
        continue;
      }
      try {
        await handler({ ...message, data: message.data.slice() });
      } catch {
        state.again.push({ seq: message.seq, at: this.#clock.now() + RETRY_MS }); // J3
        this.#clock.after(RETRY_MS, () => this.#changed());
      }
    }
  }

  async purge(filter: string, before = Number.POSITIVE_INFINITY): Promise<void> {
    this.#check();
    for (const [seq, message] of this.#messages) {
      if (seq < before && matches(filter, message.subject)) this.#messages.delete(seq);
    }
    this.#gone++;
    await this.#exchange.turn();
  }

  async erase(seq: number): Promise<void> {
    this.#check();
    this.#messages.delete(seq);
    this.#gone++;
    await this.#exchange.turn();
  }

  /** The store has forgotten it: whoever still waits on it ends with FL_NOT_FOUND. */
  remove(): void {
    this.#removed = true;
    this.#end();
    this.#messages.clear();
    this.#changed();
  }

  #store({ subject, data, contentType }: Delivery): number {
    const seq = ++this.#seq; // J1
    if (this.#spec.newest) {
      for (const [old, message] of this.#messages) if (message.subject === subject) this.#messages.delete(old);
      this.#gone++;
    }
    this.#messages.set(seq, { seq, subject, data, contentType });
    this.#changed();
    return seq;
  }

  #take(state: Durable): Stored | undefined {
    const now = this.#clock.now();
    const due = state.again.findIndex((one) => one.at <= now);
    if (due >= 0) {
      const [one] = state.again.splice(due, 1);
      const message = this.#messages.get(one!.seq);
      return message ?? this.#take(state);
    }
    const message = this.#firstFrom(state.next, ">");
    if (message !== undefined) state.next = message.seq + 1;
    return message;
  }

  #firstFrom(next: number, filter: string): Stored | undefined {
    for (let seq = next; seq <= this.#seq; seq++) {
      const message = this.#messages.get(seq);
      if (message !== undefined && matches(filter, message.subject)) return message;
    }
    return undefined;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #changed(): void {
    for (const done of [...this.#waiting]) this.#exchange.later(done);
  }

  #check(): void {
    if (this.#removed) throw new FlError("FL_NOT_FOUND", { journal: this.#spec.name });
  }
}

function copyOf(message: Stored | undefined): Stored | undefined {
  return message === undefined ? undefined : { ...message, data: message.data.slice() };
}
