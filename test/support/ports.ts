/** All that a service is given, over a memory world of its own: a wire per name, and nothing that outlives the test. */
import { systemClock } from "../../src/clock.ts";
import { Counters } from "../../src/counters.ts";
import { silentLog } from "../../src/log.ts";
import type { MemoryBus } from "../../src/memory/bus.ts";
import { type MemoryWorldOptions, memoryWorld } from "../../src/memory/ports.ts";
import type { Bus, Log, Ports, Store } from "../../src/ports.ts";
import { Wire } from "../../src/wire/wire.ts";

export const FED = "test";

export type TestPorts = Ports & { readonly bus: MemoryBus };
export type TestWorld = {
  readonly store: Store;
  ports(name: string): TestPorts;
  /** `wrap` may put something between the wire and the bus */
  wire(name: string, wrap?: (bus: Bus) => Bus): Wire;
};

/** @default options: the system's clock, nothing lost, nothing logged */
export function testWorld(options: MemoryWorldOptions = {}): TestWorld {
  const world = memoryWorld({ log: silentLog, ...options });
  const ports = (name: string): TestPorts => ({
    bus: world.bus(name),
    store: world.store,
    clock: options.clock ?? systemClock,
    log: silentLog,
    counters: new Counters(),
  });
  return {
    store: world.store,
    ports,
    wire: (name, wrap = (bus) => bus) => {
      const own = ports(name);
      return new Wire({ ...own, bus: wrap(own.bus) }, FED);
    },
  };
}

export type Line = { readonly level: string; readonly message: string } & Record<string, unknown>;

/** A log that keeps what it is told. */
export function keptLog(lines: Line[] = [], bindings: Record<string, unknown> = {}): Log & { readonly lines: Line[] } {
  const at =
    (level: string) =>
    (fields: object, message: string): void => {
      lines.push({ ...bindings, ...fields, level, message });
    };
  return {
    lines,
    trace: at("trace"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (more) => keptLog(lines, { ...bindings, ...more }),
  };
}

/** Settles when everything that microtasks and immediate turns can bring about has come about. */
export async function quiet(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}
