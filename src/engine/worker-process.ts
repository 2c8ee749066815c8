/**
 * A worker's process: started, listened to, ended.
 *
 * WP1 It leads a process group of its own and ends with it: nothing that a worker has started outlives it.
 * WP2 It does not outlive this process, however that one ends and whatever the worker is doing: beside it a shell waits on a
 *     pipe that only this process holds open, and ends the group when the pipe closes.
 * WP3 What it prints is lines for the log; the last of them are in its failure.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { FlError } from "../errors.ts";

const TAIL_LINES = 20;
const GRACE_MS = 2_000;

export type WorkerCommand = {
  /** the program and its arguments */
  readonly command: readonly [string, ...string[]];
  readonly cwd?: string | undefined;
  /** beside this process's own */
  readonly env?: Readonly<Record<string, string>> | undefined;
};

/** WP2. Descriptor 3 is the pipe, which the worker must not inherit; nothing is ever written to it. */
const guard = `
{ read -r _ <&3; kill -9 0; } </dev/null >/dev/null 2>&1 &
exec 3<&-
exec "$@"
`;

const living = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of living) killGroup(child); // WP2
});

export class WorkerProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly pid: number | undefined;
  /** how it ended; never rejects */
  readonly ended: Promise<FlError>;
  readonly #child: ChildProcess;
  readonly #tail: string[] = [];

  constructor({ command: [program, ...args], cwd, env }: WorkerCommand, onLine: (line: string) => void) {
    const posix = process.platform !== "win32";
    const [file, given] = posix ? ["/bin/sh", ["-c", guard, "worker", program, ...args]] : [program, args];
    this.#child = spawn(file, given, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe", ...(posix ? ["pipe" as const] : [])],
      detached: posix, // WP1
    });
    this.#child.stdio[3]?.on("error", () => {});
    this.stdin = this.#child.stdin!;
    this.stdout = this.#child.stdout!;
    this.pid = this.#child.pid;
    this.stdin.on("error", () => {}); // it has gone: its end says so
    living.add(this.#child);
    createInterface({ input: this.#child.stderr! }).on("line", (line) => {
      this.#tail.push(line.slice(0, 500));
      if (this.#tail.length > TAIL_LINES) this.#tail.shift();
      onLine(line); // WP3
    });
    this.ended = new Promise((resolve) => {
      const detail = (reason: string) => ({ reason, command: [program, ...args], tail: [...this.#tail] });
      this.#child.once("error", (cause) => {
        living.delete(this.#child);
        resolve(new FlError("FL_WORKER_START", detail(`${program} cannot be run: ${cause.message}`), { cause }));
      });
      this.#child.once("exit", () => killGroup(this.#child)); // WP1: what it has left behind
      this.#child.once("close", (code, killer) => {
        living.delete(this.#child);
        const how = killer === null ? `with status ${code}` : `by ${killer}`;
        const last = this.#tail.at(-1);
        resolve(new FlError("FL_WORKER_CRASHED", detail(`it ended ${how}${last === undefined ? "" : `: ${last}`}`)));
      });
    });
  }

  /** At once, with all that it has started. */
  kill(): void {
    killGroup(this.#child);
  }

  /** Its stdin is closed; it is killed if that does not end it soon. */
  leave(): void {
    this.stdin.end();
    const timer = setTimeout(() => this.kill(), GRACE_MS);
    void this.ended.then(() => clearTimeout(timer));
  }
}

function killGroup(child: ChildProcess): void {
  try {
    if (process.platform === "win32" || child.pid === undefined) child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // it has gone, with all of its group
  }
}
