import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { aggregations, checkBuiltin } from "../../actors/aggregation/builtin.ts";
import { aggregationTable } from "../../actors/aggregation/table.ts";
import { parsePlan } from "../../src/plan/plan.ts";

const page = fileURLToPath(new URL("../../../docs/plan.md", import.meta.url));
const MARKED = /(<!-- rules:.*-->\n)[\s\S]*?(<!-- end of rules -->)/;

test("docs/plan.md lists exactly the built-in rules, their options and defaults", (t) => {
  const text = readFileSync(page, "utf8");
  const expected = text.replace(MARKED, (_, start: string, end: string) => `${start}${aggregationTable()}\n${end}`);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(page, expected);
  else t.is(text, expected, "run UPDATE_DOCS=1 npx ava dist/test/aggregation/table.test.js");
  t.regex(text, MARKED);
});

test("each built-in rule goes by its own name, and says in a sentence what it does", (t) => {
  for (const [name, { name: own, summary }] of Object.entries(aggregations)) {
    t.is(own, name);
    t.regex(summary ?? "", /^[A-Z].*\.$/, name);
  }
});

test("a plan's options of a rule are checked where the plan is read, with the nearest name", (t) => {
  const check = (aggregation: unknown) => (): void =>
    checkBuiltin(parsePlan({ version: 1, rounds: 1, aggregation }).aggregation);
  t.notThrows(check({ use: "fedadam", options: { learningRate: 0.1 } }));
  const misspelt = check({ use: "fedadam", options: { learningrate: 0.1 } });
  t.throws(misspelt, { code: "FL_PLAN_INVALID", message: /did you mean learningRate\?/ });
  t.throws(check({ use: "fedavgm", options: { momentum: 1 } }), { code: "FL_PLAN_INVALID", message: /momentum/ });
});

test("a plan whose rounds may count with fewer updates than its rule needs is refused where it is read", (t) => {
  const check = (options: object, more: object) => (): void => {
    const plan = parsePlan({ version: 1, rounds: 1, aggregation: { use: "krum", options }, ...more });
    checkBuiltin(plan.aggregation, plan);
  };
  const why = {
    code: "FL_PLAN_INVALID",
    message: /krum needs 7 updates with these options, and a round may count with/,
  };
  t.throws(check({ byzantine: 2 }, { collaborators: ["a", "b", "c"] }), why);
  t.throws(check({ byzantine: 2 }, { quorum: 5 }), why);
  t.notThrows(check({ byzantine: 2 }, { quorum: 7 }));
  t.notThrows(check({}, { collaborators: ["a", "b", "c"] }));
});
