import test from "ava";
import { History, PAST } from "../../actors/aggregator/history.ts";
import type { PastRound } from "../../src/wire/messages.ts";

const closed = (round: number, more: Partial<PastRound> = {}): PastRound => ({
  ...{ round, assigned: { a: ["train"], b: ["train"], c: ["train"] } },
  ...{
    answered: ["a"],
    failed: ["b"],
    late: ["c"],
    metrics: {},
    measured: { a: { "train.loss": 1 / round } },
    seconds: 1,
  },
  ...more,
});

test("what came of each collaborator's rounds is counted, of those who were asked", (t) => {
  const history = new History(true);
  history.close(closed(1));
  history.close(closed(2, { assigned: { a: ["train"] }, failed: [], late: [] }));
  t.deepEqual(history.standing("a"), { asked: 2, answered: 2, failed: 0, late: 0 });
  t.deepEqual(history.standing("b"), { asked: 1, answered: 0, failed: 1, late: 0 });
  t.deepEqual(history.standing("c"), { asked: 1, answered: 0, failed: 0, late: 1 });
  t.deepEqual(history.standing("x"), { asked: 0, answered: 0, failed: 0, late: 0 });
  t.deepEqual(history.metricsOf("a"), { "train.loss": 0.5 });
  t.deepEqual(history.metricsOf("b"), {});
});

test("what is remembered does not grow with the rounds (HI1)", (t) => {
  const history = new History(true);
  for (let round = 1; round <= 3 * PAST; round++) history.close(closed(round));
  t.is(history.past.length, PAST);
  t.is(history.past.at(-1)?.round, 3 * PAST);
  t.is(history.standing("a").asked, 3 * PAST);
});

test("what is saved is restored, and where nobody asks nothing is kept (HI2, HI3)", (t) => {
  const history = new History(true);
  t.is(history.save(), undefined);
  history.close(closed(1));
  const again = new History(true);
  again.restore(structuredClone(history.save()!));
  t.deepEqual(again.past, history.past);
  t.deepEqual(again.standing("b"), history.standing("b"));
  const off = new History(false);
  off.close(closed(1));
  t.is(off.save(), undefined);
});
