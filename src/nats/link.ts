/**
 * One connection to a server, as the adapter's parts share it: requests that notice a lost connection, JetStream's API,
 * and writes that take effect once.
 *
 * L1 `connected` is what the last status said; `ready` resolves when it is true and fails once the link is closed.
 * L2 Every write carries an id: a repeated one is answered with the first one's number (the server keeps ids for two
 *    minutes). This is what makes retrying safe.
 * L3 A write that nobody takes is tried again only while its stream exists: after a restart JetStream may be late, but a
 *    removed stream stays away.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type ApiError, JetStreamApiError } from "@nats-io/jetstream";
import {
  headers,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  nuid,
  PermissionViolationError,
} from "@nats-io/transport-node";
import { FlError } from "../errors.ts";
import type { Log } from "../ports.ts";
import { Mux } from "./mux.ts";
import { isTransient, retried } from "./retry.ts";

export const MESSAGE_ID = "Nats-Msg-Id";
const API_TIMEOUT_MS = 5_000;
const STORE_TIMEOUT_MS = 5_000;
const FLUSH_MS = 1_000;
const NOTHING = new Uint8Array(0);

export type Ack = { seq: number; duplicate: boolean };

export type LinkOptions = {
  readonly name: string;
  readonly inboxPrefix: string;
  readonly log: Log;
  readonly confined?: boolean;
};

export class Link {
  readonly nc: NatsConnection;
  readonly name: string;
  readonly log: Log;
  readonly inboxPrefix: string;
  readonly mux: Mux;
  /** the server lets it ask JetStream for next to nothing (connect.ts) */
  readonly confined: boolean;
  readonly #listeners = new Set<() => void>();
  readonly #endings = new Set<() => void>();
  readonly #waiting = new Set<{ resolve: () => void; reject: (e: unknown) => void }>();
  readonly #guarded = new Set<(e: FlError) => void>();
  #connected = true;
  #closed = false;
  #tell: (refusal: FlError | undefined) => void = () => {};
  /** resolves once it is closed for good: why, if the server lets this name in no more */
  readonly over = new Promise<FlError | undefined>((resolve) => {
    this.#tell = resolve;
  });

  constructor(nc: NatsConnection, { name, inboxPrefix, log, confined = false }: LinkOptions) {
    this.nc = nc;
    this.name = name;
    this.log = log;
    this.inboxPrefix = inboxPrefix;
    this.confined = confined;
    this.mux = new Mux(nc, inboxPrefix);
    void this.#follow();
    void nc.closed().then((e) => this.#end(e));
  }

  get connected(): boolean {
    return this.#connected;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** L1 @throws FL_CLOSED, or the signal's reason */
  ready(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.reject(new FlError("FL_CLOSED"));
    if (this.#connected) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.add({ resolve, reject });
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  onClosed(listener: () => void): () => void {
    this.#endings.add(listener);
    return () => void this.#endings.delete(listener);
  }

  /** Fails with FL_TIMEOUT when the connection is lost, instead of when the library gives up. */
  guard<T>(operation: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#guarded.add(reject);
      operation.then(resolve, reject).finally(() => this.#guarded.delete(reject));
    });
  }

  /**
   * One call of JetStream's API, not repeated.
   * @throws JetStreamApiError, and what Mux.request throws
   */
  async api<T>(verb: string, body?: object): Promise<T> {
    const data = body === undefined ? NOTHING : Buffer.from(JSON.stringify(body));
    const answer = await this.mux.request(`$JS.API.${verb}`, data, { timeoutMs: API_TIMEOUT_MS });
    return parseAnswer<T>(answer);
  }

  /**
   * Stores one message (L2), however often it takes.
   * @throws FL_NOT_FOUND if the stream is gone, FL_FENCED if `extra` states a revision that has passed, FL_CLOSED
   */
  async store(
    stream: string,
    subject: string,
    data: Uint8Array,
    { id = nuid.next(), extra }: { id?: string | undefined; extra?: Readonly<Record<string, string>> | undefined } = {},
  ): Promise<Ack> {
    const head = headers();
    head.set(MESSAGE_ID, id);
    for (const [key, value] of Object.entries(extra ?? {})) head.set(key, value);
    return await retried(this, `store ${subject}`, async () => {
      const answer = await this.onStream(stream, subject, data, STORE_TIMEOUT_MS, head);
      const ack = parseAnswer<{ seq: number; duplicate?: boolean }>(answer);
      return { seq: ack.seq, duplicate: ack.duplicate === true };
    });
  }

  /**
   * A request that the server answers for a stream, not repeated. L3: without the stream, its API says so. Servers of 2.9
   * leave a read of a removed stream unanswered, hence also after a timeout.
   */
  async onStream(
    stream: string,
    subject: string,
    data: Uint8Array,
    timeoutMs = STORE_TIMEOUT_MS,
    head?: MsgHdrs,
  ): Promise<Msg> {
    try {
      return await this.mux.request(subject, data, { timeoutMs, headers: head });
    } catch (e) {
      if (isTransient(e) && this.#connected && !this.confined) await this.api(`STREAM.INFO.${stream}`);
      throw e;
    }
  }

  async close(): Promise<void> {
    if (this.#connected && !this.#closed) {
      const flushed = this.guard(this.nc.flush()).catch(() => {}); // what was published leaves
      await Promise.race([flushed, pause(FLUSH_MS, undefined, { ref: false })]);
    }
    await this.nc.close();
    this.#end();
  }

  async #follow(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === "disconnect") this.#lost(status.server);
      else if (status.type === "reconnect") this.#back(status.server);
      else if (status.type === "error") this.#complaint(status.error);
      else if (status.type === "staleConnection") this.log.warn({}, "the server is silent");
    }
  }

  #complaint(e: Error): void {
    if (e instanceof PermissionViolationError && e.operation === "publish") {
      this.log.warn({ subject: e.subject }, "the server does not let us publish there");
      this.mux.denied(e.subject);
    } else this.log.error({ err: e }, "the server complains");
  }

  #lost(server: string): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.log.warn({ server }, "connection lost");
    this.mux.lost();
    for (const reject of [...this.#guarded]) reject(new FlError("FL_TIMEOUT", { reason: "connection lost" }));
  }

  #back(server: string): void {
    this.#connected = true;
    this.log.info({ server }, "connection is back");
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
    this.mux.back();
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (err) {
        this.log.error({ err }, "reconnect listener failed");
      }
    }
  }

  #end(e?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connected = false;
    if (e instanceof Error) this.log.error({ err: e }, "connection closed for good");
    const refused = e instanceof Error && e.name === "AuthorizationError";
    this.#tell(refused ? new FlError("FL_DENIED", { reason: e.message }, { cause: e }) : undefined);
    this.mux.close();
    for (const reject of [...this.#guarded]) reject(new FlError("FL_CLOSED"));
    for (const { reject } of this.#waiting) reject(new FlError("FL_CLOSED"));
    this.#waiting.clear();
    this.#listeners.clear();
    for (const listener of [...this.#endings]) listener();
    this.#endings.clear();
  }
}

/** @throws JetStreamApiError */
function parseAnswer<T>(answer: Msg): T {
  const parsed = answer.json<T & { error?: ApiError }>();
  if (parsed.error !== undefined) throw new JetStreamApiError(parsed.error);
  return parsed;
}
