import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { aggregations } from "../../actors/aggregation/builtin.ts";
import type { Verdict } from "../../src/openfl/finding.ts";
import { colsKeys, planKeys as openflKeys } from "../../src/openfl/keys.ts";
import { keysTable } from "../../src/openfl/table.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { planKeys } from "../../src/plan/table.ts";
import { run } from "../support/cli.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const page = join(root, "docs/coming-from-openfl.md");
const MARKED = /(<!-- keys:.*-->\n)[\s\S]*?(<!-- end of keys -->)/;
const rows = [...openflKeys, ...colsKeys];
const verdicts: [string, Verdict][] = rows.flatMap((r) =>
  [...Object.values(r.cases ?? {}), r.otherwise].map((v): [string, Verdict] => [r.key, v]),
);
const ours = new Set(planKeys().map((k) => k.key));

test("docs/coming-from-openfl.md lists exactly the keys and verdicts of the table (K4)", (t) => {
  const text = readFileSync(page, "utf8");
  const expected = text.replace(MARKED, (_, start: string, end: string) => `${start}${keysTable()}\n${end}`);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(page, expected);
  else t.is(text, expected, "run UPDATE_DOCS=1 npx ava dist/test/openfl/keys.test.js");
  t.regex(text, MARKED);
});

test("keys: what is mapped goes to a key that the plan has, with a value that it takes", (t) => {
  for (const [key, { outcome, target, value }] of verdicts) {
    if (outcome !== "mapped") continue;
    t.true(ours.has(target!.replace(/\.arguments\..*$/, ".arguments")), `${key} → ${target}`);
    const [top, inner] = target!.split(".") as [string, string?];
    if (value === undefined) continue;
    const written = { [top]: inner === undefined ? value : { [inner]: value } };
    t.notThrows(() => parsePlan({ version: 1, rounds: 1, ...written }), key);
    if (top === "aggregation") t.true(String(value) in aggregations, key);
  }
});

test("keys: no row hides behind an earlier one, and each says in half a sentence what it means (K1)", (t) => {
  t.is(new Set(openflKeys.map((r) => r.key)).size, openflKeys.length);
  const hides = (a: string, b: string): boolean => {
    const [x, y] = [a.split("."), b.split(".")];
    return x.length === y.length && x.every((s, i) => s === "*" || s === y[i]);
  };
  openflKeys.forEach(({ key }, i) => {
    for (const { key: later } of openflKeys.slice(i + 1)) t.false(hides(key, later), `${key} hides ${later}`);
  });
  for (const [key, { note, target }] of verdicts) {
    t.regex(note, /^[A-Za-z].*[^.]$/, key);
    t.notRegex(`${note}${target}`, /[|\n]/, key);
  }
});

test("the page names only commands that there are", async (t) => {
  const { text } = await run(t, ["--help"]);
  const said = [readFileSync(page, "utf8"), ...verdicts.map(([, v]) => v.target ?? "")].join("\n");
  const named = new Set([...said.matchAll(/(?:`|^|npx )entente ([a-z]+)/gm)].map(([, verb]) => verb!));
  t.true(named.size > 5);
  for (const verb of named)
    t.true(
      text.some((line) => line.trim().startsWith(`${verb} `)),
      verb,
    );
});
