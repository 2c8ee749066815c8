/** src/plan/agreed.ts: the same plan, however it is written, is agreed on; another one is not. */
import test from "ava";
import { FlError } from "../../src/errors.ts";
import { agreePlan } from "../../src/plan/agreed.ts";
import { parsePlan, planDigest } from "../../src/plan/plan.ts";

const plan = parsePlan({ version: 1, rounds: 3 });

test("what is written otherwise and asks for the same is agreed on; one who does not say cannot disagree", (t) => {
  t.notThrows(() => agreePlan(plan, planDigest(parsePlan({ rounds: 3, version: 1, seed: 42 })), "the Director"));
  t.notThrows(() => agreePlan(plan, undefined, "the Director"));
});

test("what asks for something else is not: who disagrees is named, with both digests", (t) => {
  const other = planDigest(parsePlan({ version: 1, rounds: 4 }));
  const e = t.throws(() => agreePlan(plan, other, "the Director"), { instanceOf: FlError });
  t.like(e, { code: "FL_PLAN_DISAGREED", detail: { expected: other, got: planDigest(plan) } });
  t.regex(e!.message, /for the Director/);
});
