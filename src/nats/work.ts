/**
 * Work taken from a stream under a durable name, one message at a time per worker.
 *
 * D1 The durable consumer remembers what is done; several workers under one name share what is left.
 * D2 A message is acknowledged when its handler has resolved and not before. While the handler runs the server is told
 *    every WORKING_MS, so that ACK_WAIT_MS only runs out when the worker is gone.
 * D3 A rejected message comes again after RETRY_MS; others are handled meanwhile.
 * D4 After a reconnect the worker asks again at once; what it asked the old connection is void.
 * D5 Acknowledgements are on their way while the next message is handled. A killed server may lose the last of them and
 *    deliver again; what this worker has done it then acknowledges again and does not do again.
 */
import { AckPolicy, type ConsumerConfig, DeliverPolicy } from "@nats-io/jetstream";
import { createInbox, type Msg, nanos, type Subscription } from "@nats-io/transport-node";
import { FlError } from "../errors.ts";
import type { Stored } from "../ports.ts";
import { deliveryOf, storedOf } from "./delivery.ts";
import type { Link } from "./link.ts";
import { retried } from "./retry.ts";

const ACK_WAIT_MS = 5_000;
const WORKING_MS = 1_500;
const RETRY_MS = 1_000;
const PULL_MS = 30_000;
const PAUSE_MS = 200;
const ACK_TIMEOUT_MS = 2_000;
const REMEMBERED = 10_000;

const ACKNOWLEDGED = Buffer.from("+ACK");
const WORKING = Buffer.from("+WPI");
const REJECTED = Buffer.from(`-NAK ${JSON.stringify({ delay: nanos(RETRY_MS) })}`);
const RETURNED = Buffer.from("-NAK");

export type WorkOptions = { readonly stream: string; readonly durable: string; readonly signal: AbortSignal };

export async function work(
  link: Link,
  options: WorkOptions,
  handler: (message: Stored) => Promise<void>,
): Promise<void> {
  const { stream, durable, signal } = options;
  if (signal.aborted) return;
  const config: Partial<ConsumerConfig> = {
    durable_name: durable,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ACK_WAIT_MS),
    deliver_policy: DeliverPolicy.All,
    max_deliver: -1,
    max_ack_pending: 1_000,
  };
  const make = (): Promise<unknown> =>
    link.api(`CONSUMER.DURABLE.CREATE.${stream}.${durable}`, { stream_name: stream, config });
  const doer = new Doer(link, durable, handler);
  let taker: Taker | undefined;
  try {
    await retried(link, `work ${durable}`, make, signal);
    taker = new Taker(link, `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, signal);
    while (!signal.aborted) {
      const taken = await taker.next();
      if (link.closed) throw new FlError("FL_CLOSED", { durable });
      if (taken === "missing") await retried(link, `work ${durable}`, make, signal);
      else if (taken !== "nothing") await doer.handle(taken);
    }
  } catch (e) {
    if (!signal.aborted) throw e;
  } finally {
    await Promise.all([taker?.end(), doer.end()]);
  }
}

class Doer {
  readonly #link: Link;
  readonly #durable: string;
  readonly #handler: (message: Stored) => Promise<void>;
  /** the messages done here, oldest first (D5) */
  readonly #done = new Set<string>();
  readonly #acknowledging = new Set<Promise<void>>();

  constructor(link: Link, durable: string, handler: (message: Stored) => Promise<void>) {
    this.#link = link;
    this.#durable = durable;
    this.#handler = handler;
  }

  async handle(msg: Msg): Promise<void> {
    const reply = msg.reply ?? "";
    const { seq, time } = deliveryOf(reply);
    const message = storedOf(msg, seq);
    const mark = `${seq} ${time}`; // a stream that was removed and made again counts from 1 again
    if (!this.#done.has(mark)) {
      const tell = (what: Uint8Array): void => {
        if (!this.#link.closed) this.#link.nc.publish(reply, what);
      };
      const working = setInterval(() => tell(WORKING), WORKING_MS).unref(); // D2
      try {
        await this.#handler(message);
      } catch (err) {
        this.#link.log.warn({ err, durable: this.#durable, seq }, "work was rejected");
        tell(REJECTED); // D3
        return;
      } finally {
        clearInterval(working);
      }
      this.#done.add(mark);
      if (this.#done.size > REMEMBERED) this.#done.delete(this.#done.values().next().value ?? "");
    }
    const acknowledging = this.#acknowledge(reply, seq).finally(() => this.#acknowledging.delete(acknowledging));
    this.#acknowledging.add(acknowledging);
  }

  async end(): Promise<void> {
    await Promise.all(this.#acknowledging);
  }

  /** Twice, should a reconnect come between. A killed server may have forgotten the delivery and then does not answer. */
  async #acknowledge(reply: string, seq: number): Promise<void> {
    for (let tries = 0; tries < 2 && !this.#link.closed; tries++) {
      try {
        await this.#link.mux.request(reply, ACKNOWLEDGED, { timeoutMs: ACK_TIMEOUT_MS });
        return;
      } catch (err) {
        this.#link.log.debug({ err, durable: this.#durable, seq }, "no answer to an acknowledgement");
      }
    }
  }
}

/** Asks for one message at a time, on one inbox. */
class Taker {
  readonly #link: Link;
  readonly #subject: string;
  readonly #signal: AbortSignal;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  #settle: (taken: Msg | "nothing" | "missing") => void = () => {};

  constructor(link: Link, subject: string, signal: AbortSignal) {
    this.#link = link;
    this.#subject = subject;
    this.#signal = signal;
    this.#inbox = createInbox(link.inboxPrefix);
    this.#subscription = link.nc.subscribe(this.#inbox, { callback: (_err, msg) => this.#take(msg) });
    this.#settle = this.#unasked;
  }

  /** What the next message is, or why there is none yet. */
  next(): Promise<Msg | "nothing" | "missing"> {
    const link = this.#link;
    return new Promise((resolve) => {
      const done = (taken: Msg | "nothing" | "missing"): void => {
        this.#settle = this.#unasked;
        clearTimeout(timer);
        forget();
        ended();
        this.#signal.removeEventListener("abort", nothing);
        if (taken === "missing") setTimeout(() => resolve(taken), PAUSE_MS);
        else resolve(taken);
      };
      const nothing = (): void => done("nothing");
      const timer = setTimeout(nothing, PULL_MS + 5_000);
      const forget = link.onReconnect(nothing); // D4
      const ended = link.onClosed(nothing);
      this.#signal.addEventListener("abort", nothing, { once: true });
      this.#settle = done;
      if (link.closed) nothing();
      else if (link.connected)
        link.nc.publish(this.#subject, JSON.stringify({ batch: 1, expires: nanos(PULL_MS) }), { reply: this.#inbox });
    });
  }

  /** Gives back what comes too late to be handled. */
  async end(): Promise<void> {
    if (this.#link.closed) return;
    await this.#link.guard(this.#subscription.drain()).catch(() => {});
  }

  readonly #unasked = (taken: Msg | "nothing" | "missing"): void => {
    if (typeof taken !== "string" && !this.#link.closed) this.#link.nc.publish(taken.reply ?? "", RETURNED);
  };

  #take(msg: Msg): void {
    const code = msg.data.length === 0 ? (msg.headers?.code ?? 0) : 0;
    if (code === 0) this.#settle(msg);
    else if (code === 404 || code === 408) this.#settle("nothing");
    else if (code !== 100) this.#settle("missing"); // nobody serves it, or the consumer is gone
  }
}
