import test from "ava";
import { isKept, stillKept } from "../../src/plan/checkpoints.ts";
import { parsePlan } from "../../src/plan/plan.ts";

const least = { version: 1, rounds: 9 };
const kept = (keep: unknown): readonly number[] => {
  const { checkpoints } = parsePlan({ ...least, checkpoints: { keep } });
  let rounds: readonly number[] = [];
  for (let round = 0; round <= 9; round++) {
    if (isKept(checkpoints.keep, round)) rounds = stillKept(checkpoints.keep, [...rounds, round]);
  }
  return rounds;
};

test("last keeps no round beside the last, all keeps all, a number the newest, every n-th each n-th (CK1)", (t) => {
  t.deepEqual(kept("last"), []);
  t.deepEqual(kept("all"), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  t.deepEqual(kept(3), [7, 8, 9]);
  t.deepEqual(kept("every 4"), [4, 8]);
});

test("what is no policy of keeping, and no model to begin with, is refused with what there is", (t) => {
  for (const bad of ["every", "every 0", 0, 1.5, "best", true]) {
    t.throws(() => kept(bad), { message: /checkpoints\.keep must be last, all, a whole number from 1, or every <n>/ });
  }
  t.deepEqual(parsePlan({ ...least, from: "other" }).from, { experiment: "other", round: "last", resume: false });
  t.throws(() => parsePlan({ ...least, from: { experiment: "o", round: "first" } }), {
    message: /from\.round must be best, last, or the number of a round, got "first"/,
  });
});
