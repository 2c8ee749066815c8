/** One experiment at its Director: E1–E5 of actors/director/experiment.ts. */
import test from "ava";
import { type ExperimentInput, experimentMachine } from "../../actors/director/experiment.ts";
import { FlError } from "../../src/errors.ts";
import type { Order } from "../../src/wire/messages.ts";
import { children, done, failed, invoked, run } from "../support/transitions.ts";

const input: ExperimentInput = {
  name: "x",
  attempt: 1,
  from: "queue",
  collaborators: [],
  order: null,
  reviewed: false,
};
const resumed: ExperimentInput = { ...input, from: "progress", collaborators: ["a", "b"] };
const approved = done("review", { approved: true });
const go = { type: "go", collaborators: ["a", "b"] };
const called = done("call", true);
const consented = done("consult", { approved: true });
const started = done("start", true);
/** reviewed here and at its envoys, and about to start */
const cleared = [approved, go, called, consented];
const aggregator = (output: unknown) => done("aggregator", output);
const recorded = done("end", undefined);
const rest = (ending: unknown) => done("rest", ending);
const outcome = { rounds: 1, metrics: {}, best: null, objects: { last: "x.last", best: "x.best" } };
const failure = {
  role: "collaborator" as const,
  name: "b",
  round: 2,
  error: new FlError("FL_TASK_FAILED", { reason: "boom" }).toJSON(),
};
const ordered = (verb: Order["verb"]) => ({
  ...{ type: "ordered", order: { verb, failure: verb === "fail" ? failure : null } },
});
const running = [...cleared, started];
const finished = aggregator({ state: "ended", output: { state: "finished", outcome } });
const at = (...events: { type: string }[]) => run(experimentMachine, input, ...events).snapshot;

test("it is reviewed, waits for its turn, is reviewed by its envoys, starts, runs its Aggregator and records the outcome", (t) => {
  t.is(at().value, "reviewing");
  t.is(at(approved).value, "waiting");
  t.is(at(approved, go).value, "calling");
  t.deepEqual(at(approved, go).context.collaborators, ["a", "b"]);
  t.is(at(approved, go, called).value, "consulting");
  t.is(at(...cleared).value, "starting");
  t.deepEqual(at(...running).value, { running: "open" });
  const { value, context } = at(...running, finished);
  t.is(value, "ending");
  t.deepEqual(context.ending, { state: "finished", outcome });
  t.is(at(...running, finished, recorded).status, "done");
});

test("one that was in progress is taken up where it stood: it is assigned again and its Aggregator recovers (E1)", (t) => {
  const { snapshot, actions } = run(experimentMachine, resumed);
  t.is(snapshot.value, "starting");
  t.like(invoked(actions).start, { name: "x", attempt: 1, collaborators: ["a", "b"] });
  t.deepEqual(run(experimentMachine, resumed, started).snapshot.value, { running: "open" });
});

test("one that the Director's reviewer has approved is in line at once: a restarted Director knows what it waits for", (t) => {
  const waiting: ExperimentInput = { ...input, reviewed: true };
  t.is(run(experimentMachine, waiting).snapshot.value, "waiting");
});

test("one that may not start any more is left alone", (t) => {
  for (const events of [
    [approved, go, done("call", false)],
    [...cleared, done("start", false)],
  ]) {
    const { status, context } = at(...events);
    t.is(status, "done");
    t.is(context.ending, null);
  }
});

test("D21 D22 rejected in review, at the Director or at an envoy, it ends as rejected with that cause", (t) => {
  const no = { ...failure, role: "director", error: new FlError("FL_REJECTED", { reason: "no" }).toJSON() };
  const rejected = (by: string) => done(by, { approved: false, failure: no });
  for (const events of [[rejected("review")], [approved, go, called, rejected("consult")]]) {
    const { value, context } = at(...events);
    t.is(value, "ending");
    t.deepEqual(context.ending, { state: "rejected", failure: no });
  }
});

test("ordered otherwise while its envoys are asked, it does not wait for them (E5)", (t) => {
  t.is(at(approved, go, ordered("pause")).value, "calling", "what is under way is not left behind");
  for (const before of [
    [approved, go, called, ordered("pause")],
    [approved, go, ordered("pause"), called],
  ]) {
    t.is(at(...before).value, "pausing");
  }
  for (const verb of ["cancel", "fail", "remove"] as const) {
    const { value, context } = at(approved, go, called, ordered(verb));
    t.is(value, "ending");
    t.is(context.ending?.state, verb === "fail" ? "failed" : "cancelled");
  }
  const found: ExperimentInput = { ...resumed, from: "review", order: ordered("pause").order };
  t.is(run(experimentMachine, found).snapshot.value, "pausing", "a restarted Director neither");
});

test("D17 a failure that its Aggregator tells is recorded as it was born, not as the Aggregator's", (t) => {
  const told = aggregator({ state: "ended", output: { state: "failed", failure } });
  t.deepEqual(at(...running, told).context.ending, { state: "failed", failure });
});

test("an Aggregator that cannot be kept running is the failure itself", (t) => {
  const error = new FlError("FL_PROCESS_CRASHED", { reason: "killed" }).toJSON();
  const { context } = at(...running, aggregator({ state: "failed", error }));
  t.like(context.ending, { state: "failed", failure: { role: "aggregator", name: "x", error } });
});

for (const [where, events] of [
  ["reviewing", [failed("review", new FlError("FL_PART_FAILED"))]],
  ["calling", [approved, go, failed("call", new FlError("FL_PLAN_INVALID"))]],
  ["starting", [...cleared, failed("start", new FlError("FL_PLAN_INVALID"))]],
] as const) {
  test(`${where}: an error ends in a recorded failure`, (t) => {
    const { value, context } = at(...events);
    t.is(value, "ending");
    t.like(context.ending, { state: "failed", failure: { role: "director" } });
  });
}

for (const [verb, ending] of [
  ["cancel", { state: "cancelled" }],
  ["remove", { state: "cancelled" }],
  ["fail", { state: "failed", failure }],
] as const) {
  test(`ordered to ${verb} while it runs, it asks its Aggregator and waits for its end, which is as ordered whatever comes back (E3)`, (t) => {
    const snapshot = at(...running, ordered(verb), ordered(verb));
    t.deepEqual(snapshot.value, { running: "stopping" });
    t.deepEqual(children(snapshot), ["aggregator", "endRun"]);
    for (const output of [
      { state: "ended", output: { state: "cancelled" } },
      { state: "ended", output: { state: "failed", failure: { ...failure, name: "other" } } },
      { state: "failed", error: failure.error },
    ]) {
      t.deepEqual(at(...running, ordered(verb), aggregator(output)).context.ending, ending);
    }
  });

  test(`ordered to ${verb} while it starts, or before this Director came, it starts and is then asked to end (E1, E3)`, (t) => {
    t.is(at(...cleared, ordered(verb)).value, "starting", "what is under way is not left behind");
    t.deepEqual(at(...cleared, ordered(verb), started).value, { running: "stopping" });
    const found = { ...resumed, order: ordered(verb).order };
    t.deepEqual(run(experimentMachine, found, started).snapshot.value, { running: "stopping" });
  });
}

test("D39 ordered to pause, its Aggregator is let go, and it rests once that has left (E4)", (t) => {
  const snapshot = at(...running, ordered("pause"));
  t.is(snapshot.value, "pausing");
  t.deepEqual(children(snapshot), ["rest"]);
  const { status, context } = at(...running, ordered("pause"), ordered("pause"), rest(null));
  t.is(status, "done");
  t.is(context.ending, null, "it has not ended");
});

test("ordered to pause while it starts, or before this Director came, it rests without an Aggregator (E1)", (t) => {
  t.is(at(...cleared, ordered("pause")).value, "starting");
  t.is(at(...cleared, ordered("pause"), started).value, "pausing");
  const { snapshot, actions } = run(experimentMachine, { ...resumed, order: ordered("pause").order }, started);
  t.is(snapshot.value, "pausing");
  t.false("aggregator" in invoked(actions));
});

test("what had ended before it could be paused has ended (E4)", (t) => {
  const { value, context } = at(...running, ordered("pause"), rest({ state: "finished", outcome }));
  t.is(value, "ending");
  t.deepEqual(context.ending, { state: "finished", outcome });
});

test("ordered to end while it is being paused, it ends", (t) => {
  const { value, context } = at(...running, ordered("pause"), ordered("cancel"), rest(null));
  t.is(value, "ending");
  t.deepEqual(context.ending, { state: "cancelled" });
});

test("ordered to be removed, what is kept of it is freed when it has ended; also if that was long ago", (t) => {
  const events = [...running, ordered("remove"), aggregator({ state: "ended", output: { state: "cancelled" } })];
  t.is(at(...events, recorded).value, "removing");
  t.is(at(...events, recorded, done("remove")).status, "done");
  const over: ExperimentInput = { ...input, from: "end", order: ordered("remove").order };
  t.is(run(experimentMachine, over).snapshot.value, "removing");
});

test("the first ending counts", (t) => {
  const { context } = at(...running, finished, ordered("cancel"), recorded);
  t.deepEqual(context.ending, { state: "finished", outcome });
});
