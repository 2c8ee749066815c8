/**
 * A bucket whose values are typed and checked. A stored value that does not fit is an error, never a guess.
 *
 * O1 Where the bucket has news, a new value is told on its subject once it is stored. Whoever watches hears it there and
 *    needs no reader of its own in the server; what it misses (a lost connection, a writer that died in between) it finds
 *    by looking, after each reconnect and every LOOK_MS.
 * O2 A watcher sees revisions go up only, whichever way they came.
 */
import { asFlError } from "../errors.ts";
import type { ContentType, Table } from "../ports.ts";
import { decode, encode } from "./codec.ts";
import type { Bucket, Subject } from "./table.ts";
import { type Filling, fill } from "./template.ts";
import type { Wire } from "./wire.ts";

export type Row<T> = { readonly value: T; readonly revision: number };
type Seen<T> = { value: T | undefined; revision: number };
type News<T> = Subject<string, { revision: number; record: T }, never>;

const LOOK_MS = 5_000;

export class Rows<K extends string, T> {
  readonly #wire: Wire;
  readonly #bucket: Bucket<K, T>;
  readonly #table: Table;

  constructor(wire: Wire, bucket: Bucket<K, T>, table: Table) {
    this.#wire = wire;
    this.#bucket = bucket;
    this.#table = table;
  }

  #key(params: Filling<K>): string {
    return fill(this.#bucket.key as K, params);
  }

  #decode(key: string, value: Uint8Array): T {
    const contentType: ContentType = value[0] === 0x7b ? "json" : "msgpack";
    return decode(this.#bucket.schema, value, contentType, `${this.#bucket.name} ${key}`);
  }

  async get(params: Filling<K>): Promise<Row<T> | undefined> {
    const key = this.#key(params);
    const entry = await this.#table.get(key);
    return entry && { value: this.#decode(key, entry.value), revision: entry.revision };
  }

  async put(params: Filling<K>, value: T): Promise<number> {
    return this.#told(params, value, await this.#table.put(this.#key(params), encode(value)));
  }

  /** @throws FL_EXISTS */
  async create(params: Filling<K>, value: T): Promise<number> {
    return this.#told(params, value, await this.#table.create(this.#key(params), encode(value)));
  }

  /** @throws FL_FENCED */
  async update(params: Filling<K>, value: T, revision: number): Promise<number> {
    return this.#told(params, value, await this.#table.update(this.#key(params), encode(value), revision));
  }

  delete(params: Filling<K>): Promise<void> {
    return this.#table.delete(this.#key(params));
  }

  async all(): Promise<Row<T>[]> {
    const entries = await this.#table.entries();
    return entries.map((e) => ({ value: this.#decode(e.key, e.value), revision: e.revision }));
  }

  /** O1 */
  #told(params: Filling<K>, record: T, revision: number): number {
    const { news } = this.#bucket;
    if (news !== null) this.#wire.publish(news, params as Filling<string>, { revision, record });
    return revision;
  }

  /** See Table.watch. A value that does not fit its schema is counted and passed over. */
  watch(params: Filling<K>, onRow: (row: Seen<T>) => void, signal: AbortSignal): Promise<void> {
    const { news } = this.#bucket;
    if (news !== null) return this.#listen(news, params, onRow, signal);
    return this.#table.watch(
      this.#key(params),
      (entry) => {
        let value: T | undefined;
        try {
          value = entry.value && this.#decode(entry.key, entry.value);
        } catch (e) {
          this.#passOver(entry.key, e);
          return;
        }
        onRow({ value, revision: entry.revision });
      },
      signal,
    );
  }

  async #listen(news: News<T>, params: Filling<K>, onRow: (row: Seen<T>) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { bus, clock } = this.#wire.ports;
    let shown = 0;
    let present = false;
    const see = (value: T | undefined, revision: number): void => {
      if (signal.aborted) return;
      shown = revision;
      present = value !== undefined;
      onRow({ value, revision });
    };
    const look = async (): Promise<void> => {
      const before = shown;
      let row: Row<T> | undefined;
      try {
        row = await this.get(params);
      } catch (e) {
        const error = asFlError(e);
        if (error.code !== "FL_MESSAGE_MALFORMED") throw error;
        this.#passOver(this.#key(params), error);
        return;
      }
      if (row !== undefined && row.revision > shown)
        see(row.value, row.revision); // O2
      else if (row === undefined && present && shown === before) see(undefined, shown);
    };
    const lookAgain = (): void => {
      look().catch((err) => this.#wire.ports.log.debug({ err, bucket: this.#bucket.name }, "could not look"));
    };
    let cancel = (): void => {};
    const wait = (): void => {
      cancel = clock.after(LOOK_MS, () => {
        lookAgain();
        wait();
      });
    };
    const ends = [
      this.#wire.on(news, params as Filling<string>, (_, { revision, record }) => {
        if (revision > shown) see(record, revision); // O2
      }),
      bus.onReconnect(lookAgain),
      () => cancel(),
    ];
    const end = (): void => {
      for (const one of ends) one();
    };
    signal.addEventListener("abort", end, { once: true });
    try {
      await look();
    } catch (e) {
      end();
      if (!signal.aborted) throw e;
    }
    if (!signal.aborted) wait();
  }

  #passOver(key: string, e: unknown): void {
    const error = asFlError(e);
    this.#wire.ports.counters.drop(this.#wire.ports.log, error.code, { key, err: error });
  }
}
