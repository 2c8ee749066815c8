/**
 * Runs an entrypoint as a child process and says how it ended.
 *
 * F1 The child is in a process group of its own: Ctrl-C reaches its parent, which ends it in order.
 * F2 A child whose parent dies leaves by itself (its channel closes, actors/entrypoint.ts).
 * F3 Aborting asks it to leave (SIGTERM) and ends it after its grace if it does not. A leaf, which has no children of its
 *    own, gets less than its parent takes to leave (actors/entrypoint.ts), and that one less than whoever waits for it: so
 *    each is ended by its parent and none is left over.
 * F4 Nothing a child says reaches this process's stdout, which is a command's own: what user code prints there is a line of
 *    the log.
 * F5 A leaf is killed when this process exits: user code that never yields would not notice the channel (F2).
 * F6 A child whose federation is in this process's memory runs in this process: there is no other where it could.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { WireError } from "../../src/errors.ts";
import { isHere } from "../../src/here.ts";
import type { Decision, ReviewRequest } from "../../src/parts/reviewer.ts";
import type { Log } from "../../src/ports.ts";
import type { ChildInput, ChildRun } from "./machine.ts";

const GRACE_MS = 6_000;
const LEAF_GRACE_MS = 4_000;
const TAIL_LINES = 20;

/**
 * How a process that moves frames all day is run. Frames are buffers of up to 512 KiB outside the JavaScript heap.
 *
 * V8 answers to such memory by marking its heap, concurrently, again and again: with 0.1 M parameters every fourth round, at a
 * quarter of the Aggregator's time. The heap itself is small, and buffers die young: without incremental marking, scavenges
 * free them and 300 rounds have one full collection instead of 75. glibc hands buffers above 128 KiB back to the system and
 * faults fresh pages in for the next ones; kept, they make such a round a sixth faster. Other libraries ignore the variables.
 */
export const framing = {
  execArgv: ["--no-incremental-marking"],
  env: {
    MALLOC_MMAP_THRESHOLD_: String(32 * 2 ** 20),
    MALLOC_TRIM_THRESHOLD_: String(128 * 2 ** 20),
    MALLOC_TOP_PAD_: String(4 * 2 ** 20),
  },
};

/** What an entrypoint tells its parent. */
export type FromChild =
  | { type: "ready" }
  /** it cannot answer yet, and goes on trying */
  | { type: "waiting"; error: WireError }
  | { type: "output"; output: unknown }
  | { type: "failed"; error: WireError }
  /** a decision is waited for; its parent's terminal may be where the person sits who gives it */
  | { type: "asking"; review: ReviewRequest }
  /** it is not waited for any more */
  | { type: "settled"; experiment: string };

/** What a parent tells its child. */
export type FromParent = { type: "decision"; experiment: string; decision: Decision };

export type ForkOptions = {
  readonly signal: AbortSignal;
  readonly log: Log;
  /** where the child's own log lines go, one at a time; stderr by default */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly onReady?: ((pid: number) => void) | undefined;
  readonly onWaiting?: ((pid: number, error: WireError) => void) | undefined;
  readonly onAsking?: ((review: ReviewRequest, decide: (decision: Decision) => void) => void) | undefined;
  readonly onSettled?: ((experiment: string) => void) | undefined;
  /** it has no children of its own (F3, F5) */
  readonly leaf?: boolean | undefined;
};

const leaves = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of leaves) child.kill("SIGKILL"); // F5
});

const onStderr = (line: string): boolean => process.stderr.write(`${line}\n`);

/** Never rejects: however a child ends is a ChildRun. */
export function forkRole(input: ChildInput, options: ForkOptions): Promise<ChildRun> {
  if (isHere(input.config.url)) return import("../entrypoint.ts").then(({ runHere }) => runHere(input, options)); // F6
  const { role, config } = input;
  const { signal, log, leaf = false, onReady, onWaiting, onAsking, onSettled, onLine = onStderr } = options;
  const entry = fileURLToPath(new URL(`../${role}/main.js`, import.meta.url));
  const started = performance.now();
  return new Promise((resolve) => {
    const crashed = (reason: string): void =>
      resolve({ how: "crashed", reason, tail, livedMs: performance.now() - started });
    let told: FromChild | undefined;
    const tail: string[] = [];
    const child: ChildProcess = fork(entry, [JSON.stringify(config)], {
      detached: true, // F1
      execArgv: [...process.execArgv, ...framing.execArgv],
      env: { ...framing.env, ...process.env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      serialization: "advanced",
    });
    if (leaf) leaves.add(child);
    log.debug({ role, pid: child.pid }, "child started");
    for (const input of [child.stdout!, child.stderr!]) {
      createInterface({ input }).on("line", (line) => {
        tail.push(line);
        if (tail.length > TAIL_LINES) tail.shift();
        onLine(line); // F4
      });
    }
    const leave = (): void => {
      child.kill("SIGTERM"); // F3
      const kill = setTimeout(() => child.kill("SIGKILL"), leaf ? LEAF_GRACE_MS : GRACE_MS);
      child.once("exit", () => clearTimeout(kill));
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    const tell = (message: FromParent): void => {
      if (child.connected) child.send(message, () => {}); // one that is gone decides nothing any more
    };
    child.on("message", (message: FromChild) => {
      if (message.type === "ready") onReady?.(child.pid ?? 0);
      else if (message.type === "waiting") onWaiting?.(child.pid ?? 0, message.error);
      else if (message.type === "asking") {
        const { experiment } = message.review;
        onAsking?.(message.review, (decision) => tell({ type: "decision", experiment, decision }));
      } else if (message.type === "settled") onSettled?.(message.experiment);
      else told = message;
    });
    child.on("error", (e) => crashed(e.message));
    child.on("close", (code, killer) => {
      signal.removeEventListener("abort", leave);
      leaves.delete(child);
      log.debug({ role, pid: child.pid, code, killer, told: told?.type }, "child ended");
      if (told?.type === "output") resolve({ how: "output", output: told.output });
      else if (told?.type === "failed") resolve({ how: "failed", error: told.error });
      else if (signal.aborted && code === 0) resolve({ how: "left" });
      else crashed(killer === null ? `exit status ${code}` : `killed by ${killer}`);
    });
  });
}
