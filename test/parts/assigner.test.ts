import test from "ava";
import { z } from "zod";
import fairHalf from "../../examples/fair-half.ts";
import { FlError } from "../../src/errors.ts";
import { type Assignment, defineAssigner } from "../../src/parts/assigner.ts";
import { assignerRound } from "../support/assigner.ts";

const returning = (assignment: unknown) =>
  defineAssigner({ name: "mine", assign: () => assignment as Assignment }).create();

test("what an assigner returns comes in the plan's order, each label once, and without those who do nothing (AS2, AS4)", async (t) => {
  const assigner = returning({ b: ["train", "validate_global", "train"], a: [], c: ["train"] });
  t.deepEqual(await assigner.assign(assignerRound()), { b: ["validate_global", "train"], c: ["train"] });
});

for (const [what, assignment, says] of [
  ["nothing", undefined, /must return a map/],
  ["a list", ["a"], /must return a map/],
  ["a bare label", { a: "train" }, /must return a map/],
  ["a task that there is not", { a: ["trian"] }, /gave a the task trian; there are validate_global, train/],
  ["a stranger", { a: ["train"], x: ["train"] }, /asked x, who takes no part/],
  ["nobody", {}, /asked nobody in round 1/],
] as const) {
  test(`an assigner that returns ${what} has failed, by name (AS4)`, async (t) => {
    const e = await t.throwsAsync(returning(assignment).assign(assignerRound()), { instanceOf: FlError });
    t.is(e.code, "FL_PART_FAILED");
    t.regex(e.message, /assigner mine/);
    t.regex(e.message, says);
  });
}

test("in the rating round nobody need be asked", async (t) => {
  t.deepEqual(await returning({}).assign(assignerRound({ round: 4, rating: true })), {});
});

test("what an assigner throws is FL_PART_FAILED with its own error as cause", async (t) => {
  const cause = new TypeError("oops");
  const broken = defineAssigner({
    name: "mine",
    assign: () => {
      throw cause;
    },
  }).create();
  const e = await t.throwsAsync(broken.assign(assignerRound()), { instanceOf: FlError });
  t.like(e, { code: "FL_PART_FAILED", cause, detail: { part: "mine" } });
});

test("options are the assigner's own, and checked when it is made", (t) => {
  const part = defineAssigner({ name: "mine", options: z.strictObject({ n: z.int() }), assign: () => ({}) });
  t.throws(() => part.create({ n: "x" }), { code: "FL_PLAN_INVALID", message: /options of assigner mine/ });
  t.notThrows(() => part.create({ n: 1 }));
});

test("the example gives everybody the same number of turns", async (t) => {
  const assigner = fairHalf.create();
  const names = ["a", "b", "c", "d"];
  const turns = new Map<string, number>();
  let history: never[] = [];
  for (let round = 1; round <= 6; round++) {
    const assigned = await assigner.assign(assignerRound({ round, names, history }));
    for (const [name, labels] of Object.entries(assigned)) {
      if (labels.includes("train")) turns.set(name, (turns.get(name) ?? 0) + 1);
    }
    history = [...history, { round, assigned } as never];
  }
  t.deepEqual([...turns.values()], [3, 3, 3, 3]);
});
