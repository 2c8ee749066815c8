import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { planKeys, planTable } from "../../src/plan/table.ts";

const page = fileURLToPath(new URL("../../../docs/plan.md", import.meta.url));
const MARKED = /(<!-- keys:.*-->\n)[\s\S]*?(<!-- end of keys -->)/;

test("docs/plan.md lists exactly the schema's keys, defaults and descriptions (PT1)", (t) => {
  const text = readFileSync(page, "utf8");
  const expected = text.replace(MARKED, (_, start: string, end: string) => `${start}${planTable()}\n${end}`);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(page, expected);
  else t.is(text, expected, "run UPDATE_DOCS=1 npx ava dist/test/plan/table.test.js");
  t.regex(text, MARKED);
});

test("plan keys are camelCase, and each says in a sentence what it means", (t) => {
  for (const { key, description } of planKeys()) {
    t.regex(key, /^[a-z][A-Za-z]*(\[\])?(\.[a-z][A-Za-z]*(\[\])?)*$/);
    t.regex(description, /^\S.*\.$/);
    t.false(description.includes("|"), key);
  }
});
