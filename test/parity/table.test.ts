/** docs/parity.md has every row of both references once, and each row that holds has a test. */
import { readFileSync, writeFileSync } from "node:fs";
import test from "ava";
import { idsOf, PAGE, parseRow, readRows, testsCell, testsOf } from "./rows.ts";

const ids = (letter: string, n: number): string[] =>
  Array.from({ length: n }, (_, i) => letter + String(i + 1).padStart(2, "0"));
const tests = testsOf();

if (process.env.UPDATE_DOCS === "1") {
  const lines = readFileSync(PAGE, "utf8").split("\n");
  const written = lines.map((line) => {
    const row = parseRow(line);
    if (row === undefined) return line;
    const { id, statement, state, note } = row;
    return `| ${id} | ${statement} | ${state} | ${note} | ${testsCell(tests.get(id) ?? [])} |`;
  });
  writeFileSync(PAGE, written.join("\n"));
}
const rows = readRows(readFileSync(PAGE, "utf8"));

test("every row of the references is there once, in order", (t) => {
  t.deepEqual(
    rows.map((r) => r.id),
    [...ids("D", 43), ...ids("C", 49), ...ids("F", 45), ...ids("A", 13)],
  );
});

test("a row that holds has a test, any other says why not", (t) => {
  for (const { id, state, note } of rows) {
    if (state === "holds") t.true((tests.get(id) ?? []).length > 0, `${id} has no test`);
    else t.true(note.trim().length > 0, `${id} has no reason`);
  }
});

test("the page names exactly the tests that there are", (t) => {
  for (const row of rows) t.is(row.tests.trim(), testsCell(tests.get(row.id) ?? []), row.id);
  const known = new Set(rows.map((r) => r.id));
  t.deepEqual(
    [...tests.keys()].filter((id) => !known.has(id)),
    [],
  );
});

test("a title says which rows it holds", (t) => {
  t.deepEqual(idsOf("D24 D25 every reader gets every metric"), ["D24", "D25"]);
  t.deepEqual(idsOf("D1 is no id, nor is it one later: D24"), []);
});
