/**
 * A world in memory: one exchange and one store, and any number of named buses on them. What the NATS adapter does with a
 * server, this does within a process, for tests and for simulations that need no other process.
 */
import { systemClock } from "../clock.ts";
import { Counters } from "../counters.ts";
import { createLog } from "../log.ts";
import type { Clock, Log, Ports, Store } from "../ports.ts";
import { MemoryBus } from "./bus.ts";
import { Exchange } from "./exchange.ts";
import { MemoryStore } from "./store.ts";

export type MemoryWorld = {
  readonly store: Store;
  /** A connection of its own to the same world. */
  bus(name: string): MemoryBus;
  /** All that a service is given, with a bus of its own. */
  ports(name: string): Ports & { readonly bus: MemoryBus };
};

export type MemoryWorldOptions = {
  /** request timeouts, duplicate windows and redelivery run on it. @default the system's */
  clock?: Clock | undefined;
  /** @default errors on stderr */
  log?: Log | undefined;
  /** the largest message in bytes. @default 1 MiB, as nats-server has it */
  maxPayload?: number | undefined;
  /** Says which published messages the network loses; journals record them all the same. @default none */
  lose?: ((subject: string) => boolean) | undefined;
};

export function memoryWorld({
  clock = systemClock,
  log = createLog({ level: "error", name: "memory" }),
  maxPayload = 1024 * 1024,
  lose = () => false,
}: MemoryWorldOptions = {}): MemoryWorld {
  const exchange = new Exchange(lose, log);
  const store = new MemoryStore(exchange, clock);
  const bus = (name: string): MemoryBus => new MemoryBus({ name, exchange, clock, maxPayload });
  return {
    store,
    bus,
    ports: (name) => ({ bus: bus(name), store, clock, log: log.child({ bus: name }), counters: new Counters() }),
  };
}
