import test from "ava";
import fc from "fast-check";
import { FlError } from "../../src/errors.ts";
import {
  modulesOf,
  type Plan,
  parsePlan,
  planDigest,
  quorumOf,
  ratedRound,
  ratesFinal,
  resolveQuorum,
} from "../../src/plan/plan.ts";

const least = { version: 1, rounds: 3 };
const reason = (value: unknown): string => {
  try {
    parsePlan(value);
  } catch (e) {
    if (e instanceof FlError && e.code === "FL_PLAN_INVALID") return String(e.detail.reason);
    throw e;
  }
  throw new Error("nothing was wrong");
};

test("plan: version and rounds are all that must be said", (t) => {
  t.deepEqual(parsePlan(least), {
    version: 1,
    rounds: 3,
    seed: 42,
    collaborators: "all",
    join: false,
    quorum: "all",
    deadline: null,
    tasks: [
      { task: "validate", on: "global", label: "validate_global", trains: false, arguments: {} },
      { task: "train", label: "train", trains: true, arguments: {} },
      { task: "validate", on: "tuned", label: "validate_tuned", trains: false, arguments: {} },
    ],
    assigner: { use: "all", options: {} },
    stragglers: { use: "deadline", options: {} },
    aggregation: { use: "fedavg", options: {} },
    weight: "samples",
    delta: false,
    compression: { up: [{ use: "none" }], down: [{ use: "none" }], exactBelow: 100 },
    optimizer: "reset",
    best: { metric: "validate_global.accuracy", mode: "max" },
    checkpoints: { keep: "last" },
    timeLimit: null,
    priority: 0,
    engine: { backend: "auto", device: "gpu-preferred" },
  });
  t.regex(reason({}), /version is missing.*rounds is missing/);
});

test("plan: a parsed plan is a plan, and stays the same (PL1)", (t) => {
  const rich = {
    ...least,
    deadline: "90s",
    quorum: "60%",
    tasks: ["validate", "train", { task: "fairness", arguments: { groups: [1, 2] } }, "validate"],
    aggregation: "./median.ts",
    stop: { metric: "validate_global.accuracy", atLeast: 0.95 },
    timeLimit: "2031-05-01T18:00:00+02:00",
  };
  for (const input of [least, rich, { ...least, timeLimit: "2h" }, { ...least, best: null }]) {
    const once = parsePlan(input);
    t.deepEqual(parsePlan(JSON.parse(JSON.stringify(once))), once);
  }
});

test("plan: durations become milliseconds (PL2)", (t) => {
  const ms = (deadline: unknown) => parsePlan({ ...least, deadline }).deadline;
  t.deepEqual(["90s", "2m", "1.5h", "500ms", 250, null].map(ms), [90_000, 120_000, 5_400_000, 500, 250, null]);
  for (const bad of ["90", "-1s", 0, 1.5, "2 weeks", "25d", true])
    t.regex(reason({ ...least, deadline: bad }), /must be a duration/);
});

test("plan: a time limit is a duration or a point in time, and a number is never the latter", (t) => {
  const limit = (timeLimit: unknown) => parsePlan({ ...least, timeLimit }).timeLimit;
  t.deepEqual(["2h", 250, "2031-05-01T18:00Z", null].map(limit), [7_200_000, 250, "2031-05-01T18:00Z", null]);
  for (const bad of ["2031-05-01", "2031-13-01T18:00:00Z", "2031-05-01T18:00:00", 1_900_000_000_000, "soon"])
    t.regex(reason({ ...least, timeLimit: bad }), /must be a duration such as 2h, .* or a point in time/);
});

test("plan: where a task looks follows from its place, and labels follow from both (PL2)", (t) => {
  const { tasks } = parsePlan({ ...least, tasks: ["validate", "train", "fairness", "validate"] });
  t.deepEqual(
    tasks.map(({ label, on }) => [label, on]),
    [
      ["validate_global", "global"],
      ["train", undefined],
      ["fairness", "tuned"],
      ["validate_tuned", "tuned"],
    ],
  );
});

test("plan: labels are unique, and train takes no `on`", (t) => {
  t.regex(reason({ ...least, tasks: ["train", "train"] }), /tasks\[1\]\.label must not be the label of tasks\[0\]/);
  t.regex(reason({ ...least, tasks: [{ task: "train", on: "global" }] }), /tasks\[0\]\.on must be left out of train/);
  t.notThrows(() => parsePlan({ ...least, tasks: ["train", { task: "train", label: "again" }] }));
});

test("plan: best and stop name a task of the plan (PL3)", (t) => {
  t.regex(
    reason({ ...least, best: { metric: "validate_globl.loss" } }),
    /best\.metric .*did you mean validate_global\?/,
  );
  t.regex(reason({ ...least, stop: { metric: "eval.loss", atMost: 1 } }), /stop\.metric must begin with the label/);
  t.regex(reason({ ...least, stop: { metric: "train.loss" } }), /must have either atLeast or atMost, or patience/);
});

test("plan: best is by accuracy of the global model when it is measured, and its mode suits the metric", (t) => {
  t.is(parsePlan({ ...least, tasks: ["train"] }).best, null);
  t.is(parsePlan({ ...least, best: null }).best, null);
  t.is(parsePlan({ ...least, best: { metric: "validate_global.loss" } }).best?.mode, "min");
  t.is(parsePlan({ ...least, best: { metric: "validate_global.f1" } }).best?.mode, "max");
});

test("plan: a metric on global rates the aggregate of the round before (PL4)", (t) => {
  const plan = parsePlan(least);
  t.is(ratedRound(plan, "validate_global.accuracy", 1), 0);
  t.is(ratedRound(plan, "validate_tuned.accuracy", 1), 1);
});

test("C34 plan: mistakes are told with the remedy", (t) => {
  t.regex(reason({ ...least, quroum: 1 }), /quroum is not a key; did you mean quorum\?/);
  t.regex(reason({ ...least, tasks: [{ tsk: "train" }] }), /tasks\[0\]\.tsk is not a key; did you mean task\?/);
  t.regex(reason({ ...least, quorum: "160%" }), /quorum must be all, a whole number from 1, or a percentage/);
  t.regex(
    reason({ ...least, aggregation: "npm:x/y" }),
    /aggregation\.use must be a built-in name, a \.\/path or nats:<name>/,
  );
  t.regex(reason({ ...least, collaborators: ["a", "b"], quorum: 3 }), /quorum must not exceed the 2 collaborators/);
  t.regex(reason({ ...least, collaborators: ["a", "a"] }), /collaborators .*must not name anyone twice/);
  t.regex(reason({ ...least, name: "a.b" }), /name must be a name of at most 64 letters/);
  t.is(reason(null), "plan: it must be a map of keys, got null");
});

test("quorum: it is between one and all, and a share is rounded up", (t) => {
  const of = (quorum: Plan["quorum"], n: number) => resolveQuorum({ quorum }, n);
  t.deepEqual([of("all", 7), of(3, 7), of("60%", 5), of("60%", 4), of("1%", 3)], [7, 3, 3, 3, 1]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100_000 }), (share, n) => {
      const q = of(`${share}%`, n);
      return q >= 1 && q <= n && q * 100 >= share * n && (q - 1) * 100 < share * n;
    }),
  );
  t.throws(() => of(4, 3), { message: /quorum is 4, but only 3/ });
  t.throws(() => of("all", 0), { instanceOf: FlError });
});

test("quorum: of a round that asks fewer than a number says, all of them", (t) => {
  const of = (quorum: Plan["quorum"], asked: number) => quorumOf({ quorum }, asked);
  t.deepEqual([of("all", 2), of(3, 2), of(3, 7), of("60%", 4), of("60%", 0), of("all", 0)], [2, 2, 3, 3, 0, 0]);
});

test("plan: a task of the workspace trains unless it says that it does not, and what follows sees as much (PL2)", (t) => {
  const { tasks } = parsePlan({
    ...least,
    tasks: ["validate", { task: "probe", trains: false }, "fairness", "validate"],
  });
  t.deepEqual(
    tasks.map(({ label, trains }) => [label, trains]),
    [
      ["validate_global", false],
      ["probe", false],
      ["fairness", true],
      ["validate_tuned", false],
    ],
  );
  for (const [task, trains] of [
    ["train", false],
    ["validate", true],
  ] as const) {
    t.regex(reason({ ...least, tasks: [{ task, trains }] }), /tasks\[0\]\.trains must be left out of/);
  }
});

test("plan: the final model gets a rating exactly where something rates it and something has changed it", (t) => {
  const of = (...tasks: unknown[]) => ratesFinal(parsePlan({ ...least, tasks }));
  t.true(of("validate", "train"));
  t.false(of("train", "validate"), "tuned only");
  t.false(of("validate"), "it has not changed");
});

test("plan: the modules it names travel with it, each once", (t) => {
  const plan = { ...least, quorum: 1, assigner: "./a.ts", stragglers: "./s.ts", aggregation: "./a.ts" };
  t.deepEqual(modulesOf(parsePlan(plan)), ["./a.ts", "./s.ts"]);
  t.deepEqual(modulesOf(parsePlan(least)), []);
});

test("digest: it is the same exactly when the plans ask for the same (PL5)", (t) => {
  const digest = (more: object) => planDigest(parsePlan({ ...least, ...more }));
  t.regex(digest({}), /^[0-9a-f]{64}$/);
  t.is(digest({}), digest({ seed: 42, quorum: "all", workspace: "./w.ts" }));
  t.is(digest({ deadline: "1m" }), digest({ deadline: 60_000 }));
  t.not(digest({}), digest({ seed: 43 }));
  t.is(
    planDigest(parsePlan({ rounds: 3, version: 1, tasks: [{ task: "train", arguments: { a: 1, b: 2 } }] })),
    planDigest(parsePlan({ version: 1, rounds: 3, tasks: [{ arguments: { b: 2, a: 1 }, task: "train" }] })),
  );
});
