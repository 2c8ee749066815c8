import test from "ava";
import { groups } from "../../actors/assigner/groups.ts";
import { resolveAssigner } from "../../actors/assigner/resolve.ts";
import { FlError } from "../../src/errors.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { assignerRound } from "../support/assigner.ts";

const two = [
  { name: "hospitals", collaborators: ["a", "b"], tasks: ["train"] },
  { name: "judges", collaborators: ["c"] },
];
const written = (assigner: object, more: object = {}) => ({
  ...{ version: 1, rounds: 1, tasks: ["validate", "train"], assigner },
  ...more,
});
const problem = (plan: object): string => {
  const e = (() => {
    try {
      parsePlan(plan);
    } catch (thrown) {
      return thrown;
    }
    throw new Error("nothing was wrong");
  })();
  return String((e as FlError).detail.reason);
};

test("C11 each does what its group does, in every round", async (t) => {
  const assigner = groups.create({ groups: two });
  for (const round of [1, 2]) {
    t.deepEqual(await assigner.assign(assignerRound({ round })), {
      ...{ a: ["train"], b: ["train"], c: ["validate_global", "train"] },
    });
  }
});

test("C11 a collaborator in two groups, and one in none, is refused when the plan is read (GR2)", (t) => {
  const overlapping = [...two, { name: "both", collaborators: ["d", "a"] }];
  t.regex(
    problem(written({ use: "groups", options: { groups: overlapping } })),
    /assigner\.options\.groups\[2\]\.collaborators\[1\] must not be in two groups: a is in hospitals already/,
  );
  const listed = { collaborators: ["a", "b", "c", "d"] };
  t.regex(
    problem(written({ use: "groups", options: { groups: two } }, listed)),
    /assigner\.options\.groups must have everyone in a group: d is in none/,
  );
  t.regex(
    problem(written({ use: "groups", options: { groups: two } }, { collaborators: ["a", "b"] })),
    /must be of collaborators of the plan: c is none/,
  );
});

test("C11 where only the start shows who takes part, a collaborator in no group is refused then", async (t) => {
  const assigner = groups.create({ groups: two });
  const e = await t.throwsAsync(assigner.assign(assignerRound({ names: ["a", "b", "c", "x"] })), {
    instanceOf: FlError,
  });
  t.like(e, { code: "FL_PLAN_INVALID" });
  t.regex(e.message, /x is in no group/);
  t.deepEqual(Object.keys(await assigner.assign(assignerRound({ names: ["a"] }))), ["a"], "who is away is not asked");
});

test("groups of a plan name its tasks, and shares that are whole", (t) => {
  const shares = (groups: object[]) => problem(written({ use: "random_groups", options: { groups } }));
  t.regex(
    shares([{ name: "x", share: "100%", tasks: ["trin"] }]),
    /assigner\.options\.groups\[0\]\.tasks\[0\] must be the label of a task \(did you mean train\?\)/,
  );
  t.regex(
    shares([{ name: "x", share: "40%" }]),
    /must have shares of 100% in all, got 40%; a group with tasks: \[\] rests/,
  );
  t.regex(shares([{ name: "x", share: 40 }]), /groups\[0\]\.share must be a percentage such as 40%, got 40/);
  t.regex(
    shares([{ name: "x", share: "100%", task: ["train"] }]),
    /groups\[0\]\.task is not a key; did you mean tasks\?/,
  );
  t.regex(
    shares([
      { name: "x", share: "50%" },
      { name: "x", share: "50%" },
    ]),
    /assigner\.options\.groups must not name two groups alike/,
  );
  t.notThrows(() =>
    parsePlan(
      written({
        use: "random_groups",
        options: { groups: ["a", "b", "c"].map((name) => ({ name, share: "33.3%" })) },
      }),
    ),
  );
});

test("an assigner that there is not is refused with the nearest, one on the bus with the reason", (t) => {
  t.regex(
    problem(written({ use: "random_group" })),
    /assigner\.use must be one of all, random_groups, groups, or a \.\/path, got "random_group" \(did you mean random_groups\?\)/,
  );
  t.regex(
    problem(written({ use: "nats:mine" })),
    /assigner\.use must be a built-in name or a \.\/path, got "nats:mine"/,
  );
  t.regex(problem(written({ use: "all", options: { x: 1 } })), /assigner\.options\.x is not a key/);
  t.deepEqual(parsePlan(written("./mine.ts" as never)).assigner, { use: "./mine.ts", options: {} });
});

test("static groups and joining do not go together unless everyone is listed", (t) => {
  const use = { use: "groups", options: { groups: two } };
  t.regex(problem(written(use, { join: true })), /assigner\.use must not be groups with join/);
  t.notThrows(() => parsePlan(written(use, { join: true, collaborators: ["a", "b", "c"] })));
});

test("every assigner that a plan can name is there", async (t) => {
  for (const [use, options] of [
    ["all", {}],
    ["groups", { groups: two }],
    ["random_groups", { groups: [{ name: "x", share: "100%" }] }],
  ] as const) {
    t.is((await resolveAssigner({ use, options: options as never })).name, use);
  }
});
