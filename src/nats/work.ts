/**
 * Work taken from a stream under a durable name, one message at a time per worker.
 *
 * D1 The durable consumer remembers what is done; several workers under one name share what is left.
 * D2 A message is acknowledged when its handler has resolved and not before. While the handler runs the server is told
 *    every WORKING_MS, so that ACK_WAIT_MS only runs out when the worker is gone.
 * D3 A rejected message comes again after RETRY_MS; others are handled meanwhile.
 * D4 After a reconnect the worker asks again at once; what it asked the old connection is void.
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
  let taker: Taker | undefined;
  try {
    await retried(link, `work ${durable}`, make, signal);
    taker = new Taker(link, `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, signal);
    while (!signal.aborted) {
      const taken = await taker.next();
      if (taken === "missing") await retried(link, `work ${durable}`, make, signal);
      else if (taken !== "nothing") await handle(link, options, taken, handler);
    }
  } catch (e) {
    if (!signal.aborted) throw e;
  } finally {
    await taker?.end();
  }
}

async function handle(
  link: Link,
  { stream, durable }: WorkOptions,
  msg: Msg,
  handler: (message: Stored) => Promise<void>,
): Promise<void> {
  const reply = msg.reply ?? "";
  const message = storedOf(msg, deliveryOf(reply).seq);
  const tell = (what: Uint8Array): void => {
    if (!link.closed) link.nc.publish(reply, what);
  };
  const working = setInterval(() => tell(WORKING), WORKING_MS); // D2
  try {
    await handler(message);
  } catch (err) {
    link.log.warn({ err, durable, seq: message.seq }, "work was rejected");
    tell(REJECTED); // D3
    return;
  } finally {
    clearInterval(working);
  }
  try {
    await retried(link, `acknowledge ${durable}`, () => acknowledge(link, stream, durable, reply));
  } catch (err) {
    if (link.closed) throw err;
    link.log.warn({ err, durable, seq: message.seq }, "work could not be acknowledged");
  }
}

/** After a restart nobody takes it for a moment; without the consumer nobody ever will. */
async function acknowledge(link: Link, stream: string, durable: string, reply: string): Promise<void> {
  try {
    await link.mux.request(reply, ACKNOWLEDGED, { timeoutMs: ACK_TIMEOUT_MS });
  } catch (e) {
    if (e instanceof FlError && e.code === "FL_NO_RESPONDER") await link.api(`CONSUMER.INFO.${stream}.${durable}`);
    throw e;
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
