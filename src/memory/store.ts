/** The record plane in memory: it lives as long as its world, whatever happens to the buses. */
import type { Clock, Journal, JournalSpec, Shelf, ShelfSpec, Store, Table, TableSpec } from "../ports.ts";
import type { Exchange } from "./exchange.ts";
import { MemoryJournal } from "./journal.ts";
import { MemoryShelf } from "./shelf.ts";
import { MemoryTable } from "./table.ts";

export class MemoryStore implements Store {
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #tables = new Map<string, MemoryTable>();
  readonly #journals = new Map<string, MemoryJournal>();
  readonly #shelves = new Map<string, MemoryShelf>();

  constructor(exchange: Exchange, clock: Clock) {
    this.#exchange = exchange;
    this.#clock = clock;
  }

  async table({ name }: TableSpec): Promise<Table> {
    return getOrAdd(this.#tables, name, () => new MemoryTable(name, this.#exchange));
  }

  async journal(spec: JournalSpec): Promise<Journal> {
    return getOrAdd(this.#journals, spec.name, () => new MemoryJournal(spec, this.#exchange, this.#clock));
  }

  async shelf({ name }: ShelfSpec): Promise<Shelf> {
    return getOrAdd(this.#shelves, name, () => new MemoryShelf(this.#exchange));
  }

  async removeJournal(name: string): Promise<void> {
    this.#journals.get(name)?.remove();
    this.#journals.delete(name);
  }
}

function getOrAdd<T>(map: Map<string, T>, name: string, make: () => T): T {
  const found = map.get(name);
  if (found !== undefined) return found;
  const made = make();
  map.set(name, made);
  return made;
}
