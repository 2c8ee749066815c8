/**
 * The role processes of one command, each supervised: one that dies is started again (actors/child/machine.ts).
 *
 * U1 A role that never became ready and fails for good is a mistake in what it was told: `start` throws its error.
 * U2 `stop` resolves when the process and, through it, all below it are gone.
 * U3 What a role logs goes to `<dir>/<role>-<name>.ndjson`, whole lines, appended.
 */
import { createWriteStream, mkdirSync, type WriteStream } from "node:fs";
import { join } from "node:path";
import { fromPromise } from "xstate";
import { forkRole } from "../../actors/child/fork.ts";
import { type ChildInput, type ChildRun, childMachine } from "../../actors/child/machine.ts";
import { systemClock } from "../clock.ts";
import { Counters } from "../counters.ts";
import { asFlError, FlError, fromWire, type WireError } from "../errors.ts";
import { host } from "../host.ts";
import { createLog } from "../log.ts";
import type { Log } from "../ports.ts";

export type ProcessState = "ready" | "waiting" | "restarting" | "failed" | "ended";
export type ProcessNews = {
  readonly role: string;
  readonly name: string;
  readonly state: ProcessState;
  readonly pid: number | null;
  /** why it failed for good, or what keeps it waiting */
  readonly error: FlError | null;
  /** how it ended, when it is started again */
  readonly reason: string | null;
};

export type Supervised = {
  readonly role: string;
  readonly name: string;
  stop(): Promise<void>;
};

export class Processes {
  readonly #dir: string;
  readonly #news: (news: ProcessNews) => void;
  readonly #shared: Record<string, unknown>;
  readonly #logs = new Map<string, WriteStream>();
  readonly #log: Log;

  /** `shared` goes into every role's configuration; logs go into `dir` */
  constructor(dir: string, shared: { url: string; fed: string; log: string }, news: (news: ProcessNews) => void) {
    this.#dir = dir;
    this.#news = news;
    this.#shared = shared;
    mkdirSync(dir, { recursive: true });
    this.#log = createLog({ name: "entente", level: "debug", destination: this.#file("entente") });
  }

  /** Resolves when the role answers (U1). @throws the signal's reason, if it aborts before that */
  async start(role: string, name: string, config: Record<string, unknown>, signal: AbortSignal): Promise<Supervised> {
    signal.throwIfAborted();
    const stop = new AbortController();
    const log = this.#log.child({ role, name });
    const file = this.#file(`${role}-${name}`);
    let running: Promise<unknown> = Promise.resolve();
    let settle = { ready: (): void => {}, failed: (_: FlError): void => {} };
    const ready = new Promise<void>((resolve, reject) => {
      settle = { ready: resolve, failed: reject };
    });
    ready.catch(() => {});
    let tell = (state: ProcessState, more: Partial<ProcessNews> = {}): void =>
      this.#news({ role, name, state, pid: null, error: null, reason: null, ...more });
    let ended: string | undefined;
    let readyPid: number | undefined;
    let waits = false;
    const run = fromPromise<ChildRun, ChildInput>(({ input, signal: end }) => {
      if (ended !== undefined) tell("restarting", { reason: ended });
      const child = forkRole(input, {
        signal: end,
        log,
        onLine: (line) => file.write(`${line}\n`),
        onReady: (pid) => {
          if (pid === readyPid && !waits) return; // an envoy that has found a new Director says it again
          readyPid = pid;
          waits = false;
          tell("ready", { pid });
          settle.ready();
        },
        onWaiting: (pid, error) => {
          waits = true;
          tell("waiting", { pid, error: fromWire(error) });
        },
      });
      running = child.then((how) => {
        if (how.how === "crashed") ended = how.reason;
        else if (how.how === "failed") ended = how.error.message;
      });
      return child;
    });
    const hosted = await host(childMachine.provide({ actors: { run } }), {
      id: `${role}.${name}`,
      input: { role, config: { ...this.#shared, ...config, name } },
      ports: { log, counters: new Counters(), clock: systemClock },
      stop: stop.signal,
      leave: { type: "leave" },
    });
    hosted.done
      .then((output) => {
        const error = output.state === "failed" ? fromWire(output.error as WireError) : null;
        if (output.state !== "left" && readyPid !== undefined) tell(error === null ? "ended" : "failed", { error });
        // one that never was ready is told of by what `start` throws
        settle.failed(error ?? new FlError("FL_CLOSED", { reason: `${role} ${name} ended` }));
      })
      .catch((e) => settle.failed(asFlError(e)));
    const supervised = {
      role,
      name,
      stop: async (): Promise<void> => {
        tell = () => {};
        stop.abort();
        await hosted.done.catch(() => {});
        await running; // U2
      },
    };
    const leave = (): void => settle.failed(signal.reason as FlError);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await ready;
    } catch (e) {
      await supervised.stop();
      throw e;
    } finally {
      signal.removeEventListener("abort", leave);
    }
    return supervised;
  }

  #file(name: string): WriteStream {
    const known = this.#logs.get(name);
    if (known !== undefined) return known;
    const stream = createWriteStream(join(this.#dir, `${name}.ndjson`), { flags: "a" });
    stream.on("error", () => {}); // a log that cannot be written must not end what it tells of
    this.#logs.set(name, stream);
    return stream;
  }
}
