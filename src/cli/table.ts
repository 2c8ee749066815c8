/** Columns of text, aligned: numbers to the right, words to the left, the last column as long as it likes. */
import { stripVTControlCharacters } from "node:util";

export type Column = { readonly head: string; readonly align?: "left" | "right"; readonly width?: number };

/** Lines without trailing blanks; `head` styles the first one. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  head: (text: string) => string = (text) => text,
): string[] {
  const widths = columns.map(({ head: title, width = 0 }, i) =>
    Math.max(width, title.length, ...rows.map((row) => long(row[i] ?? ""))),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, i) => {
        const cell = cells[i] ?? "";
        const gap = " ".repeat(Math.max(0, widths[i]! - long(cell)));
        return align === "right" ? gap + cell : cell + gap;
      })
      .join("  ")
      .trimEnd();
  return [head(line(columns.map((c) => c.head))), ...rows.map(line)];
}

const long = (text: string): number => stripVTControlCharacters(text).length;
