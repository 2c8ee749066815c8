import test from "ava";
import type { AggregatorEvent } from "../../actors/aggregator/machine.ts";
import { Patience } from "../../actors/aggregator/patience.ts";
import { FlError } from "../../src/errors.ts";
import type { Decision, WaitingRound } from "../../src/parts/straggler.ts";
import { manualClock } from "../support/clock.ts";

const accepted = (collaborator: string): AggregatorEvent => ({ type: "update.accepted", collaborator });
const failed = (collaborator: string, round = 1): AggregatorEvent => ({
  ...{ type: "collaborator.failed", collaborator, round, error: new FlError("FL_TASK_FAILED").toJSON() },
});

function scene(decide: (round: WaitingRound) => Decision) {
  const clock = manualClock();
  const asked: WaitingRound[] = [];
  const said: unknown[] = [];
  const patience = new Patience({
    clock,
    policy: {
      name: "mine",
      decide: (round) => {
        asked.push(round);
        return decide(round);
      },
    },
    enough: (round) => said.push(`enough ${round}`),
    broken: (e) => said.push(e),
  });
  const open = (more: object = {}): void => {
    const at = { openedAt: clock.now(), deadlineAt: clock.now() + 9_000 };
    patience.open({ ...{ round: 1, asked: ["a", "b"], quorum: 1, history: [] }, ...at, ...more });
  };
  return { clock, asked, said, patience, open };
}

test("the policy is asked at the start, at each answer and each failure of those asked, once for each (PE1)", (t) => {
  const s = scene(() => false);
  s.open();
  s.clock.advance(70);
  s.patience.heard(accepted("b"));
  s.patience.heard(accepted("b"));
  s.patience.heard({ type: "collaborator.lost", collaborator: "a" });
  for (const other of [failed("x"), failed("a", 0), failed("a"), failed("a")]) s.patience.heard(other);
  t.deepEqual(
    s.asked.map(({ elapsedMs, answered, failed: out }) => [elapsedMs, answered, out]),
    [
      [0, [], []],
      [70, [{ collaborator: "b", afterMs: 70 }], []],
      [70, [{ collaborator: "b", afterMs: 70 }], ["a"]],
    ],
  );
  t.like(s.asked[0], { round: 1, asked: ["a", "b"], quorum: 1, deadlineMs: 9_000 });
  t.deepEqual(s.said, []);
});

test("the policy is asked at the time it names, and its yes is said once and stands (PE1)", (t) => {
  const s = scene(({ elapsedMs }) => elapsedMs >= 500 || 500);
  s.open();
  s.clock.advance(499);
  t.is(s.asked.length, 1);
  s.clock.advance(1);
  t.deepEqual(s.said, ["enough 1"]);
  s.patience.heard(accepted("a"));
  s.clock.advance(10_000);
  t.is(s.asked.length, 2, "not asked any more");
});

test("a time that has passed is no time: the policy is asked at the next answer, not in a loop (PE2)", (t) => {
  const s = scene(() => 10);
  s.open({ openedAt: s.clock.now() - 20 });
  s.clock.advance(60_000);
  t.is(s.asked.length, 1);
  s.patience.heard(accepted("a"));
  t.is(s.asked.length, 2);
});

test("after a restart the round is as old as its record says (PE3)", (t) => {
  const s = scene(({ elapsedMs }) => elapsedMs >= 500 || 500);
  s.open({ openedAt: s.clock.now() - 450 });
  t.is(s.asked[0]?.elapsedMs, 450);
  s.clock.advance(50);
  t.deepEqual(s.said, ["enough 1"]);
});

test("a closed round asks nothing, and the next one starts afresh", (t) => {
  const s = scene(() => 500);
  s.open();
  s.patience.heard(accepted("a"));
  s.patience.close();
  s.clock.advance(1_000);
  s.patience.heard(accepted("b"));
  t.is(s.asked.length, 2);
  s.open({ round: 2 });
  t.like(s.asked[2], { round: 2, answered: [], failed: [] });
});

test("a policy that fails is told once, with its error", (t) => {
  const error = new FlError("FL_PART_FAILED");
  const s = scene(() => {
    throw error;
  });
  s.open();
  s.patience.heard(accepted("a"));
  t.deepEqual(s.said, [error]);
});
