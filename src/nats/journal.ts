/**
 * A Journal in a NATS stream.
 *
 * J1 Single messages are read past the consumer machinery, with direct gets.
 * J2 `follow` never runs ahead of its reader: what the server sends is bounded by its flow control, and that is answered
 *    only when the reader has come that far.
 */
import type { StreamInfo } from "@nats-io/jetstream";
import { FlError } from "../errors.ts";
import type { Journal, JournalSpec, Stored } from "../ports.ts";
import { storedOf, typeOf } from "./delivery.ts";
import type { Link } from "./link.ts";
import { retried } from "./retry.ts";
import { tail } from "./tail.ts";
import { work } from "./work.ts";

const NOTHING = new Uint8Array(0);

export class NatsJournal implements Journal {
  readonly #link: Link;
  readonly #stream: string;
  readonly #patterns: readonly RegExp[];

  constructor(link: Link, spec: JournalSpec) {
    this.#link = link;
    this.#stream = spec.name;
    this.#patterns = spec.subjects.map(patternOf);
  }

  async append(
    subject: string,
    data: Uint8Array,
    options?: { id?: string },
  ): Promise<{ seq: number; duplicate: boolean }> {
    // nobody would answer, and that looks like a server that is still starting
    if (!this.#patterns.some((pattern) => pattern.test(subject))) {
      throw new FlError("FL_NOT_FOUND", { reason: "the journal does not record this subject", subject });
    }
    return await this.#link.store(this.#stream, subject, data, { id: options?.id });
  }

  read(seq: number): Promise<Stored | undefined> {
    if (seq < 1) return Promise.resolve(undefined);
    return this.#get(`$JS.API.DIRECT.GET.${this.#stream}`, Buffer.from(JSON.stringify({ seq })));
  }

  last(subject: string): Promise<Stored | undefined> {
    return this.#get(`$JS.API.DIRECT.GET.${this.#stream}.${subject}`, NOTHING);
  }

  follow(options: {
    filter?: string;
    from: number | "new";
    signal: AbortSignal;
  }): AsyncIterable<Stored & { pending: number }> {
    const { from } = options;
    const start = from === "new" ? this.#end(options.signal) : Promise.resolve(Math.max(1, from));
    start.catch(() => {}); // told when it is iterated
    return this.#follow(start, options.filter, options.signal);
  }

  work(options: { durable: string; signal: AbortSignal }, handler: (message: Stored) => Promise<void>): Promise<void> {
    return work(this.#link, { ...options, stream: this.#stream }, handler);
  }

  async purge(filter: string, before?: number): Promise<void> {
    const body = { ...(filter !== ">" && { filter }), ...(before !== undefined && { seq: before }) };
    if (before !== undefined && before <= 1) return; // 0 would mean all of it
    await retried(this.#link, `purge ${this.#stream}`, () => this.#link.api(`STREAM.PURGE.${this.#stream}`, body));
  }

  async erase(seq: number): Promise<void> {
    try {
      await retried(this.#link, `erase ${seq} of ${this.#stream}`, () =>
        this.#link.api(`STREAM.MSG.DELETE.${this.#stream}`, { seq, no_erase: true }),
      );
    } catch (e) {
      // the server has no word of its own for a message that is gone already
      if ((await this.read(seq)) !== undefined) throw e;
    }
  }

  /** The number that the next message will get. */
  async #end(signal: AbortSignal): Promise<number> {
    const ask = (): Promise<StreamInfo> => this.#link.api<StreamInfo>(`STREAM.INFO.${this.#stream}`);
    const info = await retried(this.#link, `read ${this.#stream}`, ask, signal);
    return info.state.last_seq + 1;
  }

  async *#follow(
    start: Promise<number>,
    filter: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Stored & { pending: number }> {
    let queue: ((Stored & { pending: number }) | (() => void))[] = [];
    let at = 0; // a shift would move a long queue each time
    let wake = (): void => {};
    let failure: unknown;
    const from = await start.catch((e: unknown) => {
      if (signal.aborted) return 0;
      throw e;
    });
    if (signal.aborted) return;
    const push = (item: (typeof queue)[number]): void => {
      queue.push(item);
      wake();
    };
    const end = tail(this.#link, {
      stream: this.#stream,
      filter,
      from,
      onMessage: (msg, { seq, pending }) => push({ ...storedOf(msg, seq), pending }),
      onFlow: (more) => push(more), // J2
      caughtUp: () => {},
      failed: (e) => {
        failure = e;
        wake();
      },
    });
    const onAbort = (): void => wake();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      while (!signal.aborted) {
        if (at === queue.length) [queue, at] = [[], 0];
        const item = queue[at++];
        if (typeof item === "function") item();
        else if (item !== undefined) yield item;
        else if (failure !== undefined) throw failure;
        else {
          at = 0;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      end();
      signal.removeEventListener("abort", onAbort);
    }
  }

  #get(subject: string, query: Uint8Array): Promise<Stored | undefined> {
    return retried(this.#link, `get ${this.#stream}`, async () => {
      const msg = await this.#link.onStream(this.#stream, subject, query); // J1
      const head = msg.headers;
      const code = head?.code ?? 0;
      if (code === 404) return undefined;
      if (head === undefined || code !== 0) {
        throw new FlError("FL_INTERNAL", { reason: head?.description ?? "", subject, status: code });
      }
      return {
        seq: Number(head.get("Nats-Sequence")),
        subject: head.get("Nats-Subject"),
        data: msg.data,
        contentType: typeOf(msg),
      };
    });
  }
}

/** A subject pattern as an expression. */
function patternOf(pattern: string): RegExp {
  const tokens = pattern.split(".").map((token) => {
    if (token === "*") return "[^.]+";
    if (token === ">") return ".+";
    return token.replace(/[^A-Za-z0-9_-]/g, "\\$&");
  });
  return new RegExp(`^${tokens.join("\\.")}$`);
}
