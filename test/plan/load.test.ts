import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { FlError } from "../../src/errors.ts";
import { loadPlan, readPlan } from "../../src/plan/load.ts";

// from dist/test/plan/
const plans = fileURLToPath(new URL("../../../plans/", import.meta.url));

const reason = (text: string): string => {
  try {
    readPlan(text, "my.yaml");
  } catch (e) {
    if (e instanceof FlError && e.code === "FL_PLAN_INVALID") return String(e.detail.reason);
    throw e;
  }
  throw new Error("nothing was wrong");
};

for (const file of readdirSync(plans)) {
  test(`plans/${file} is a valid plan`, async (t) => {
    t.is((await loadPlan(plans + file)).version, 1);
  });
}

test("load: a syntax error has file, line and column (YA1)", (t) => {
  t.regex(reason("version: 1\nrounds: [3\n"), /^my\.yaml:\d+:\d+ /);
});

test("load: a wrong value has its line and column, a missing one that of its parent (YA1)", (t) => {
  t.regex(reason("version: 1\nrounds: 0\n"), /my\.yaml: 2:9 rounds must be at least 1/);
  t.regex(reason("version: 1\nrounds: 1\ntasks:\n  - task: train\n  - label: x\n"), /5:5 tasks\[1\]\.task is missing/);
});

test("load: duplicate keys, second documents and unknown tags are errors (YA2)", (t) => {
  t.regex(reason("version: 1\nrounds: 1\nrounds: 2\n"), /^my\.yaml:3:1 .*unique/);
  t.regex(reason("version: 1\nrounds: 1\n---\nrounds: 2\n"), /^my\.yaml:3:1 .*multiple documents/);
  t.regex(reason("version: 1\nrounds: !secret 1\n"), /^my\.yaml:2:9 .*tag/);
});

test("load: a small file cannot grow (YA3)", (t) => {
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
  for (const [from, to] of ["ab", "bc", "cd", "de", "ef"])
    bomb.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(",")}]`);
  t.regex(reason(bomb.join("\n")), /alias/i);
  t.regex(reason(" ".repeat((1 << 20) + 1)), /larger than 1 MiB/);
});

test("load: an empty file and a missing file are told as such", async (t) => {
  t.regex(reason(""), /must be a map of keys/);
  await t.throwsAsync(loadPlan("/nowhere/plan.yaml"), { message: /\/nowhere\/plan\.yaml: cannot be read/ });
});
