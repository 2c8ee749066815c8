/**
 * A Table in a NATS key-value bucket (ADR-8): a stream that keeps the newest message of each subject `$KV.{bucket}.{key}`.
 *
 * K1 A revision is a sequence number of the stream.
 * K2 Compare-and-set is exact over retries. The server recognises a repeated write by its id and answers with the first
 *    one's revision. Where it has forgotten the id and refuses the repetition, the stored value tells: equal bytes are ours.
 * K3 A watch starts with what is present and goes on from the last revision it saw, whatever happened between.
 */
import { PubHeaders } from "@nats-io/jetstream";
import type { Msg } from "@nats-io/transport-node";
import { FlError } from "../errors.ts";
import type { Change, Entry, Table } from "../ports.ts";
import type { Link } from "./link.ts";
import { retried } from "./retry.ts";
import { tail } from "./tail.ts";

const KEY = /^[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*$/;
const OPERATION = "KV-Operation";
const DELETION = { [OPERATION]: "DEL" };
const NOTHING = new Uint8Array(0);

export class NatsTable implements Table {
  readonly #link: Link;
  readonly #bucket: string;
  readonly #stream: string;
  readonly #prefix: string;

  constructor(link: Link, bucket: string) {
    this.#link = link;
    this.#bucket = bucket;
    this.#stream = `KV_${bucket}`;
    this.#prefix = `$KV.${bucket}.`;
  }

  async get(key: string): Promise<Entry | undefined> {
    const newest = await this.#newest(key);
    return newest?.value === undefined ? undefined : { ...newest, value: newest.value };
  }

  async put(key: string, value: Uint8Array): Promise<number> {
    return (await this.#link.store(this.#stream, this.#subject(key), value)).seq;
  }

  async create(key: string, value: Uint8Array): Promise<number> {
    let last = 0;
    for (;;) {
      const revision = await this.#replace(key, value, last);
      if (typeof revision === "number") return revision;
      // a deleted key is still there, as a deletion: it is created by replacing that
      const found = revision.found;
      if (found?.value !== undefined) throw new FlError("FL_EXISTS", { table: this.#bucket, key });
      last = found?.revision ?? 0;
    }
  }

  async update(key: string, value: Uint8Array, revision: number): Promise<number> {
    const fenced = new FlError("FL_FENCED", { table: this.#bucket, key, revision });
    this.#subject(key);
    if (revision < 1) throw fenced;
    const written = await this.#replace(key, value, revision);
    if (typeof written === "number") return written;
    throw fenced;
  }

  async delete(key: string): Promise<void> {
    await this.#link.store(this.#stream, this.#subject(key), NOTHING, { extra: DELETION });
  }

  async entries(filter = ">"): Promise<Entry[]> {
    const found = new Map<string, Entry>();
    const done = new AbortController();
    try {
      await this.watch(
        filter,
        ({ key, value, revision }) => {
          if (value === undefined) found.delete(key);
          else found.set(key, { key, value, revision });
        },
        done.signal,
      );
    } finally {
      done.abort();
    }
    return [...found.values()];
  }

  watch(filter: string, onEntry: (entry: Change) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      // Until the present entries are delivered, deletions of keys that were never shown are not worth telling.
      let shown: Set<string> | undefined = new Set();
      const end = tail(this.#link, {
        stream: this.#stream,
        filter: this.#prefix + filter,
        from: "latest", // K3
        onMessage: (msg, { seq }) => {
          const change = this.#change(msg, seq);
          if (shown !== undefined) {
            if (change.value === undefined && !shown.has(change.key)) return;
            shown.add(change.key);
          }
          onEntry(change);
        },
        onFlow: (more) => more(),
        caughtUp: () => {
          shown = undefined;
          resolve();
        },
        failed: (err) => {
          if (shown !== undefined) reject(err);
          else if (!this.#link.closed) this.#link.log.error({ err, table: this.#bucket }, "watch ended");
        },
      });
      const onAbort = (): void => {
        end();
        resolve();
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** @returns the new revision, or what stands in the way */
  async #replace(key: string, value: Uint8Array, last: number): Promise<number | { found: Change | undefined }> {
    const extra = { [PubHeaders.ExpectedLastSubjectSequenceHdr]: String(last) };
    try {
      return (await this.#link.store(this.#stream, this.#subject(key), value, { extra })).seq;
    } catch (e) {
      if (!(e instanceof FlError) || e.code !== "FL_FENCED") throw e;
      const found = await this.#newest(key);
      const repeated = e.detail.tries !== 1;
      if (repeated && found?.value !== undefined && found.revision > last && equal(found.value, value)) {
        return found.revision; // K2
      }
      return { found };
    }
  }

  /** The newest message of a key, deletions included. One server holds it; a cluster's follower might be behind. */
  #newest(key: string): Promise<Change | undefined> {
    const subject = `$JS.API.DIRECT.GET.${this.#stream}.${this.#subject(key)}`;
    return retried(this.#link, `get ${key}`, async () => {
      const msg = await this.#link.onStream(this.#stream, subject, NOTHING);
      const code = msg.headers?.code ?? 0;
      if (code === 404) return undefined;
      if (code !== 0) throw new FlError("FL_INTERNAL", { reason: msg.headers?.description ?? "", key, status: code });
      return this.#change(msg, Number(msg.headers?.get("Nats-Sequence")), key);
    });
  }

  #change(msg: Msg, revision: number, key = msg.subject.slice(this.#prefix.length)): Change {
    // an expired or purged key carries a marker of its own instead of an operation
    const head = msg.headers;
    const gone = (head?.get(OPERATION) ?? "") !== "" || (head?.has("Nats-Marker-Reason") ?? false);
    return { key, value: gone ? undefined : msg.data, revision };
  }

  #subject(key: string): string {
    if (!KEY.test(key)) throw new FlError("FL_SUBJECT_TOKEN", { what: "key", name: key.slice(0, 80) });
    return this.#prefix + key;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
