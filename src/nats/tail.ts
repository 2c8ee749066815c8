/**
 * Reading a stream as it grows: an ephemeral push consumer that is made anew whenever it may be gone.
 *
 * F1 Messages come in the order of the stream, each once: a new consumer starts behind the last one delivered.
 * F2 It is made anew at once when the connection is back (a restarted server has forgotten it), when a number is missing,
 *    and when the server has not even sent a heartbeat for a while.
 * F3 `caughtUp` is called once, when what was stored at the beginning has been delivered.
 * F4 The server sends no more than was asked for: `onFlow` gets what asks for more, and calls it when it has room.
 */
import { AckPolicy, type ConsumerConfig, type ConsumerInfo, DeliverPolicy } from "@nats-io/jetstream";
import { createInbox, type Msg, nanos, type Subscription } from "@nats-io/transport-node";
import { FlError } from "../errors.ts";
import { type Delivered, deliveryOf } from "./delivery.ts";
import type { Link } from "./link.ts";
import { retried } from "./retry.ts";

const HEARTBEAT_MS = 2_000;
const SILENCE_MS = 3 * HEARTBEAT_MS;

export type TailOptions = {
  readonly stream: string;
  readonly filter: string | undefined;
  /** a sequence number, or the newest message of each subject and then all that follow */
  readonly from: number | "latest";
  readonly onMessage: (msg: Msg, delivered: Delivered) => void;
  readonly onFlow: (more: () => void) => void;
  readonly caughtUp: () => void;
  /** it cannot go on: the stream or the connection is gone */
  readonly failed: (e: unknown) => void;
};

/** Returns what ends it. */
export function tail(link: Link, options: TailOptions): () => void {
  const reading = new Tail(link, options);
  return () => reading.end();
}

class Tail {
  readonly #link: Link;
  readonly #options: TailOptions;
  readonly #forget: readonly (() => void)[];
  readonly #watchdog: NodeJS.Timeout;
  #next: number | "latest";
  #subscription: Subscription | undefined;
  /** what the consumer in use numbers its next message */
  #expected = 1;
  #heard = Date.now();
  #behind = true;
  /** counts the openings: what an overtaken one still brings is ignored */
  #opening = 0;
  #ended = false;

  constructor(link: Link, options: TailOptions) {
    this.#link = link;
    this.#options = options;
    this.#next = options.from;
    this.#forget = [
      link.onReconnect(() => void this.#open("reconnected")),
      link.onClosed(() => this.#fail(new FlError("FL_CLOSED"))),
    ];
    this.#watchdog = setInterval(() => {
      if (link.connected && Date.now() - this.#heard > SILENCE_MS) void this.#open("silence");
    }, HEARTBEAT_MS).unref();
    void this.#open("start");
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#watchdog);
    for (const forget of this.#forget) forget();
    this.#subscription?.unsubscribe(); // without interest the server forgets the consumer
  }

  async #open(why: "start" | "reconnected" | "silence" | "gap"): Promise<void> {
    if (this.#ended) return;
    if (why !== "start") this.#link.log.debug({ stream: this.#options.stream, next: this.#next, why }, "reading anew");
    const opening = ++this.#opening;
    this.#heard = Date.now();
    this.#subscription?.unsubscribe();
    try {
      const info = await retried(this.#link, `read ${this.#options.stream}`, async () => {
        if (this.#ended || opening !== this.#opening) return undefined;
        // each try has an inbox of its own: an earlier one may have made a consumer without our hearing of it
        const inbox = this.#subscribe(opening);
        return await this.#link.api<ConsumerInfo>(`CONSUMER.CREATE.${this.#options.stream}`, {
          stream_name: this.#options.stream,
          config: this.#config(inbox),
        });
      });
      if (info === undefined || opening !== this.#opening) return;
      if (info.num_pending === 0 && info.delivered.consumer_seq === 0) this.#reached();
    } catch (e) {
      if (opening === this.#opening) this.#fail(e);
    }
  }

  #subscribe(opening: number): string {
    this.#subscription?.unsubscribe();
    this.#expected = 1;
    const inbox = createInbox(this.#link.inboxPrefix);
    this.#subscription = this.#link.nc.subscribe(inbox, {
      callback: (err, msg) => {
        if (this.#ended || opening !== this.#opening) return;
        this.#heard = Date.now();
        try {
          if (err !== null) throw err;
          if (msg.data.length === 0 && msg.headers?.code === 100) this.#control(msg);
          else this.#take(msg);
        } catch (e) {
          this.#link.log.error({ err: e, stream: this.#options.stream }, "stream reader failed");
        }
      },
    });
    return inbox;
  }

  #take(msg: Msg): void {
    const delivered = deliveryOf(msg.reply ?? "");
    if (delivered.consumerSeq !== this.#expected) {
      void this.#open("gap"); // F2
      return;
    }
    this.#expected++;
    this.#next = delivered.seq + 1; // F1
    try {
      this.#options.onMessage(msg, delivered);
    } finally {
      if (delivered.pending === 0) this.#reached();
    }
  }

  /** Heartbeats and requests for flow control. */
  #control(msg: Msg): void {
    const head = msg.headers!;
    if ((msg.reply ?? "") !== "") {
      const reply = msg.reply!;
      this.#options.onFlow(() => this.#more(reply)); // F4
      return;
    }
    const stalled = head.get("Nats-Consumer-Stalled");
    if (stalled !== "") {
      this.#options.onFlow(() => this.#more(stalled));
      return;
    }
    const last = head.get("Nats-Last-Consumer");
    if (last !== "" && Number(last) !== this.#expected - 1) void this.#open("gap");
    else this.#reached(); // the server is idle: nothing is left to deliver
  }

  #more(reply: string): void {
    if (!this.#ended && !this.#link.closed) this.#link.nc.publish(reply);
  }

  #reached(): void {
    if (!this.#behind) return;
    this.#behind = false;
    this.#options.caughtUp(); // F3
  }

  #fail(e: unknown): void {
    if (this.#ended) return;
    this.end();
    this.#options.failed(e);
  }

  #config(inbox: string): Partial<ConsumerConfig> {
    return {
      deliver_subject: inbox,
      ack_policy: AckPolicy.None,
      flow_control: true,
      idle_heartbeat: nanos(HEARTBEAT_MS),
      mem_storage: true,
      num_replicas: 1,
      ...(this.#next === "latest"
        ? { deliver_policy: DeliverPolicy.LastPerSubject }
        : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, this.#next) }),
      // last-per-subject needs a filter; the bucket's own subject space serves when none was asked for
      ...(this.#options.filter !== undefined && { filter_subject: this.#options.filter }),
    };
  }
}
