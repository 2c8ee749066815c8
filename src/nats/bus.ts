/**
 * The Bus on core NATS.
 *
 * B1 What a handler throws is logged and ends nothing: nats.js would stop reading the socket.
 * B2 A message that carries an id is a record on its way into a stream: its sender waits for the stream's
 *    acknowledgement, so a subscriber that sees it pass by must not answer.
 * B3 `data` is a view into the network buffer.
 */
import { headers, type Msg } from "@nats-io/transport-node";
import { FlError } from "../errors.ts";
import type { Bus, ContentType, Message, RequestOptions } from "../ports.ts";
import { typeOf } from "./delivery.ts";
import { type Link, MESSAGE_ID } from "./link.ts";
import { asPublishError } from "./mux.ts";
import { retried } from "./retry.ts";

const json = headers();
json.set("content-type", "application/json");
const withJson = { headers: json };

export class NatsBus implements Bus {
  readonly name: string;
  readonly maxPayload: number;
  readonly #link: Link;

  constructor(link: Link) {
    this.name = link.name;
    this.maxPayload = link.nc.info?.max_payload ?? 1024 * 1024;
    this.#link = link;
  }

  publish(subject: string, data: Uint8Array, contentType?: ContentType): void {
    try {
      this.#link.nc.publish(subject, data, contentType === "json" ? withJson : undefined);
    } catch (e) {
      throw asPublishError(e, subject);
    }
  }

  async request(
    subject: string,
    data: Uint8Array,
    { timeoutMs, signal, contentType }: RequestOptions,
  ): Promise<{ data: Uint8Array; contentType: ContentType }> {
    const head = contentType === "json" ? json : undefined;
    const answer = await this.#link.mux.request(subject, data, { timeoutMs, signal, headers: head });
    return { data: answer.data, contentType: typeOf(answer) };
  }

  subscribe(subject: string, handler: (message: Message) => void, options?: { queue?: string }): () => void {
    if (this.#link.closed) throw new FlError("FL_CLOSED", { subject });
    const queue = options?.queue;
    const subscription = this.#link.nc.subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (err, msg) => {
        try {
          if (err !== null) throw err;
          handler(new NatsMessage(msg, this.#link));
        } catch (e) {
          this.#link.log.error({ err: e, subject: err === null ? msg.subject : subject }, "message handler failed"); // B1
        }
      },
    });
    return () => subscription.unsubscribe();
  }

  flush(): Promise<void> {
    return retried(this.#link, "flush", () => this.#link.guard(this.#link.nc.flush()));
  }

  onReconnect(listener: () => void): () => void {
    return this.#link.onReconnect(listener);
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}

class NatsMessage implements Message {
  readonly #msg: Msg;
  readonly #link: Link;

  constructor(msg: Msg, link: Link) {
    this.#msg = msg;
    this.#link = link;
  }

  get subject(): string {
    return this.#msg.subject;
  }

  get data(): Uint8Array {
    return this.#msg.data;
  }

  get contentType(): ContentType {
    return typeOf(this.#msg);
  }

  get wantsReply(): boolean {
    return (this.#msg.reply ?? "") !== "" && !this.#msg.headers?.has(MESSAGE_ID); // B2
  }

  respond(data: Uint8Array, contentType?: ContentType): void {
    if (!this.wantsReply || this.#link.closed) return;
    try {
      this.#link.nc.publish(this.#msg.reply!, data, contentType === "json" ? withJson : undefined);
    } catch (e) {
      const error = asPublishError(e, this.#msg.subject);
      if (error.code !== "FL_CLOSED") throw error; // closed between: the sender learns it from its own side
    }
  }
}
