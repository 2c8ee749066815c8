/**
 * What the runtime asks of the world, in its own words. Adapters (src/nats, src/memory) fulfil it; nothing above them
 * knows which one it talks to. Everything here carries bytes: meaning is added by src/wire.
 *
 * P1 Both adapters pass the same contract suites (test/contract).
 * P2 Every rejection is an FlError with a code named at the method.
 * P3 Writes (put, create, update, append, Shelf.put) are retried by the adapter over a reconnect and take effect once:
 *    a caller that gets an answer can rely on it, whatever happened to the connection meanwhile.
 * P4 A reader that waits (watch, follow, work) survives reconnects by itself and misses nothing that was stored.
 */

import type { Counters } from "./counters.ts";

export type ContentType = "msgpack" | "json";

/** A message as it arrived. `data` may be a view into the network buffer: copy what must outlive the handler. */
export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly contentType: ContentType;
  /** true if the sender waits for an answer */
  readonly wantsReply: boolean;
  /** Answers the sender; no-op if it does not wait. May be called after the handler returned. */
  respond(data: Uint8Array, contentType?: ContentType): void;
}

export interface Bus {
  /** the name this connection goes by, for logs */
  readonly name: string;
  /** At most once, in order per subject. */
  publish(subject: string, data: Uint8Array, contentType?: ContentType): void;
  /**
   * One answer from one responder.
   * @throws FL_NO_RESPONDER at once if nobody serves the subject, FL_TIMEOUT, FL_CLOSED, or the signal's reason
   */
  request(
    subject: string,
    data: Uint8Array,
    options: RequestOptions,
  ): Promise<{ data: Uint8Array; contentType: ContentType }>;
  /** `subject` may hold wildcards. Members of one `queue` share the messages. Returns what ends it. */
  subscribe(subject: string, handler: (message: Message) => void, options?: { queue?: string }): () => void;
  /** Resolves when the server has seen everything published and subscribed so far. */
  flush(): Promise<void>;
  /** After a lost connection came back: core messages may have been missed. Returns what ends it. */
  onReconnect(listener: () => void): () => void;
  /** The largest message the server takes, in bytes. */
  readonly maxPayload: number;
  close(): Promise<void>;
}
export type RequestOptions = { timeoutMs: number; signal?: AbortSignal | undefined; contentType?: ContentType };

/** A bucket of keys with revisions. */
export interface Table {
  get(key: string): Promise<Entry | undefined>;
  /** @returns the new revision */
  put(key: string, value: Uint8Array): Promise<number>;
  /** @throws FL_EXISTS */
  create(key: string, value: Uint8Array): Promise<number>;
  /** @throws FL_FENCED if the key's revision is not `revision` any more */
  update(key: string, value: Uint8Array, revision: number): Promise<number>;
  delete(key: string): Promise<void>;
  /** All present entries whose key matches (`*` one token, `>` the rest), in no order. */
  entries(filter?: string): Promise<Entry[]>;
  /**
   * Calls `onEntry` for the present entries that match, then for every change (deletions with `value: undefined`), until
   * the signal aborts. Resolves when the present entries have been delivered. Intermediate values may be skipped, the
   * latest never is; the same revision may come twice.
   */
  watch(filter: string, onEntry: (entry: Change) => void, signal: AbortSignal): Promise<void>;
}
export type Entry = { readonly key: string; readonly value: Uint8Array; readonly revision: number };
export type Change = { readonly key: string; readonly value: Uint8Array | undefined; readonly revision: number };

/** A stream: messages in order, each with a sequence number that is never used again. */
export interface Journal {
  /**
   * Stores, then answers. A repeated `id` within two minutes is stored once.
   * Subscribers of the subject on the Bus get it too: that is how a model reaches all with one publish.
   */
  append(subject: string, data: Uint8Array, options?: { id?: string }): Promise<{ seq: number; duplicate: boolean }>;
  read(seq: number): Promise<Stored | undefined>;
  /** The newest message on exactly this subject. */
  last(subject: string): Promise<Stored | undefined>;
  /**
   * Every matching message once and in order, from a sequence number, from the start (0) or from now ("new"), until the
   * signal aborts (then it ends without an error). `pending` counts what is stored after this one: 0 = caught up.
   */
  follow(options: {
    filter?: string;
    from: number | "new";
    signal: AbortSignal;
  }): AsyncIterable<Stored & { pending: number }>;
  /**
   * Work shared under a durable name: `handler` gets each matching message at least once; what it resolves for is
   * acknowledged, what it rejects comes again later. Resolves when the signal aborts and the running handler is done.
   */
  work(options: { durable: string; signal: AbortSignal }, handler: (message: Stored) => Promise<void>): Promise<void>;
  /** Removes messages on matching subjects, up to but not including `before` when given. */
  purge(filter: string, before?: number): Promise<void>;
  /** Removes one message; no-op if it is gone. It comes to no worker any more. */
  erase(seq: number): Promise<void>;
}
export type Stored = {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly contentType: ContentType;
};

/** An object store: named byte strings of any size, with their SHA-256. */
export interface Shelf {
  /** Replaces what was there. @returns SHA-256, hexadecimal */
  put(name: string, data: Uint8Array): Promise<string>;
  /** @throws FL_DIGEST_MISMATCH if what is stored is damaged */
  get(name: string): Promise<Uint8Array | undefined>;
  delete(name: string): Promise<void>;
  list(): Promise<{ name: string; bytes: number; digest: string }[]>;
}

/**
 * Opens the record plane's parts, creating what is missing. Opening twice gives the same thing.
 * What is opened as `existing` is there already, or it is FL_NOT_FOUND: whoever only reads makes nothing.
 */
export interface Store {
  table(spec: TableSpec): Promise<Table>;
  journal(spec: JournalSpec): Promise<Journal>;
  shelf(spec: ShelfSpec): Promise<Shelf>;
  /** Removes a journal and all it holds; no-op if absent. */
  removeJournal(name: string): Promise<void>;
}
export type TableSpec = { readonly name: string; readonly existing?: boolean };
export type JournalSpec = {
  readonly name: string;
  readonly subjects: readonly string[];
  /** of each subject only the newest message is kept */
  readonly newest?: boolean;
  readonly existing?: boolean;
};
export type ShelfSpec = { readonly name: string; readonly existing?: boolean };

/** Time as the runtime sees it; machines get theirs from XState's own clock. */
export interface Clock {
  /** milliseconds since the epoch */
  now(): number;
  /** Returns what cancels it. */
  after(ms: number, call: () => void): () => void;
}

/** The part of pino that the runtime uses: object first, then a constant lower-case phrase. */
export interface Log {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(bindings: Record<string, unknown>): Log;
}

/** What every service is given. */
export interface Ports {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
}
