/**
 * A Bus in memory: one named connection to the exchange of a memory world.
 *
 * B1 After close() nothing is delivered, pending requests fail with FL_CLOSED, and late answers are dropped.
 */
import { contentTypeOf } from "../content-type.ts";
import { FlError } from "../errors.ts";
import type { Bus, Clock, ContentType, Message, RequestOptions } from "../ports.ts";
import type { Delivery, Exchange } from "./exchange.ts";

export type MemoryBusOptions = { name: string; exchange: Exchange; clock: Clock; maxPayload: number };

export class MemoryBus implements Bus {
  readonly name: string;
  readonly maxPayload: number;
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #ends = new Set<() => void>();
  readonly #reconnects = new Set<() => void>();
  #closed = false;

  constructor({ name, exchange, clock, maxPayload }: MemoryBusOptions) {
    this.name = name;
    this.maxPayload = maxPayload;
    this.#exchange = exchange;
    this.#clock = clock;
  }

  publish(subject: string, data: Uint8Array, contentType?: ContentType): void {
    this.#check(subject, data);
    this.#exchange.publish({ subject, data, contentType: contentTypeOf(data, contentType) });
  }

  async request(
    subject: string,
    data: Uint8Array,
    { timeoutMs, signal, contentType }: RequestOptions,
  ): Promise<{ data: Uint8Array; contentType: ContentType }> {
    this.#check(subject, data);
    signal?.throwIfAborted();
    const reply = this.#exchange.inbox();
    return await new Promise((resolve, reject) => {
      const receiver = {
        pattern: reply,
        closed: false,
        deliver: (answer: Delivery) => {
          end();
          resolve({ data: answer.data, contentType: answer.contentType });
        },
      };
      const unsubscribe = this.#exchange.subscribe(receiver);
      const fail = (reason: unknown): void => {
        end();
        reject(reason);
      };
      const onClose = (): void => fail(new FlError("FL_CLOSED", { subject }));
      const onAbort = (): void => fail(signal?.reason);
      const cancel = this.#clock.after(timeoutMs, () => fail(new FlError("FL_TIMEOUT", { subject, timeoutMs })));
      const end = (): void => {
        unsubscribe();
        cancel();
        this.#ends.delete(onClose);
        signal?.removeEventListener("abort", onAbort);
      };
      this.#ends.add(onClose);
      signal?.addEventListener("abort", onAbort, { once: true });
      const takers = this.#exchange.publish({ subject, data, contentType: contentTypeOf(data, contentType), reply });
      if (takers === 0) this.#exchange.later(() => fail(new FlError("FL_NO_RESPONDER", { subject })));
    });
  }

  subscribe(subject: string, handler: (message: Message) => void, options?: { queue?: string }): () => void {
    if (this.#closed) throw new FlError("FL_CLOSED", { subject });
    const unsubscribe = this.#exchange.subscribe({
      pattern: subject,
      queue: options?.queue,
      closed: false,
      deliver: (delivery) => handler(this.#message(delivery)),
    });
    const end = (): void => {
      unsubscribe();
      this.#ends.delete(end);
    };
    this.#ends.add(end);
    return end;
  }

  flush(): Promise<void> {
    if (this.#closed) return Promise.reject(new FlError("FL_CLOSED"));
    return this.#exchange.turn();
  }

  onReconnect(listener: () => void): () => void {
    this.#reconnects.add(listener);
    return () => void this.#reconnects.delete(listener);
  }

  /** What a test calls to say that this bus was cut off and is back. */
  reconnected(): void {
    for (const listener of [...this.#reconnects]) listener();
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const end of [...this.#ends]) end(); // B1
    this.#reconnects.clear();
    return Promise.resolve();
  }

  #message({ subject, data, contentType, reply }: Delivery): Message {
    return {
      subject,
      data,
      contentType,
      wantsReply: reply !== undefined,
      respond: (answer, type) => {
        if (reply === undefined || this.#closed) return;
        this.#check(reply, answer);
        this.#exchange.publish({ subject: reply, data: answer, contentType: contentTypeOf(answer, type) });
      },
    };
  }

  #check(subject: string, data: Uint8Array): void {
    if (this.#closed) throw new FlError("FL_CLOSED", { subject });
    if (data.length > this.maxPayload) {
      const reason = `a message of ${data.length} bytes is larger than the server takes (${this.maxPayload})`;
      throw new FlError("FL_INTERNAL", { reason, subject });
    }
  }
}
