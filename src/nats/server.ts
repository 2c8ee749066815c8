/**
 * One nats-server as a child of this process.
 *
 * Owns its directory (configuration, log, store, lock), its start, its end, and the guard it runs under.
 * S1 The server does not outlive this process, however it ends: a shell stands between, waits on a pipe that only this
 *    process holds open, and ends the server when the pipe closes.
 * S2 It leads a session of its own, so that Ctrl-C reaches the clients first and they can still say goodbye.
 * S3 One server per directory: the lock is held until the server is gone.
 * S4 `startServer` resolves when this very server (by name) has sent its INFO line, which it does after it has recovered
 *    its store.
 * S5 A secured server's members change while it runs: who is not among them any more is cut off.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { FlError } from "../errors.ts";
import { readInfo } from "./info.ts";
import { locateServer, probeServer } from "./server-binary.ts";
import { renderConfig, type Secured } from "./server-config.ts";
import { goneWithin, type Lock, lockDirectory, processStart } from "./store-lock.ts";

export type ServerOptions = {
  /** everything the server writes lies below it; made when missing */
  readonly dir: string;
  /** default: a free one */
  readonly port?: number;
  /** default: the loopback */
  readonly host?: string | undefined;
  /** mutual TLS, and who may come in; default: whoever reaches it */
  readonly secured?: Secured | undefined;
  /** path of the program; default: `locateServer` */
  readonly binary?: string;
  /** told in plain words what is being tried */
  readonly log?: (line: string) => void;
  /** how long recovery of the store may take; default 60 000 */
  readonly startMs?: number;
};

export type ServerExit = {
  /** undefined when a signal ended it */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** whether `stop` was called before */
  readonly asked: boolean;
};

export type Server = {
  readonly url: string;
  readonly version: string;
  /** the server's own, not the guard's */
  readonly pid: number;
  readonly warnings: readonly string[];
  /** S5. Resolves when it holds. @throws FL_NATS_START when the server does not take it */
  admit(accounts: string): Promise<void>;
  /** Idempotent; resolves when the server is gone and the directory is free. */
  stop(): Promise<void>;
  /** Resolves, never rejects, when the server is gone and the directory is free. */
  readonly exited: Promise<ServerExit>;
};

/**
 * S1. Descriptor 3 is the pipe; the server must not inherit it, the watcher must be the only reader. `read` returns when
 * the pipe closes, since nothing is ever written to it.
 */
const guard = `
exec 3<&0 </dev/null
"$@" 3<&- & server=$!
{ read -r _ <&3; kill "$server"; } & watcher=$!
exec 3<&-
wait "$server"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"
`;

/** how long a server may take to leave before it is killed; its store survives that too */
const leaveMs = 10_000;

/** @throws FL_LOCKED, FL_NATS_START, and what `locateServer` throws */
export async function startServer(options: ServerOptions): Promise<Server> {
  const say = options.log === undefined ? {} : { log: options.log };
  const binary = options.binary === undefined ? await locateServer(say) : await probeServer(options.binary);
  const dir = resolve(options.dir);
  const lock = await lockDirectory(dir, "server.lock");
  try {
    await awaitPredecessor(dir);
    const name = `entente-${randomBytes(6).toString("hex")}`;
    const portsDir = join(dir, "ports");
    const config = join(dir, "server.conf");
    await rm(portsDir, { recursive: true, force: true });
    await mkdir(portsDir);
    const place = { version: binary.version, name, host: options.host, port: options.port ?? -1, portsDir };
    const files = { storeDir: join(dir, "store"), pidFile: pidFile(dir) };
    const write = (secured: Secured | undefined) => writeFile(config, renderConfig({ ...place, ...files, secured }));
    await write(options.secured);
    const life = new Life(launch(dir, [binary.path, "-c", config]), dir, lock);
    const ready = await life.ready(name, portsDir, options.startMs ?? 60_000);
    return {
      ...ready,
      version: binary.version,
      warnings: binary.warnings,
      admit: async (accounts) => {
        if (options.secured === undefined) throw new FlError("FL_STATE", { reason: "the server lets everybody in" });
        await write({ ...options.secured, accounts });
        // An account that is new takes what it imports only with the next reload (seen with 2.15.1).
        for (const _ of ["made", "linked"]) await life.reload(ready.pid);
      },
      stop: () => life.stop(),
      exited: life.exited,
    };
  } catch (e) {
    // where a child was launched, its end has released the lock already
    await lock.release();
    throw e;
  }
}

const pidFile = (dir: string) => join(dir, "server.pid");
const logFile = (dir: string) => join(dir, "server.log");

async function readPid(dir: string): Promise<number | undefined> {
  const pid = Number(await readFile(pidFile(dir), "utf8").catch(() => ""));
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

/** After a kill of the previous owner its server may still be leaving (S1); two on one store would ruin it. */
async function awaitPredecessor(dir: string): Promise<void> {
  const pid = await readPid(dir);
  if (pid !== undefined && (await isServerOf(pid, dir)) && !(await goneWithin(pid, leaveMs))) {
    throw new FlError("FL_LOCKED", { reason: `nats-server ${pid} still uses ${dir}`, dir, pid });
  }
  await rm(pidFile(dir), { force: true });
}

/** Pids are reused: where the system tells command lines, believe only one that names our configuration. */
async function isServerOf(pid: number, dir: string): Promise<boolean> {
  if (processStart(pid) === undefined) return false;
  if (process.platform !== "linux") return true;
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return line.includes(join(dir, "server.conf"));
}

/**
 * The log takes everything the server says from its first line on, a refused configuration and a Go panic included.
 * Synchronous from spawn to return: a server that fails at once must not have ended before anyone listens for it.
 */
function launch(dir: string, command: readonly string[]): ChildProcess {
  const log = openSync(logFile(dir), "a");
  try {
    const child = spawn("/bin/sh", ["-c", guard, "sh", ...command], {
      stdio: ["pipe", log, log],
      detached: true, // S2
    });
    // the far end goes first whenever the server dies by itself
    child.stdin?.on("error", () => {});
    return child;
  } finally {
    closeSync(log);
  }
}

/** A launched server from its first moment to its last. */
class Life {
  readonly exited: Promise<ServerExit>;
  readonly #child: ChildProcess;
  readonly #dir: string;
  #asked = false;
  #exit: ServerExit | undefined;

  constructor(child: ChildProcess, dir: string, lock: Lock) {
    this.#child = child;
    this.#dir = dir;
    this.exited = this.#end(lock);
  }

  async #end(lock: Lock): Promise<ServerExit> {
    const status = await new Promise<number | undefined>((done) => {
      this.#child.once("exit", (code) => done(code ?? undefined));
      this.#child.once("error", () => done(127));
    });
    // a guard that was killed leaves the server to its watcher, which needs the pipe closed
    this.#child.stdin?.destroy();
    const pid = await readPid(this.#dir);
    if (pid !== undefined && (await isServerOf(pid, this.#dir))) await endProcess(pid);
    // a directory deleted under the server must not turn its end into a rejection
    await rm(pidFile(this.#dir), { force: true }).catch(() => {});
    await lock.release().catch(() => {}); // S3
    // a shell reports the end by signal n as 128 + n
    const signal = Object.entries(constants.signals).find(([, n]) => status === 128 + n)?.[0];
    this.#exit = { code: signal === undefined ? status : undefined, signal, asked: this.#asked };
    return this.#exit;
  }

  async stop(): Promise<void> {
    this.#asked = true;
    this.#child.stdin?.destroy();
    const late = setTimeout(async () => {
      const pid = await readPid(this.#dir);
      if (pid !== undefined) kill(pid);
    }, leaveMs);
    await this.exited;
    clearTimeout(late);
  }

  /** S5. What came of it, the server says in its log only. */
  async reload(pid: number): Promise<void> {
    const read = () => readFile(logFile(this.#dir), "utf8").catch(() => "");
    const before = (await read()).length;
    process.kill(pid, "SIGHUP");
    for (
      const end = performance.now() + leaveMs;
      this.#exit === undefined && performance.now() < end;
      await pause(10)
    ) {
      const said = (await read()).slice(before);
      if (said.includes("Reloaded server configuration")) return;
      const failed = /Failed to reload.*/.exec(said)?.[0];
      if (failed !== undefined) throw new FlError("FL_NATS_START", { reason: failed, log: logFile(this.#dir) });
    }
    throw new FlError("FL_NATS_START", { reason: "it did not take its new members", log: logFile(this.#dir) });
  }

  /** S4. The server announces nothing to its parent, so its files are looked at until they are there. */
  async ready(name: string, portsDir: string, limitMs: number): Promise<{ url: string; pid: number }> {
    const end = performance.now() + limitMs;
    while (this.#exit === undefined && performance.now() < end) {
      const url = await readUrl(portsDir);
      const pid = await readPid(this.#dir);
      if (url !== undefined && pid !== undefined) {
        const info = await readInfo(url, 1_000).catch(() => undefined);
        if (info?.server_name === name) return { url, pid };
      }
      await pause(10);
    }
    const inTime = this.#exit !== undefined;
    await this.stop();
    const log = await readFile(logFile(this.#dir), "utf8").catch(() => "");
    const lines = log.trimEnd().split("\n").slice(-12);
    const cause = lines.findLast((line) => /\[FTL\]|nats-server: /.test(line)) ?? lines.at(-1) ?? "";
    const reason = inTime ? cause : `not ready within ${limitMs} ms; ${cause}`;
    throw new FlError("FL_NATS_START", { reason, log: logFile(this.#dir), lines });
  }
}

/** The ports file may be seen half written: then it has no address yet. */
async function readUrl(portsDir: string): Promise<string | undefined> {
  const name = (await readdir(portsDir)).find((file) => file.endsWith(".ports"));
  if (name === undefined) return undefined;
  const text = await readFile(join(portsDir, name), "utf8").catch(() => "");
  const address = /"nats":\s*\[\s*"(?:nats|tls):\/\/([^"]+)"/.exec(text)?.[1];
  return address && `nats://${address}`;
}

async function endProcess(pid: number): Promise<void> {
  if (await goneWithin(pid, leaveMs)) return;
  kill(pid);
  await goneWithin(pid, leaveMs);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone by itself
  }
}
