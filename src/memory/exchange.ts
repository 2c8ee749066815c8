/**
 * The switch in the middle of a memory world: it takes what any bus publishes and hands it to whoever subscribed.
 *
 * X1 Delivery is never inside the publisher's call, and is in the order of publishing for the whole world.
 * X2 Every receiver gets its own copy of the bytes, made when they were published: no aliasing crosses the world.
 * X3 Of the members of one queue group one gets the message; they take turns.
 * X4 What a handler throws is logged and ends nothing.
 * X5 Nothing is answered at once: a loop over operations lets the rest of the process run, as it would over a network.
 */
import type { ContentType, Log } from "../ports.ts";
import { matches } from "./subject.ts";

export type Delivery = {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly contentType: ContentType;
  /** where an answer goes */
  readonly reply?: string | undefined;
};

export type Receiver = {
  readonly pattern: string;
  readonly queue?: string | undefined;
  deliver(delivery: Delivery): void;
  closed: boolean;
};

/** Records what is published on a journal's subjects, and acknowledges it as JetStream does. */
export type Recorder = { readonly patterns: readonly string[]; record(delivery: Delivery): void };

export class Exchange {
  readonly recorders = new Set<Recorder>();
  /** a published message for which this says true reaches no subscriber, though journals still record it */
  readonly #lose: (subject: string) => boolean;
  readonly #receivers = new Set<Receiver>();
  readonly #turns = new Map<string, number>();
  readonly #log: Log;
  #queue: { call: () => void; about: object }[] = [];
  #inbox = 0;

  constructor(lose: (subject: string) => boolean, log: Log) {
    this.#lose = lose;
    this.#log = log;
  }

  inbox(): string {
    return `_INBOX.${++this.#inbox}`;
  }

  subscribe(receiver: Receiver): () => void {
    this.#receivers.add(receiver);
    return () => {
      receiver.closed = true;
      this.#receivers.delete(receiver);
    };
  }

  /** @returns how many will get it, journals included */
  publish(delivery: Delivery): number {
    let takers = 0;
    for (const recorder of this.recorders) {
      if (!recorder.patterns.some((pattern) => matches(pattern, delivery.subject))) continue;
      recorder.record({ ...delivery, data: delivery.data.slice() });
      takers++;
    }
    return takers + this.fanOut(delivery);
  }

  /** To subscribers only. */
  fanOut(delivery: Delivery): number {
    const groups = new Map<string, Receiver[]>();
    const targets: Receiver[] = [];
    for (const receiver of this.#receivers) {
      if (!matches(receiver.pattern, delivery.subject)) continue;
      if (receiver.queue === undefined) {
        targets.push(receiver);
        continue;
      }
      const group = groups.get(receiver.queue);
      if (group === undefined) groups.set(receiver.queue, [receiver]);
      else group.push(receiver);
    }
    for (const [queue, members] of groups) {
      const turn = this.#turns.get(queue) ?? 0;
      this.#turns.set(queue, turn + 1);
      targets.push(members[turn % members.length]!); // X3
    }
    if (this.#lose(delivery.subject)) return targets.length;
    for (const target of targets) {
      const copy = { ...delivery, data: delivery.data.slice() }; // X2
      this.later(
        () => {
          if (!target.closed) target.deliver(copy);
        },
        { subject: delivery.subject },
      );
    }
    return targets.length;
  }

  /** Runs after everything that was published before. `about` is logged with what it throws (X4). */
  later(call: () => void, about: object = {}): void {
    this.#queue.push({ call, about });
    if (this.#queue.length === 1) setImmediate(() => this.#drain());
  }

  /** Resolves then: an operation that waits for it costs a turn of the event loop, as one on a server would (X5). */
  turn(): Promise<void> {
    return new Promise((resolve) => this.later(resolve));
  }

  #drain(): void {
    const batch = this.#queue;
    this.#queue = [];
    for (const { call, about } of batch) {
      try {
        call();
      } catch (err) {
        this.#log.error({ err, ...about }, "handler failed");
      }
    }
  }
}
