/** An aggregation actor's machine, by transitions alone. */
import test from "ava";
import { aggregationMachine } from "../../actors/aggregation/machine.ts";
import { FlError } from "../../src/errors.ts";
import type { AggregationBegin } from "../../src/wire/messages.ts";
import { children, done, failed, go, invoked, run } from "../support/transitions.ts";

const input = { experiment: "exp" };
const round = (session: string): AggregationBegin => ({
  session,
  after: null,
  round: 1,
  options: {},
  specs: [],
  weight_bound: 1,
  state_bytes: null,
});
const begin = (session: string) => ({ type: "round.begin", begin: round(session) });
const finish = (session: string) => ({ type: "round.finish", session });
const opened = () => run(aggregationMachine, input, begin("a"), done("begin"));

test("a round is begun, opened, closed and kept until the next", (t) => {
  let at = run(aggregationMachine, input, begin("a"));
  t.deepEqual(invoked(at.actions), { begin: round("a") });
  at = go(aggregationMachine, at, done("begin"));
  t.deepEqual(at.snapshot.value, { active: "open" });
  at = go(aggregationMachine, at, finish("a"));
  t.deepEqual(invoked(at.actions), { finish: { session: "a" } });
  at = go(aggregationMachine, at, done("finish", 12));
  t.deepEqual(at.snapshot.value, { active: "closed" });
  t.is(at.snapshot.context.stateBytes, 12);
  at = go(aggregationMachine, at, begin("b"));
  t.deepEqual(invoked(at.actions), { begin: round("b") });
  t.is(at.snapshot.context.stateBytes, null);
});

test("the present session begins once, wherever it is (AM1)", (t) => {
  let at = run(aggregationMachine, input, begin("a"));
  for (const event of [done("begin"), finish("a"), done("finish", null)]) {
    t.deepEqual(invoked(go(aggregationMachine, at, begin("a")).actions), {});
    at = go(aggregationMachine, at, event);
  }
  t.deepEqual(invoked(go(aggregationMachine, at, begin("a")).actions), {});
});

test("another session takes over from any state (AM2)", (t) => {
  let at = run(aggregationMachine, input, begin("a"));
  for (const event of [done("begin"), finish("a"), done("finish", null), { type: "none" }]) {
    const over = go(aggregationMachine, at, begin("b"));
    t.deepEqual(over.snapshot.value, { active: "beginning" });
    t.deepEqual(invoked(over.actions), { begin: round("b") });
    at = go(aggregationMachine, at, event);
  }
});

test("what failed is known by its session, and may be begun again", (t) => {
  const error = new FlError("FL_TIMEOUT");
  for (const at of [
    run(aggregationMachine, input, begin("a"), failed("begin", error)),
    go(aggregationMachine, opened(), finish("a"), failed("finish", error)),
  ]) {
    t.deepEqual(at.snapshot.value, { active: "idle" });
    t.is(at.snapshot.context.failure?.code, "FL_TIMEOUT");
    const again = go(aggregationMachine, at, begin("a"));
    t.deepEqual(invoked(again.actions), { begin: round("a") });
    t.is(again.snapshot.context.failure, null);
  }
});

test("only the present session can be closed or abandoned", (t) => {
  t.deepEqual(go(aggregationMachine, opened(), finish("z")).snapshot.value, { active: "open" });
  const abandoned = (session: string) => go(aggregationMachine, opened(), { type: "session.abandoned", session });
  t.is(abandoned("z").snapshot.status, "active");
  t.is(abandoned("a").snapshot.status, "done");
});

test("it leaves from anywhere, and nothing of it goes on", (t) => {
  for (const at of [run(aggregationMachine, input), run(aggregationMachine, input, begin("a")), opened()]) {
    const left = go(aggregationMachine, at, { type: "leave" });
    t.is(left.snapshot.status, "done");
    t.deepEqual(children(left.snapshot), []);
  }
});
