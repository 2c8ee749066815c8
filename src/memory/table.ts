/**
 * A Table in memory.
 *
 * K1 One counter numbers every write of the table, deletions included, as a NATS bucket does.
 * K2 A watcher gets its entries in the order they were written, never inside the writer's call.
 */
import { FlError } from "../errors.ts";
import type { Change, Entry, Table } from "../ports.ts";
import type { Exchange } from "./exchange.ts";
import { matches } from "./subject.ts";

const KEY = /^[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*$/;

type Slot = { value: Uint8Array | undefined; revision: number };

export class MemoryTable implements Table {
  readonly #name: string;
  readonly #exchange: Exchange;
  readonly #slots = new Map<string, Slot>();
  readonly #watchers = new Set<(change: Change) => void>();
  #revision = 0;

  constructor(name: string, exchange: Exchange) {
    this.#name = name;
    this.#exchange = exchange;
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#check(key);
    const slot = this.#slots.get(key);
    await this.#exchange.turn();
    if (slot?.value === undefined) return undefined;
    return { key, value: slot.value.slice(), revision: slot.revision };
  }

  async put(key: string, value: Uint8Array): Promise<number> {
    this.#check(key);
    return this.#write(key, value);
  }

  async create(key: string, value: Uint8Array): Promise<number> {
    this.#check(key);
    if (this.#slots.get(key)?.value !== undefined) {
      await this.#exchange.turn();
      throw new FlError("FL_EXISTS", { table: this.#name, key });
    }
    return this.#write(key, value);
  }

  async update(key: string, value: Uint8Array, revision: number): Promise<number> {
    this.#check(key);
    const current = this.#slots.get(key)?.revision ?? 0;
    if (revision < 1 || current !== revision) {
      await this.#exchange.turn();
      throw new FlError("FL_FENCED", { table: this.#name, key, revision });
    }
    return this.#write(key, value);
  }

  async delete(key: string): Promise<void> {
    this.#check(key);
    await this.#write(key, undefined);
  }

  async entries(filter = ">"): Promise<Entry[]> {
    const found: Entry[] = [];
    for (const [key, { value, revision }] of this.#slots) {
      if (value !== undefined && matches(filter, key)) found.push({ key, value: value.slice(), revision });
    }
    await this.#exchange.turn();
    return found;
  }

  async watch(filter: string, onEntry: (entry: Change) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const deliver = (change: Change): void => {
      const copy = { ...change, value: change.value?.slice() };
      this.#exchange.later(
        () => {
          if (!signal.aborted) onEntry(copy); // K2
        },
        { table: this.#name, key: copy.key },
      );
    };
    const watcher = (change: Change): void => {
      if (matches(filter, change.key)) deliver(change);
    };
    for (const [key, slot] of this.#slots) if (slot.value !== undefined) watcher({ key, ...slot });
    this.#watchers.add(watcher);
    signal.addEventListener("abort", () => this.#watchers.delete(watcher), { once: true });
    await this.#exchange.turn();
  }

  async #write(key: string, value: Uint8Array | undefined): Promise<number> {
    const revision = ++this.#revision; // K1
    const slot = { value: value?.slice(), revision };
    this.#slots.set(key, slot);
    for (const watcher of this.#watchers) watcher({ key, ...slot });
    await this.#exchange.turn();
    return revision;
  }

  #check(key: string): void {
    if (!KEY.test(key)) throw new FlError("FL_SUBJECT_TOKEN", { what: "key", name: key.slice(0, 80) });
  }
}
