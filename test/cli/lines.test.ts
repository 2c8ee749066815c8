import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { lines, linesTable } from "../../src/cli/lines.ts";

const page = fileURLToPath(new URL("../../../docs/cli.md", import.meta.url));
const MARKED = /(<!-- lines:.*-->\n)[\s\S]*?(<!-- end of lines -->)/;

test("docs/cli.md lists exactly the lines that --json can print, and their fields (J2)", (t) => {
  const text = readFileSync(page, "utf8");
  const expected = text.replace(MARKED, (_, start: string, end: string) => `${start}${linesTable()}\n${end}`);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(page, expected);
  else t.is(text, expected, "run UPDATE_DOCS=1 npx ava dist/test/cli/lines.test.js");
  t.regex(text, MARKED);
});

test("fields are snake_case, and no field may be left out (J3)", (t) => {
  for (const [type, schema] of Object.entries(lines)) {
    for (const [field, value] of Object.entries(schema.shape)) {
      t.regex(field, /^[a-z]+(_[a-z]+)*$/, `${type}.${field}`);
      t.false(value.safeParse(undefined).success, `${type}.${field} may be undefined`);
    }
  }
});
