/**
 * What a role in the foreground logs, on this command's stderr.
 *
 * L1 Readable on a terminal, as it is (NDJSON) elsewhere.
 * L2 The role's last word, why it failed, is held back: where the command says the same in its own words, it is said once.
 */
import { readable } from "./log-line.ts";

export class RoleLines {
  readonly #own: readonly string[];
  readonly #stderr: Pick<NodeJS.WriteStream, "write" | "isTTY">;
  #last: string | undefined;

  constructor(role: string, name: string, stderr: Pick<NodeJS.WriteStream, "write" | "isTTY"> = process.stderr) {
    this.#own = [role, `${role}.${name}`]; // before it has read its configuration it has no name
    this.#stderr = stderr;
  }

  line(line: string): void {
    if (this.#isLastWord(line)) this.#last = line;
    else this.#write(line);
  }

  /** The role has ended. `told`: the command says why. */
  end(told: boolean): void {
    if (this.#last !== undefined && !told) this.#write(this.#last);
    this.#last = undefined;
  }

  #write(line: string): void {
    this.#stderr.write(`${this.#stderr.isTTY ? readable(line) : line}\n`);
  }

  #isLastWord(line: string): boolean {
    try {
      const { level, name, msg } = JSON.parse(line) as Record<string, unknown>;
      return level === "error" && msg === "failed" && this.#own.includes(String(name));
    } catch {
      return false; // what user code prints
    }
  }
}
