/**
 * What is around every role's actor: it reads its configuration, connects, listens for the ask to leave, tells its parent how it
 * went, and ends. A role is a process, or runs in one with others (M4).
 *
 * M1 The one argument is a JSON object, checked against the role's schema.
 * M2 SIGTERM and SIGINT ask the actor to leave; a second one, or a parent that died, ends the process at once, and so does
 *    LEAVE_MS later whatever does not let go.
 * M3 Exit status 0: the actor has ended or left. 1: it failed, and the coded error is the last log line and goes to the
 *    parent; or it did not leave in time. 130: it was asked twice.
 * M4 Its module starts a process's role only if it is what the process was started with; imported by a program, it makes the
 *    role known to `runHere`, which runs it on a world in the program's memory: same role, same machines, other ports. There it
 *    has no process to end and no exit status: what it came to is its ChildRun.
 * M5 Where there is a certificate, it is the role's own, or its parent's for what a role starts: another is refused before
 *    anything is connected.
 */
import { realpathSync } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { systemClock } from "../src/clock.ts";
import { Counters } from "../src/counters.ts";
import { asFlError, FlError } from "../src/errors.ts";
import { createLog } from "../src/log.ts";
import { connectNats } from "../src/nats/connect.ts";
import { checkBearer, loadCredentials, tlsSettings } from "../src/pki/credentials.ts";
import type { MemberKind } from "../src/pki/identity.ts";
import type { Bus, Log, Ports, Store } from "../src/ports.ts";
import { parseStrict } from "../src/validate.ts";
import { TOKEN } from "../src/wire/template.ts";
import { Wire } from "../src/wire/wire.ts";
import type { ForkOptions, FromChild, FromParent } from "./child/fork.ts";
import type { ChildInput, ChildRun } from "./child/machine.ts";

/** More than its own children are given, less than its parent gives it (actors/child/fork.ts). */
const LEAVE_MS = 5_000;

/** What every role is told. */
export const roleConfig = z.strictObject({
  url: z.string().min(1).describe("address of the NATS server"),
  fed: z.string().regex(TOKEN).describe("the federation's name"),
  name: z.string().regex(TOKEN).describe("the instance's own name"),
  log: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info").describe("log level"),
  ...tlsSettings,
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

const own = (config: RoleConfig): string => config.name;
/** Whose certificate a role goes by (M5): a kind, and whether its name is the role's. */
export type Wears<C> = { readonly kinds: readonly MemberKind[]; readonly name: (config: C) => string | undefined };
/** of what the Director's side, an envoy's, or a part runs */
export const wears = {
  director: { kinds: ["director"], name: own },
  directors: { kinds: ["director"], name: () => undefined },
  envoy: { kinds: ["envoy"], name: own },
  part: { kinds: ["part"], name: own },
} as const satisfies Record<string, Wears<RoleConfig>>;

/** The process that started this one, if one did. */
export type Parent = { tell(message: FromChild): void; hear(listener: (message: FromParent) => void): void };

type Role = {
  readonly role: string;
  readonly schema: z.ZodType<RoleConfig>;
  readonly worn: Wears<never>;
  readonly run: (context: RoleContext<never>) => Promise<unknown>;
};

/** by the folder of its module */
const known = new Map<string, Role>();
let loaded: Role | undefined;

/** Runs a role until it ends, if this process is its own (M4); its result is told to the parent. */
export function runRole<C extends RoleConfig>(
  schema: z.ZodType<C>,
  role: string,
  worn: Wears<C>,
  run: (context: RoleContext<C>) => Promise<unknown>,
): void {
  loaded = { role, schema, worn, run };
  if (isOwnProcess()) enter(loaded);
}

/** Whether this process was started with the entrypoint of a role. */
function isOwnProcess(): boolean {
  const script = process.argv[1];
  if (script === undefined) return false;
  let path = script;
  try {
    path = realpathSync(script); // modules are known by their real paths
  } catch {
    // named without its extension
  }
  return /^[a-z-]+\/main(\.[jt]s)?$/.test(
    relative(dirname(fileURLToPath(import.meta.url)), path).replaceAll("\\", "/"),
  );
}

type Connection = { readonly bus: Bus; readonly store: Store; close(): Promise<void> };
type Around = {
  readonly config: unknown;
  readonly stop: AbortSignal;
  readonly log: (config: RoleConfig) => Log;
  readonly connect: (config: RoleConfig, name: string, log: Log) => Promise<Connection>;
  readonly parent: Parent;
  readonly ended: (output: unknown) => void;
};

/** Configuration, connection, and the role itself. @throws whatever it fails with */
async function perform({ role, schema, run }: Role, around: Around): Promise<void> {
  const { stop, parent } = around;
  const config = parseStrict(schema, around.config, { code: "FL_USAGE", what: `configuration of ${role}` });
  const log = around.log(config);
  const { bus, store, close } = await around.connect(config, `${role}-${config.name}`.slice(0, 64), log);
  try {
    const counters = new Counters();
    const ports: Ports = { bus, store, clock: systemClock, log, counters };
    const wire = new Wire(ports, config.fed);
    const ready = (): void => parent.tell({ type: "ready" });
    const waiting = (reason: FlError): void => parent.tell({ type: "waiting", error: reason.toJSON() });
    const output = await run({ config: config as never, wire, ports, stop, ready, waiting, parent });
    const dropped = counters.all();
    log.info(Object.keys(dropped).length > 0 ? { dropped } : {}, "ended");
    around.ended(output);
  } finally {
    await close().catch(() => {});
  }
}

/** A role as a process (M1–M3). */
function enter(role: Role): void {
  const tell = (message: FromChild): void => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {}); // a parent that is gone needs no news
  };
  let log = createLog({ name: role.role });
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

  /** the server lets its name in no more */
  let putOut: FlError | undefined;
  const main = async (): Promise<number> => {
    try {
      await perform(role, {
        config: argument(),
        stop: stop.signal,
        log: ({ name, log: level }) => {
          log = createLog({ name: `${role.role}.${name}`, level });
          return log;
        },
        connect: async (config, name) => {
          const credentials = await loadCredentials(config, Date.now());
          const { kinds, name: bearer } = role.worn;
          if (credentials) checkBearer(credentials, { fed: config.fed, kinds, name: bearer(config as never) }); // M5
          const nats = await connectNats({ url: config.url, name, log, signal: stop.signal, credentials });
          void nats.over.then((refusal) => {
            if (refusal === undefined || stop.signal.aborted) return;
            putOut = refusal;
            ask();
          });
          return nats;
        },
        parent: { tell, hear: (listener) => void process.on("message", listener) },
        // Asked to leave, it has no outcome to tell: whoever asked knows, and a supervisor that did not starts the next one.
        ended: (output) => {
          if (!stop.signal.aborted) tell({ type: "output", output });
        },
      });
      if (putOut !== undefined) throw putOut;
      return 0;
    } catch (e) {
      const error = putOut ?? asFlError(e);
      if (stop.signal.aborted && error.code === "FL_CLOSED") return 0;
      log.error({ err: error, code: error.code }, "failed");
      tell({ type: "failed", error: error.toJSON() });
      return 1;
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

/** A role in this process, with others (M4). Never rejects, as `forkRole` does not. */
export async function runHere({ role: folder, config }: ChildInput, options: ForkOptions): Promise<ChildRun> {
  const stop = new AbortController();
  const leave = (): void => stop.abort(new FlError("FL_CLOSED", { reason: "asked to leave" }));
  const heard = new Set<(message: FromParent) => void>();
  const tell = (message: FromChild): void => {
    if (message.type === "ready") options.onReady?.(process.pid);
    else if (message.type === "waiting") options.onWaiting?.(process.pid, message.error);
    else if (message.type === "settled") options.onSettled?.(message.experiment);
    else if (message.type === "asking") {
      const { experiment } = message.review;
      options.onAsking?.(message.review, (decision) => {
        for (const listener of heard) listener({ type: "decision", experiment, decision });
      });
    }
  };
  let log = options.log;
  let output: unknown;
  if (options.signal.aborted) leave();
  options.signal.addEventListener("abort", leave, { once: true });
  try {
    const { worldAt } = await import("../src/memory/worlds.ts");
    await perform(await roleIn(folder), {
      config,
      stop: stop.signal,
      log: ({ name }) => {
        log = options.log.child({ actor: `${folder}.${name}` });
        return log;
      },
      connect: async ({ url }, name) => {
        const { store, bus } = worldAt(url);
        const own = bus(name);
        return { store, bus: own, close: () => own.close() };
      },
      parent: { tell, hear: (listener) => void heard.add(listener) },
      ended: (came) => {
        output = came;
      },
    });
    return stop.signal.aborted ? { how: "left" } : { how: "output", output };
  } catch (e) {
    const error = asFlError(e);
    if (stop.signal.aborted && error.code === "FL_CLOSED") return { how: "left" };
    log.error({ err: error, code: error.code }, "failed");
    return { how: "failed", error: error.toJSON() };
  } finally {
    options.signal.removeEventListener("abort", leave);
  }
}

/** Its module says what it is as it is loaded, which happens once. */
let loading: Promise<unknown> = Promise.resolve();
function roleIn(folder: string): Promise<Role> {
  const next = loading.then(async () => {
    const found = known.get(folder);
    if (found !== undefined) return found;
    await import(`./${folder}/main.js`);
    known.set(folder, loaded!);
    return loaded!;
  });
  loading = next.catch(() => {});
  return next;
}

function argument(): unknown {
  try {
    return JSON.parse(process.argv[2] ?? "");
  } catch (e) {
    throw new FlError("FL_USAGE", { reason: "the one argument is a JSON object" }, { cause: e });
  }
}
