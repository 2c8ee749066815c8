/**
 * What every role's process does around its actor: reads its configuration, connects, listens for the ask to leave, tells
 * its parent how it went, and ends.
 *
 * M1 The one argument is a JSON object, checked against the role's schema.
 * M2 SIGTERM and SIGINT ask the actor to leave; a second one, or a parent that died, ends the process at once, and so does
 *    LEAVE_MS later whatever does not let go.
 * M3 Exit status 0: the actor has ended or left. 1: it failed, and the coded error is the last log line and goes to the
 *    parent; or it did not leave in time. 130: it was asked twice.
 */
import { z } from "zod";
import { systemClock } from "../src/clock.ts";
import { Counters } from "../src/counters.ts";
import { asFlError, FlError } from "../src/errors.ts";
import { createLog } from "../src/log.ts";
import { connectNats } from "../src/nats/connect.ts";
import type { Ports } from "../src/ports.ts";
import { parseStrict } from "../src/validate.ts";
import { TOKEN } from "../src/wire/template.ts";
import { Wire } from "../src/wire/wire.ts";
import type { FromChild, FromParent } from "./child/fork.ts";

/** More than its own children are given, less than its parent gives it (actors/child/fork.ts). */
const LEAVE_MS = 5_000;

/** What every role is told. */
export const roleConfig = z.strictObject({
  url: z.string().min(1).describe("address of the NATS server"),
  fed: z.string().regex(TOKEN).describe("the federation's name"),
  name: z.string().regex(TOKEN).describe("the instance's own name"),
  log: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info").describe("log level"),
});
export type RoleConfig = z.infer<typeof roleConfig>;

export type RoleContext<C> = {
  readonly config: C;
  readonly wire: Wire;
  readonly ports: Ports;
  /** aborted when the process is asked to leave */
  readonly stop: AbortSignal;
  /** tells the parent that the role answers now */
  ready(): void;
  /** tells the parent what it waits for before it can answer */
  waiting(reason: FlError): void;
  readonly parent: Parent;
};

/** The process that started this one, if one did. */
export type Parent = { tell(message: FromChild): void; hear(listener: (message: FromParent) => void): void };

/** Runs a role until it ends; its result is told to the parent. */
export function runRole<C extends RoleConfig>(
  schema: z.ZodType<C>,
  role: string,
  run: (context: RoleContext<C>) => Promise<unknown>,
): void {
  const tell = (message: FromChild): void => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {}); // a parent that is gone needs no news
  };
  let log = createLog({ name: role });
  const stop = new AbortController();
  const ask = (): void => {
    if (stop.signal.aborted) process.exit(130); // M2
    stop.abort(new FlError("FL_CLOSED", { reason: "asked to leave" }));
    setTimeout(() => {
      log.error({ afterMs: LEAVE_MS }, "did not leave in time");
      process.exit(1); // M2
    }, LEAVE_MS).unref();
  };
  process.on("SIGTERM", ask);
  process.on("SIGINT", ask);
  process.on("disconnect", () => process.exit(1)); // M2

  const main = async (): Promise<number> => {
    let close = async (): Promise<void> => {};
    try {
      const config = parseStrict(schema, argument(), { code: "FL_USAGE", what: `configuration of ${role}` });
      log = createLog({ name: `${role}.${config.name}`, level: config.log });
      const name = `${role}-${config.name}`.slice(0, 64);
      const nats = await connectNats({ url: config.url, name, log, signal: stop.signal });
      close = () => nats.close();
      const counters = new Counters();
      const ports: Ports = { bus: nats.bus, store: nats.store, clock: systemClock, log, counters };
      const wire = new Wire(ports, config.fed);
      const ready = (): void => tell({ type: "ready" });
      const waiting = (reason: FlError): void => tell({ type: "waiting", error: reason.toJSON() });
      const hear = (listener: (message: FromParent) => void): void => void process.on("message", listener);
      const parent: Parent = { tell, hear };
      const output = await run({ config, wire, ports, stop: stop.signal, ready, waiting, parent });
      const dropped = counters.all();
      log.info(Object.keys(dropped).length > 0 ? { dropped } : {}, "ended");
      // Asked to leave, it has no outcome to tell: whoever asked knows, and a supervisor that did not starts the next one.
      if (!stop.signal.aborted) tell({ type: "output", output });
      return 0;
    } catch (e) {
      const error = asFlError(e);
      if (stop.signal.aborted && error.code === "FL_CLOSED") return 0;
      log.error({ err: error, code: error.code }, "failed");
      tell({ type: "failed", error: error.toJSON() });
      return 1;
    } finally {
      await close().catch(() => {});
    }
  };
  // Whatever a library still holds open must not keep a process whose work is done.
  main().then((status) => {
    process.exitCode = status;
    process.removeAllListeners("disconnect"); // it is us who let go
    if (process.connected) process.disconnect();
    setTimeout(() => process.exit(status), 500).unref();
  });
}

function argument(): unknown {
  try {
    return JSON.parse(process.argv[2] ?? "");
  } catch (e) {
    throw new FlError("FL_USAGE", { reason: "the one argument is a JSON object" }, { cause: e });
  }
}
