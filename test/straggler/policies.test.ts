import test from "ava";
import { resolveStragglers } from "../../actors/straggler/resolve.ts";
import asLongAgain from "../../examples/as-long-again.ts";
import { FlError } from "../../src/errors.ts";
import { type Decision, defineStragglers, type WaitingRound } from "../../src/parts/straggler.ts";
import { parsePlan } from "../../src/plan/plan.ts";

const asked = ["a", "b", "c", "d"];
const waiting = (answered: number, elapsedMs: number, more: Partial<WaitingRound> = {}): WaitingRound => ({
  ...{ round: 1, elapsedMs, asked, quorum: 2, deadlineMs: null, failed: [], history: [] },
  answered: asked.slice(0, answered).map((collaborator, i) => ({ collaborator, afterMs: 100 * (i + 1) })),
  ...more,
});
const policy = async (use: string, options: Record<string, unknown> = {}) =>
  (await resolveStragglers({ use, options }))!;
const problem = (more: object): string => {
  const e = (() => {
    try {
      parsePlan({ version: 1, rounds: 1, ...more });
    } catch (thrown) {
      return thrown;
    }
    throw new Error("nothing was wrong");
  })();
  return String((e as FlError).detail.reason);
};

test("deadline, the one that decides nothing, is not asked at all", async (t) => {
  t.is(await resolveStragglers({ use: "deadline", options: {} }), undefined);
});

test("cutoff waits until its time, and names it", async (t) => {
  const cutoff = await policy("cutoff", { after: "10s" });
  t.is(cutoff.decide(waiting(3, 0)), 10_000);
  t.is(cutoff.decide(waiting(3, 9_999)), 10_000);
  t.is(cutoff.decide(waiting(0, 10_000)), true);
});

test("quorum has waited enough from the start: the round closes when the quorum is in (SP2)", async (t) => {
  t.is((await policy("quorum")).decide(waiting(0, 0)), true);
});

test("C15 percentage has waited enough when that share of those asked has answered", async (t) => {
  const half = await policy("percentage", { share: "50%" });
  t.deepEqual(
    [0, 1, 2, 3].map((n) => half.decide(waiting(n, 1))),
    [false, false, true, true],
  );
  const most = await policy("percentage", { share: "51%" });
  t.deepEqual(
    [2, 3].map((n) => most.decide(waiting(n, 1))),
    [false, true],
  );
});

test("a policy that could never make a difference is refused with the reason (SG1)", (t) => {
  for (const quorum of ["all", "100%"]) {
    t.regex(
      problem({ quorum, stragglers: { use: "percentage", options: { share: "60%" } } }),
      /stragglers must not be percentage while quorum is all: .* lower the quorum/,
    );
  }
  t.regex(problem({ stragglers: "./mine.ts" }), /stragglers must not be \.\/mine\.ts while quorum is all/);
  t.regex(
    problem({ quorum: "80%", stragglers: { use: "percentage", options: { share: "60%" } } }),
    /share of 60% below the quorum of 80%/,
  );
  t.regex(
    problem({ quorum: 1, deadline: "1m", stragglers: { use: "cutoff", options: { after: "60s" } } }),
    /a time that is not before the deadline/,
  );
  t.regex(problem({ quorum: 1, stragglers: "percentage" }), /stragglers\.options\.share must be a percentage/);
  t.regex(problem({ quorum: 1, stragglers: "quorm" }), /stragglers\.use must be one of .*did you mean quorum\?/);
  const { stragglers } = parsePlan({
    ...{ version: 1, rounds: 1, quorum: 1, deadline: "2m" },
    stragglers: { use: "cutoff", options: { after: "60s" } },
  });
  t.deepEqual(stragglers, { use: "cutoff", options: { after: 60_000 } }, "a duration becomes milliseconds (PL2)");
});

test("what is no decision is FL_PART_FAILED by name, and so is what a policy throws", (t) => {
  const deciding = (decide: () => Decision) => defineStragglers({ name: "mine", decide }).create();
  for (const nonsense of [undefined, Number.NaN, -1, "soon"]) {
    t.throws(() => deciding(() => nonsense as never).decide(waiting(0, 0)), {
      code: "FL_PART_FAILED",
      message: /straggler policy mine: it decided/,
    });
  }
  const cause = new RangeError("oops");
  const broken = deciding(() => {
    throw cause;
  });
  t.like(
    t.throws(() => broken.decide(waiting(0, 0)), { instanceOf: FlError }),
    { code: "FL_PART_FAILED", cause },
  );
});

test("the example waits for the slower half as long again as for the faster", (t) => {
  const example = asLongAgain.create({ leastMs: 150 });
  t.is(example.decide(waiting(1, 100)), false);
  t.is(example.decide(waiting(2, 200)), 400);
  t.is(example.decide(waiting(3, 400)), true);
});
