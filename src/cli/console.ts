/**
 * What a command says: prose and tables for people, or one JSON object a line (src/cli/lines.ts), never both.
 *
 * O1 stdout carries the answer. For people, notices and errors go to stderr, so that the answer can be piped.
 * O2 With --json everything is a line of stdout; people's text is dropped.
 * O3 Colour only where a terminal shows it and NO_COLOR is not set.
 */
import { type Line, type LineType, lines } from "./lines.ts";
import { cut, Live } from "./live.ts";

export type Paint = { bold(text: string): string; dim(text: string): string; red(text: string): string };

const sgr =
  (on: number, off: number) =>
  (text: string): string =>
    text === "" ? "" : `\u001b[${on}m${text}\u001b[${off}m`;
const same = (text: string): string => text;

export class Console {
  readonly json: boolean;
  readonly paint: Paint;
  readonly #stdout: NodeJS.WriteStream;
  readonly #stderr: NodeJS.WriteStream;
  #live: Live | undefined;

  constructor(json: boolean, stdout: NodeJS.WriteStream = process.stdout, stderr: NodeJS.WriteStream = process.stderr) {
    this.json = json;
    this.#stdout = stdout;
    this.#stderr = stderr;
    const colour = stdout.isTTY && !json && !process.env.NO_COLOR; // O3
    this.paint = colour
      ? { bold: sgr(1, 22), dim: sgr(2, 22), red: sgr(31, 39) }
      : { bold: same, dim: same, red: same };
  }

  /** one line of the answer, for people */
  say(text = ""): void {
    if (this.json) return;
    if (this.#live !== undefined) this.#live.above(text);
    else this.#stdout.write(`${text}\n`);
  }

  /** lines that are cut where a terminal would wrap them */
  rows(lines: readonly string[]): void {
    for (const line of lines) this.say(this.#stdout.isTTY ? cut(line, this.#stdout.columns || 80) : line);
  }

  /** something on the way, for people: on stderr */
  aside(text: string): void {
    if (this.json) return;
    if (this.#live !== undefined) this.#live.above(text);
    else this.#stderr.write(`${text}\n`);
  }

  /** one object, for programs */
  emit<K extends LineType>(type: K, fields: Omit<Line<K>, "type">): void {
    if (this.json) this.#stdout.write(`${JSON.stringify(lines[type].parse({ type, ...fields }))}\n`);
  }

  notice(text: string): void {
    this.emit("notice", { text });
    this.aside(text);
  }

  /** A block that is redrawn in place; undefined where that cannot be. Ends with `end`. */
  live(): Live | undefined {
    if (this.json || !this.#stdout.isTTY) return undefined;
    this.#live = new Live(this.#stdout, () => {
      this.#live = undefined;
    });
    return this.#live;
  }
}
