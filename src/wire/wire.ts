/**
 * The wire as a role sees it: the table's entries with a federation's name filled in, payloads typed and checked.
 *
 * R1 A payload that does not fit its schema never reaches a handler: it is counted, logged, and a request is answered with
 *    the coded error.
 * R2 A handler that throws answers a request with its coded error.
 * R3 Open subjects are answered in the content type they were asked in; an empty request, which a person sends, in JSON.
 * R4 What is published is sent at most once: a bus that does not take it counts as a drop and never throws.
 * R5 What roles publish or append on open subjects is JSON: a person with a plain NATS client reads along.
 * R6 A wire of whoever only reads opens what is there and makes nothing: in a federation that is none it finds that out.
 */
import { asFlError, FlError } from "../errors.ts";
import type { ContentType, Journal, Message, Ports, RequestOptions, Shelf, Table } from "../ports.ts";
import { decode, encode } from "./codec.ts";
import { Rows } from "./rows.ts";
import { type Bucket, type Subject, type shelves, streams } from "./table.ts";
import { type Filling, fill, match, type Params, token, wildcard } from "./template.ts";

export { type Row, Rows } from "./rows.ts";

type Rest<S extends string> = Omit<Filling<S>, "fed">;
export type Answer<R> = R | Promise<R>;

export class Wire {
  readonly ports: Ports;
  readonly fed: string;
  /** R6 */
  readonly #existing: boolean;
  readonly #tables = new Map<string, Promise<Table>>();
  readonly #journals = new Map<string, Promise<Journal>>();

  /** @throws FL_SUBJECT_TOKEN if the federation's name is not one token */
  constructor(ports: Ports, fed: string, { existing = false }: { existing?: boolean } = {}) {
    this.ports = ports;
    this.fed = token(fed, "federation");
    this.#existing = existing;
  }

  subject<S extends string>(s: { readonly pattern: S }, params: Rest<S>): string {
    return fill(s.pattern, { ...params, fed: this.fed } as unknown as Filling<S>);
  }

  wildcard<S extends string>(s: { readonly pattern: S }, params: Partial<Rest<S>>): string {
    return wildcard(s.pattern, { ...params, fed: this.fed } as unknown as Partial<Filling<S>>);
  }

  publish<S extends string, T>(s: Subject<S, T, never>, params: Rest<S>, payload: T): void {
    const subject = this.subject(s, params);
    try {
      this.ports.bus.publish(subject, ...said(s, payload));
    } catch (e) {
      const err = asFlError(e);
      this.ports.counters.drop(this.ports.log, err.code, { subject, err }); // R4
    }
  }

  async request<S extends string, T, R>(
    s: Subject<S, T, R>,
    params: Rest<S>,
    payload: T,
    options: RequestOptions,
  ): Promise<R> {
    const subject = this.subject(s, params);
    const answer = await this.ports.bus.request(subject, encode(payload), options);
    if (s.reply === "frame") return answer.data as R;
    return decode(s.reply!, answer.data, answer.contentType, subject);
  }

  /** Publishes into a stream; resolves when it is stored. */
  async append<S extends string, T>(
    s: Subject<S, T, never>,
    journal: Journal,
    params: Rest<S>,
    payload: T,
    id: string,
  ): Promise<number> {
    const [data] = said(s, payload); // JSON needs no announcing: src/content-type.ts
    return (await journal.append(this.subject(s, params), data, { id })).seq;
  }

  /** Handles what is published on a subject. Returns what ends it. */
  on<S extends string, T>(
    s: Subject<S, T, never>,
    params: Partial<Rest<S>>,
    handler: (params: Record<Params<S>, string>, payload: T) => void,
  ): () => void {
    return this.ports.bus.subscribe(this.wildcard(s, params), (message) => {
      try {
        handler(this.#params(s, message), decode(s.schema, message.data, message.contentType, message.subject));
      } catch (e) {
        this.#refuse(message, asFlError(e));
      }
    });
  }

  /**
   * Answers requests. `refusal` turns an error into the reply's own form (R1, R2); it is told who asked, unless the subject
   * itself was wrong. Returns what ends it.
   */
  serve<S extends string, T, R>(
    s: Subject<S, T, R>,
    params: Partial<Rest<S>>,
    handler: (params: Record<Params<S>, string>, payload: T, message: Message) => Answer<NoInfer<R>>,
    refusal: (error: FlError, params: Record<Params<S>, string> | undefined) => NoInfer<R>,
  ): () => void {
    const answer = (message: Message, value: R): void => {
      if (s.reply === "frame") {
        message.respond(value as Uint8Array);
        return;
      }
      const asked = message.data.length === 0 ? "json" : message.contentType;
      const contentType = s.open ? asked : "msgpack"; // R3
      message.respond(encode(value, contentType), contentType);
    };
    return this.ports.bus.subscribe(this.wildcard(s, params), (message) => {
      const refuse = (e: unknown): void => {
        const error = asFlError(e);
        this.#refuse(message, error);
        try {
          answer(message, refusal(error, match(s.pattern, message.subject)));
        } catch (again) {
          this.#refuse(message, asFlError(again)); // the bus is gone, say: nobody is left to be told
        }
      };
      try {
        // An empty request stands for an empty map: a bare `nats request` is enough for the queries without arguments.
        const empty = message.data.length === 0;
        const payload = empty
          ? decode(s.schema, encode({}), "msgpack", message.subject)
          : decode(s.schema, message.data, message.contentType, message.subject);
        const value = handler(this.#params(s, message), payload, message);
        if (value instanceof Promise) value.then((v) => answer(message, v)).catch(refuse);
        else answer(message, value);
      } catch (e) {
        refuse(e);
      }
    });
  }

  #params<S extends string>(s: { readonly pattern: S }, message: Message): Record<Params<S>, string> {
    const params = match(s.pattern, message.subject);
    if (params === undefined) throw asFlError(new Error(message.subject), "FL_SUBJECT_TOKEN");
    return params;
  }

  #refuse(message: Message, error: FlError): void {
    this.ports.counters.drop(this.ports.log, error.code, { subject: message.subject, err: error });
  }

  async table<K extends string, T>(bucket: Bucket<K, T>): Promise<Rows<K, T>> {
    const name = fill(bucket.name, { fed: this.fed });
    const open = () => this.#open(`federation ${this.fed}`, (existing) => this.ports.store.table({ name, existing }));
    return new Rows(this, bucket, await cached(this.#tables, name, open));
  }

  journal(which: "submissions" | "uploads" | "metrics" | "events"): Promise<Journal>;
  journal(which: "model", exp: string): Promise<Journal>;
  journal(which: keyof typeof streams, exp = ""): Promise<Journal> {
    const name = this.journalName(which, exp);
    const params = which === "model" ? { fed: this.fed, exp } : { fed: this.fed };
    const subjects = streams[which].subjects.map((p) => wildcard(p as string, params as never));
    const what = which === "model" ? `model of ${exp}` : `federation ${this.fed}`;
    const newest = "newest" in streams[which];
    return cached(this.#journals, name, () =>
      this.#open(what, (existing) => this.ports.store.journal({ name, subjects, newest, existing })),
    );
  }

  journalName(which: keyof typeof streams, exp = ""): string {
    return fill(streams[which].name as string, { fed: this.fed, exp: exp || "none" } as never);
  }

  shelf(which: (typeof shelves)[keyof typeof shelves]): Promise<Shelf> {
    const name = fill(which.name, { fed: this.fed });
    return this.#open(`federation ${this.fed}`, (existing) => this.ports.store.shelf({ name, existing }));
  }

  /** `what` is missing if this part of it is. @throws FL_NOT_FOUND (R6) */
  async #open<T>(what: string, open: (existing: boolean) => Promise<T>): Promise<T> {
    try {
      return await open(this.#existing);
    } catch (e) {
      if (!this.#existing || asFlError(e).code !== "FL_NOT_FOUND") throw e;
      const hint = "check --fed and --nats; a federation is there once its Director has started";
      throw new FlError("FL_NOT_FOUND", { reason: `there is no ${what} on this server`, hint });
    }
  }
}

/** R5 */
function said(s: { readonly open: boolean }, payload: unknown): [Uint8Array, ContentType] {
  const contentType = s.open ? "json" : "msgpack";
  return [encode(payload, contentType), contentType];
}

function cached<T>(cache: Map<string, Promise<T>>, key: string, open: () => Promise<T>): Promise<T> {
  let opening = cache.get(key);
  if (opening === undefined) {
    opening = open();
    opening.catch(() => cache.delete(key));
    cache.set(key, opening);
  }
  return opening;
}
