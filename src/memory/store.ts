/** The record plane in memory: it lives as long as its world, whatever happens to the buses. */
import { FlError } from "../errors.ts";
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

  async table(spec: TableSpec): Promise<Table> {
    return getOrAdd(this.#tables, spec, () => new MemoryTable(spec.name, this.#exchange));
  }

  async journal(spec: JournalSpec): Promise<Journal> {
    return getOrAdd(this.#journals, spec, () => new MemoryJournal(spec, this.#exchange, this.#clock));
  }

  async shelf(spec: ShelfSpec): Promise<Shelf> {
    return getOrAdd(this.#shelves, spec, () => new MemoryShelf(this.#exchange));
  }

  async removeJournal(name: string): Promise<void> {
    this.#journals.get(name)?.remove();
    this.#journals.delete(name);
  }
}

function getOrAdd<T>(map: Map<string, T>, { name, existing = false }: TableSpec, make: () => T): T {
  const found = map.get(name);
  if (found !== undefined) return found;
  if (existing) throw new FlError("FL_NOT_FOUND", { reason: `there is no ${name}`, name });
  const made = make();
  map.set(name, made);
  return made;
}
