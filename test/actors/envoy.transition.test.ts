/** The Envoy's machine: V1–V4 of actors/envoy/machine.ts. */
import test from "ava";
import { envoyMachine } from "../../actors/envoy/machine.ts";
import { FlError } from "../../src/errors.ts";
import { after, done, failed, run } from "../support/transitions.ts";

const input = { name: "north" };
const registered = done("register", { accepted: true, period_ms: 500 });
const refusal = { accepted: false, period_ms: 20_000, error: new FlError("FL_EXISTS").toJSON() };
const taken = done("register", refusal);
const assigned = (...experiments: string[]) => ({ type: "assignments.changed" as const, experiments });
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
  const { snapshot } = run(envoyMachine, input, registered, assigned("x"), { type: "director.unknown" }, taken);
  t.deepEqual(snapshot.context.running, {});
  t.falsy(snapshot.children["collaborator.x"]);
  t.falsy(snapshot.children.assignments, "the assignments are the other's");
  const again = after("patience", "envoy.active.link.yielding");
  const back = [registered, { type: "director.unknown" }, taken, again, registered, assigned("x")];
  t.truthy(run(envoyMachine, input, ...back).snapshot.children["collaborator.x"]);
});

test("a Director that does not know it is told again", (t) => {
  t.is(link(registered, { type: "director.unknown" }), "registering");
});

test("what is assigned runs, what is not any more is stopped, also while no Director answers", (t) => {
  const alone = [registered, { type: "director.unknown" }, failed("register", new FlError("FL_NO_RESPONDER"))];
  const both = run(envoyMachine, input, ...alone, assigned("x", "y")).snapshot;
  t.deepEqual(Object.keys(both.context.running), ["x", "y"]);
  t.truthy(both.children["collaborator.x"]);
  const one = run(envoyMachine, input, ...alone, assigned("x", "y"), assigned("y")).snapshot;
  t.falsy(one.children["collaborator.x"]);
  t.truthy(one.children["collaborator.y"]);
  t.deepEqual(Object.keys(run(envoyMachine, input, ...alone, assigned("x"), assigned()).snapshot.context.running), []);
});

test("the same assignments twice start nothing twice", (t) => {
  const { actions } = run(envoyMachine, input, registered, assigned("x"), assigned("x"));
  t.is(actions.filter((a) => a.type === "xstate.spawnChild").length, 0);
});

test("a collaborator that cannot run is reported and not started again for the same assignment", (t) => {
  const error = new FlError("FL_PROCESS_CRASHED").toJSON();
  const gone = done("collaborator.x", { state: "failed", error });
  const { snapshot } = run(envoyMachine, input, registered, assigned("x"), gone, assigned("x"));
  t.deepEqual(snapshot.context.running, { x: "failed" });
  t.falsy(snapshot.children["collaborator.x"]);
  t.truthy(snapshot.children["reportFailure.x"]);
});

test("a collaborator that ended well is forgotten with its assignment", (t) => {
  const gone = done("collaborator.x", { state: "ended", output: {} });
  const { snapshot } = run(envoyMachine, input, registered, assigned("x"), gone, assigned());
  t.deepEqual(snapshot.context.running, {});
});

test("it does not go on without its assignments: whoever supervises it starts it anew", (t) => {
  const error = new FlError("FL_CLOSED").toJSON();
  t.like(run(envoyMachine, input, registered, { type: "watch.failed", error }).snapshot.output, { state: "failed" });
});

test("leaving ends it", (t) => {
  t.deepEqual(run(envoyMachine, input, registered, { type: "leave" }).snapshot.output, { state: "left" });
});
