/** The Envoy's machine: V1–V5 of actors/envoy/machine.ts. */
import test from "ava";
import { type Assigned, envoyMachine } from "../../actors/envoy/machine.ts";
import { FlError } from "../../src/errors.ts";
import { after, children, done, failed, invoked, run } from "../support/transitions.ts";

const input = { name: "north" };
const registered = done("register", { accepted: true, period_ms: 500 });
const refusal = { accepted: false, period_ms: 20_000, error: new FlError("FL_EXISTS").toJSON() };
const taken = done("register", refusal);
const assignment = (experiment: string, phase: Assigned["phase"] = "run", digest = "1", attempt = 1): Assigned => ({
  ...{ experiment, attempt, phase, planDigest: `plan ${digest}`, archiveDigest: `archive ${digest}` },
});
const given = (...assigned: Assigned[]) => ({ type: "assignments.changed" as const, assigned });
const assigned = (...experiments: string[]) => given(...experiments.map((e) => assignment(e)));
const approved = (experiment: string) => done(`review.${experiment}`, { approved: true });
const rejection = new FlError("FL_REJECTED", { reason: "no" }).toJSON();
const rejected = (experiment: string) => done(`review.${experiment}`, { approved: false, error: rejection });
/** assigned to run, and approved here */
const started = (...experiments: string[]) => [assigned(...experiments), ...experiments.map(approved)];
const states = (snapshot: { context: { held: Record<string, { state: string }> } }) =>
  Object.fromEntries(Object.entries(snapshot.context.held).map(([name, { state }]) => [name, state]));
const link = (...events: { type: string }[]) =>
  (run(envoyMachine, input, ...events).snapshot.value as { active: { link: string } }).active.link;

test("it keeps trying until a Director appears", (t) => {
  const away = failed("register", new FlError("FL_NO_RESPONDER"));
  const again = after("pause", "envoy.active.link.pausing");
  t.is(link(), "registering");
  t.is(link(away), "pausing");
  t.is(link(away, again), "registering");
  t.is(link(away, again, away, again, registered), "online");
});

test("it keeps the period that the Director dictates", (t) => {
  t.is(run(envoyMachine, input, registered).snapshot.context.periodMs, 500);
});

test("a refused shard ends it with the Director's reason", (t) => {
  const refusal = new FlError("FL_SHARD_REFUSED", { reason: "[3] where the federation has [784]" }).toJSON();
  const { snapshot } = run(envoyMachine, input, done("register", { accepted: false, period_ms: 1, error: refusal }));
  t.like(snapshot.output, { state: "failed", error: { code: "FL_SHARD_REFUSED" } });
});

test("a name that is taken is tried for again and again, soon at first, then at the Director's period (V4)", (t) => {
  const away = failed("register", new FlError("FL_NO_RESPONDER"));
  const again = after("patience", "envoy.active.link.yielding");
  t.is(link(taken), "yielding");
  t.is(link(taken, again), "registering");
  t.is(link(taken, again, taken, again, registered), "online");
  const delays = (...events: { type: string }[]) => {
    const { actions } = run(envoyMachine, input, ...events);
    return actions.flatMap((a) => (a.type === "xstate.raise" ? [(a.params as { delay: number }).delay] : []));
  };
  const tries = Array.from({ length: 9 }, () => [taken, again]).flat();
  t.deepEqual(delays(taken), [100]);
  t.deepEqual(delays(away, after("pause", "envoy.active.link.pausing"), taken), [250]);
  t.deepEqual(delays(...tries, taken), [20_000]);
  t.deepEqual(delays(done("register", { ...refusal, period_ms: 50 })), [50], "never later than that");
});

test("it runs nothing before it was accepted, and nothing any more once another has its name (V4)", (t) => {
  const early = run(envoyMachine, input).snapshot;
  t.falsy(early.children.assignments);
  const { snapshot } = run(envoyMachine, input, registered, ...started("x"), { type: "director.unknown" }, taken);
  t.deepEqual(states(snapshot), {});
  t.falsy(snapshot.children["collaborator.x"]);
  t.falsy(snapshot.children.assignments, "the assignments are the other's");
  const again = after("patience", "envoy.active.link.yielding");
  const back = [registered, { type: "director.unknown" }, taken, again, registered, ...started("x")];
  t.truthy(run(envoyMachine, input, ...back).snapshot.children["collaborator.x"]);
});

test("a Director that does not know it is told again", (t) => {
  t.is(link(registered, { type: "director.unknown" }), "registering");
});

test("what is assigned runs, what is not any more is stopped, also while no Director answers", (t) => {
  const alone = [registered, { type: "director.unknown" }, failed("register", new FlError("FL_NO_RESPONDER"))];
  const both = run(envoyMachine, input, ...alone, ...started("x", "y")).snapshot;
  t.deepEqual(states(both), { x: "running", y: "running" });
  t.truthy(both.children["collaborator.x"]);
  const one = run(envoyMachine, input, ...alone, ...started("x", "y"), assigned("y")).snapshot;
  t.falsy(one.children["collaborator.x"]);
  t.truthy(one.children["collaborator.y"]);
  t.deepEqual(states(run(envoyMachine, input, ...alone, ...started("x"), assigned()).snapshot), {});
});

test("the same assignments twice start nothing twice", (t) => {
  for (const before of [[assigned("x")], started("x"), [assigned("x"), rejected("x")]]) {
    const { actions } = run(envoyMachine, input, registered, ...before, assigned("x"));
    t.is(actions.filter((a) => a.type === "xstate.spawnChild").length, 0);
  }
});

test("another attempt at an experiment is looked at and run anew, though this one has run or failed here", (t) => {
  const gone = done("collaborator.x", { state: "failed", error: new FlError("FL_PROCESS_CRASHED").toJSON() });
  for (const before of [[], [gone]]) {
    const again = given(assignment("x", "run", "1", 2));
    const events = [registered, ...started("x"), ...before, again];
    const { snapshot, actions } = run(envoyMachine, input, ...events);
    t.deepEqual(states(snapshot), { x: "reviewing" });
    t.falsy(snapshot.children["collaborator.x"]);
    t.falsy(snapshot.children["reportFailure.x"]);
    t.deepEqual(Object.keys(invoked(actions)), ["review.x"]);
    t.true(actions.some((a) => a.type === "xstate.stopChild"));
    t.truthy(run(envoyMachine, input, ...events, approved("x")).snapshot.children["collaborator.x"]);
  }
});

test("a collaborator that cannot run is reported and not started again for the same assignment", (t) => {
  const error = new FlError("FL_PROCESS_CRASHED").toJSON();
  const gone = done("collaborator.x", { state: "failed", error });
  const { snapshot } = run(envoyMachine, input, registered, ...started("x"), gone, assigned("x"));
  t.deepEqual(states(snapshot), { x: "failed" });
  t.falsy(snapshot.children["collaborator.x"]);
  t.truthy(snapshot.children["reportFailure.x"]);
});

test("a collaborator that ended well is forgotten with its assignment", (t) => {
  const gone = done("collaborator.x", { state: "ended", output: {} });
  const { snapshot } = run(envoyMachine, input, registered, ...started("x"), gone, assigned());
  t.deepEqual(states(snapshot), {});
});

test("what is assigned for review is reviewed and does not run; once it is to run, what was approved runs at once (V5)", (t) => {
  const review = given(assignment("x", "review"));
  const asked = run(envoyMachine, input, registered, review);
  t.deepEqual(states(asked.snapshot), { x: "reviewing" });
  t.deepEqual(invoked(asked.actions), { "review.x": assignment("x", "review") });
  const told = run(envoyMachine, input, registered, review, approved("x")).snapshot;
  t.deepEqual(states(told), { x: "reviewing" });
  t.deepEqual(children(told), ["assignments", "heartbeats"]);
  const { actions, snapshot } = run(envoyMachine, input, registered, review, approved("x"), assigned("x"));
  t.deepEqual(states(snapshot), { x: "running" });
  const config = { name: "north", experiment: "x", planDigest: "plan 1", archiveDigest: "archive 1" };
  t.deepEqual(invoked(actions), { "collaborator.x": { role: "collaborator", config } });
});

test("what is to run, and was not reviewed here, is reviewed first (V5)", (t) => {
  const { snapshot } = run(envoyMachine, input, registered, assigned("x"));
  t.deepEqual(states(snapshot), { x: "reviewing" });
  t.falsy(snapshot.children["collaborator.x"]);
  const early = run(envoyMachine, input, registered, given(assignment("x", "review")), assigned("x")).snapshot;
  t.deepEqual(states(early), { x: "reviewing" });
  t.truthy(early.children["review.x"], "the review that is under way goes on");
  t.deepEqual(states(run(envoyMachine, input, registered, ...started("x")).snapshot), { x: "running" });
});

test("what was rejected here does not run: its Aggregator is told, if there is one (V5)", (t) => {
  const review = given(assignment("x", "review"));
  const waiting = run(envoyMachine, input, registered, review, rejected("x")).snapshot;
  t.deepEqual([states(waiting), children(waiting)], [{ x: "reviewing" }, ["assignments", "heartbeats"]]);
  for (const events of [
    [review, rejected("x"), assigned("x")],
    [assigned("x"), rejected("x")],
  ]) {
    const { snapshot, actions } = run(envoyMachine, input, registered, ...events);
    t.deepEqual(states(snapshot), { x: "failed" });
    t.deepEqual(invoked(actions), { "reportFailure.x": { experiment: "x", error: rejection } });
  }
  const broken = failed("review.x", new FlError("FL_INTERNAL"));
  t.deepEqual(states(run(envoyMachine, input, registered, assigned("x"), broken).snapshot), { x: "failed" });
});

test("another plan or archive under the same name is another experiment: what ran is stopped, and it is reviewed (V1, V5)", (t) => {
  const other = given(assignment("x", "run", "2"));
  const { snapshot, actions } = run(envoyMachine, input, registered, ...started("x"), other);
  t.deepEqual(states(snapshot), { x: "reviewing" });
  t.falsy(snapshot.children["collaborator.x"]);
  t.deepEqual(invoked(actions), { "review.x": assignment("x", "run", "2") });
  const again = given(assignment("x", "review"));
  const back = run(envoyMachine, input, registered, ...started("x"), again);
  t.deepEqual(states(back.snapshot), { x: "reviewing" }, "so does what is to be reviewed again");
  t.falsy(back.snapshot.children["collaborator.x"]);
  t.truthy(back.snapshot.children["review.x"]);
  const during = run(envoyMachine, input, registered, assigned("x"), other);
  t.deepEqual(invoked(during.actions), { "review.x": assignment("x", "run", "2") });
  t.deepEqual(children(during.snapshot), ["assignments", "heartbeats", "review.x"]);
});

test("a review of an assignment that is gone is dropped", (t) => {
  const { snapshot } = run(envoyMachine, input, registered, given(assignment("x", "review")), assigned());
  t.deepEqual(children(snapshot), ["assignments", "heartbeats"]);
  t.deepEqual(states(run(envoyMachine, input, registered, assigned("x"), assigned(), approved("x")).snapshot), {});
});

test("it does not go on without its assignments: whoever supervises it starts it anew", (t) => {
  const error = new FlError("FL_CLOSED").toJSON();
  t.like(run(envoyMachine, input, registered, { type: "watch.failed", error }).snapshot.output, { state: "failed" });
});

test("leaving ends it", (t) => {
  t.deepEqual(run(envoyMachine, input, registered, { type: "leave" }).snapshot.output, { state: "left" });
});
