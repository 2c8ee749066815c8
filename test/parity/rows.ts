/**
 * The rows of docs/parity.md and the tests that hold them.
 *
 * R1 A test holds the rows whose ids its title begins with, wherever it stands: `test("D24 D25 every reader gets …")`.
 * R2 The page's column of tests is written from the titles (`UPDATE_DOCS=1`), the rest of it by hand.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type State = "holds" | "otherwise" | "open";
export type ParityRow = {
  readonly id: string;
  readonly statement: string;
  readonly state: State;
  readonly note: string;
  readonly tests: string;
};

export const PAGE = "docs/parity.md";

/** A row of the page: | id | statement | state | note | tests | */
const ROW = /^\| ([ACDF]\d\d) \| (.+?) \| (holds|otherwise|open) \| (.*?) ?\| (.*?) ?\|$/;

export const parseRow = (line: string): ParityRow | undefined => {
  const [, id, statement, state, note, tests] = ROW.exec(line) ?? [];
  return id === undefined
    ? undefined
    : { id, statement: statement!, state: state as State, note: note!, tests: tests! };
};

export const readRows = (page: string): ParityRow[] =>
  page.split("\n").flatMap((line) => {
    const row = parseRow(line);
    return row === undefined ? [] : [row];
  });

/** The ids that a title begins with (R1). */
export const idsOf = (title: string): string[] => {
  const [ids = ""] = /^(?:[ACDF]\d\d[ :,]+)+/.exec(title) ?? [];
  return ids.match(/[ACDF]\d\d/g) ?? [];
};

/** For each id the test files that hold it, as they stand in the sources. */
export function testsOf(root = "test"): Map<string, string[]> {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".test.ts"));
  const found = new Map<string, string[]>();
  for (const file of files.sort()) {
    const path = join(root, file);
    const source = readFileSync(path, "utf8");
    for (const [, title] of source.matchAll(/\b(?:test|it)(?:\.\w+)*(?:<[^(]*>)?\(\s*["'`]([^"'`]+)/g)) {
      for (const id of idsOf(title!)) {
        const paths = found.get(id) ?? [];
        if (!paths.includes(path)) found.set(id, [...paths, path]);
      }
    }
  }
  return found;
}

export const testsCell = (paths: readonly string[]): string =>
  paths.map((path) => `[${path.slice("test/".length, -".test.ts".length)}](../${path})`).join(", ");
