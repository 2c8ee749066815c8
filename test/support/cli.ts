/**
 * The command line as a user has it: a process of its own, read line by line.
 *
 * C1 Every line that a command prints with --json is checked against the table of lines as it comes.
 * C2 What a test starts ends with the test, also when it fails; then it shows what the command said.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Line, type LineType, lines } from "../../src/cli/lines.ts";
import { goneWithin } from "../../src/nats/store-lock.ts";

const main = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

export type AnyLine = { [K in LineType]: Line<K> }[LineType];
type Teardown = { teardown(end: () => Promise<void>): void; log(...args: unknown[]): void; readonly passed: boolean };

export class Cli {
  readonly child: ChildProcess;
  readonly lines: AnyLine[] = [];
  readonly text: string[] = [];
  readonly said: string[] = [];
  /** the exit status, or the signal */
  readonly ended: Promise<number | string>;
  readonly #waiting = new Set<() => void>();
  #over: number | string | undefined;
  #wrong: Error | undefined;

  /** With `--json` among the arguments its lines are objects, else they are `text`. */
  constructor(t: Teardown, args: readonly string[], cwd = process.cwd()) {
    const json = args.includes("--json");
    this.child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"], cwd });
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      try {
        if (json) this.lines.push(parsed(line));
        else this.text.push(line);
      } catch (e) {
        this.#wrong ??= new Error(`not a line of the table: ${line}`, { cause: e }); // C1
      }
      this.#wake();
    });
    createInterface({ input: this.child.stderr! }).on("line", (line) => {
      this.said.push(line);
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code, signal) => {
        this.#over = code ?? signal ?? "";
        this.#wake();
        resolve(this.#over);
      });
    });
    t.teardown(async () => {
      const below = await this.descendants();
      this.child.kill("SIGKILL"); // C2
      await this.ended;
      await survivors(below); // a server that is still leaving writes into the directory that goes next
      if (!t.passed) t.log(["entente", ...args].join(" "), this.lines.slice(-20), this.text.slice(-20), this.said);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  of<K extends LineType>(type: K): Line<K>[] {
    return this.lines.filter((line) => line.type === type) as Line<K>[];
  }

  /** The first line of this type that satisfies the predicate. Rejects when the command ends without one. */
  async line<K extends LineType>(type: K, holds: (line: Line<K>) => boolean = () => true): Promise<Line<K>> {
    return this.#first(type, () => this.of(type).find(holds));
  }

  /** The first line on stderr that contains this. */
  async saying(part: string): Promise<string> {
    return this.#first(part, () => this.said.find((line) => line.includes(part)));
  }

  async #first<T>(what: string, find: () => T | undefined): Promise<T> {
    for (;;) {
      if (this.#wrong !== undefined) throw this.#wrong;
      const found = find();
      if (found !== undefined) return found;
      if (this.#over !== undefined) {
        throw new Error(`it ended (${this.#over}) without the ${what} that was waited for: ${this.said.join("\n")}`);
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** Waits for the end; a line that is none of the table's is an error. */
  async status(): Promise<number | string> {
    const status = await this.ended;
    if (this.#wrong !== undefined) throw this.#wrong;
    return status;
  }

  /** Everything that runs below it now. */
  descendants(): Promise<number[]> {
    return descendantsOf(this.child.pid!);
  }
}

/** Runs a command to its end. */
export async function run(
  t: Teardown,
  args: readonly string[],
  cwd?: string,
): Promise<Cli & { exit: number | string }> {
  const cli = new Cli(t, args, cwd);
  return Object.assign(cli, { exit: await cli.status() });
}

function parsed(line: string): AnyLine {
  const value = JSON.parse(line) as { type: LineType };
  return lines[value.type].parse(value);
}

/** Everything that runs below a process now. */
export async function descendantsOf(root: number): Promise<number[]> {
  const children = new Map<number, number[]>();
  for (const dir of await readdir("/proc")) {
    if (!/^\d+$/.test(dir)) continue;
    const stat = await readFile(`/proc/${dir}/stat`, "utf8").catch(() => "");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(dir)]);
  }
  const found: number[] = [];
  for (let next = children.get(root) ?? []; next.length > 0; next = next.flatMap((pid) => children.get(pid) ?? [])) {
    found.push(...next);
  }
  return found;
}

/** Those of the processes that are still there after a while. */
export async function survivors(pids: readonly number[], withinMs = 10_000): Promise<number[]> {
  const gone = await Promise.all(pids.map((pid) => goneWithin(pid, withinMs)));
  return pids.filter((_, i) => !gone[i]);
}
