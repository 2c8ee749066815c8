/**
 * The record plane on JetStream: opens buckets, streams and object stores, making what is missing.
 *
 * V1 Opening is making: the server answers a repeated request with what is there. What somebody has set up otherwise (more
 *    replicas, limits) is left as it is; only subjects that a stream lacks are added.
 * V2 Buckets and object stores are made by the NATS libraries, so that every NATS client finds what it expects.
 * V3 Whoever is confined (connect.ts) opens nothing: it uses what the Director's side has made.
 */
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  jetstream,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { nanos } from "@nats-io/transport-node";
import { FlError } from "../errors.ts";
import type { Journal, JournalSpec, Shelf, ShelfSpec, Store, Table, TableSpec } from "../ports.ts";
import { NatsJournal } from "./journal.ts";
import type { Link } from "./link.ts";
import { retried } from "./retry.ts";
import { NatsShelf } from "./shelf.ts";
import { NatsTable } from "./table.ts";

const OPEN_TIMEOUT_MS = 5_000;
const DUPLICATE_WINDOW_MS = 120_000;
/** the server's word for: there is such a stream, with other settings */
const STREAM_NAME_IN_USE = 10058;

export class NatsStore implements Store {
  readonly #link: Link;
  readonly #js: JetStreamClient;

  constructor(link: Link) {
    this.#link = link;
    this.#js = jetstream(link.nc, { timeout: OPEN_TIMEOUT_MS });
  }

  async table({ name, existing = false }: TableSpec): Promise<Table> {
    const table = new NatsTable(this.#link, name);
    if (this.#link.confined) return table; // V3
    if (existing) return this.#existing(`KV_${name}`, table);
    const settings = { history: 1, replicas: 1, storage: StorageType.File, allow_direct: true };
    await this.#open(`bucket ${name}`, () => new Kvm(this.#js).create(name, settings));
    return table;
  }

  async journal(spec: JournalSpec): Promise<Journal> {
    const journal = new NatsJournal(this.#link, spec);
    if (this.#link.confined) return journal; // V3
    if (spec.existing) return this.#existing(spec.name, journal);
    const config: Partial<StreamConfig> = {
      name: spec.name,
      subjects: [...spec.subjects],
      storage: StorageType.File,
      num_replicas: 1,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      max_msgs: -1,
      max_bytes: -1,
      max_msg_size: -1,
      max_consumers: -1,
      max_msgs_per_subject: spec.newest ? 1 : -1,
      duplicate_window: nanos(DUPLICATE_WINDOW_MS),
      allow_direct: true,
    };
    await retried(this.#link, `open stream ${spec.name}`, async () => {
      try {
        await this.#link.api(`STREAM.CREATE.${spec.name}`, config);
      } catch (e) {
        if (!(e instanceof JetStreamApiError && e.code === STREAM_NAME_IN_USE)) throw e;
        const found = (await this.#link.api<StreamInfo>(`STREAM.INFO.${spec.name}`)).config; // V1
        const subjects = [...new Set([...found.subjects, ...spec.subjects])];
        if (subjects.length === found.subjects.length) return;
        await this.#link.api(`STREAM.UPDATE.${spec.name}`, { ...found, subjects });
      }
    });
    return journal;
  }

  async shelf({ name, existing = false }: ShelfSpec): Promise<Shelf> {
    const shelf = new NatsShelf(this.#link, name);
    if (existing) return this.#existing(`OBJ_${name}`, shelf);
    const settings = { replicas: 1, storage: StorageType.File };
    await this.#open(`object store ${name}`, () => new Objm(this.#js).create(name, settings));
    return shelf;
  }

  async removeJournal(name: string): Promise<void> {
    try {
      await retried(this.#link, `remove ${name}`, () => this.#link.api(`STREAM.DELETE.${name}`));
    } catch (e) {
      if (!(e instanceof FlError && e.code === "FL_NOT_FOUND")) throw e;
    }
  }

  /** @throws FL_NOT_FOUND */
  async #existing<T>(stream: string, part: T): Promise<T> {
    await retried(this.#link, `look for ${stream}`, () => this.#link.api(`STREAM.INFO.${stream}`));
    return part;
  }

  #open(what: string, make: () => Promise<unknown>): Promise<unknown> {
    return retried(this.#link, `open ${what}`, () => this.#link.guard(make()));
  }
}
