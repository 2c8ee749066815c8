/**
 * A block of lines at the foot of a terminal that is redrawn in place.
 *
 * L1 No flicker: each line is written over the old one and its rest erased; nothing is cleared first, and terminals that know
 *    synchronized output (mode 2026) show a redraw as a whole.
 * L2 Every line is cut to the terminal's width: one that wrapped would make the count of lines wrong. A block taller than the
 *    terminal shows its end.
 * L3 The cursor is hidden while the block is alive, and shown again whenever the process ends.
 */
import { stripVTControlCharacters } from "node:util";

const ESC = "\u001b[";
const styleOrCharacter = new RegExp(`${ESC.replace("[", "\\[")}[0-9;]*m|[^]`, "g");

export class Live {
  readonly #stream: NodeJS.WriteStream;
  readonly #onEnd: () => void;
  #block: readonly string[] = [];
  /** lines of the block that are on the screen */
  #height = 0;
  readonly #resized = (): void => this.draw(this.#block);
  readonly #show = (): void => {
    this.#stream.write(`${ESC}?25h`);
  };

  constructor(stream: NodeJS.WriteStream, onEnd: () => void) {
    this.#stream = stream;
    this.#onEnd = onEnd;
    stream.write(`${ESC}?25l`);
    stream.on("resize", this.#resized);
    process.on("exit", this.#show); // L3
  }

  draw(block: readonly string[]): void {
    this.#block = block;
    this.#redraw("");
  }

  /** Writes a line that stays, above the block. */
  above(text: string): void {
    this.#redraw(`${text}${ESC}K\n`);
  }

  /** Leaves the block as it is on the screen. */
  end(): void {
    process.off("exit", this.#show);
    this.#stream.off("resize", this.#resized);
    this.#show();
    this.#onEnd();
  }

  #redraw(before: string): void {
    const rows = Math.max(2, (this.#stream.rows || 24) - 1);
    const lines = this.#block.slice(-rows).map((line) => cut(line, this.#stream.columns || 80)); // L2
    const up = this.#height > 0 ? `\r${ESC}${this.#height}A` : "";
    const body = lines.map((line) => `${line}${ESC}K\n`).join("");
    this.#stream.write(`${ESC}?2026h${up}${before}${body}${ESC}J${ESC}?2026l`); // L1
    this.#height = lines.length;
  }
}

/** The first `width` columns; styles are closed. */
export function cut(line: string, width: number): string {
  if (stripVTControlCharacters(line).length <= width) return line;
  let shown = 0;
  let out = "";
  for (const [part] of line.matchAll(styleOrCharacter)) {
    if (part.length === 1 && shown++ >= width - 1) break;
    out += part;
  }
  return `${out}…${ESC}0m`;
}
