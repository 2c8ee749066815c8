/** One experiment at its Director: E1–E3 of actors/director/experiment.ts. */
import test from "ava";
import { experimentMachine } from "../../actors/director/experiment.ts";
import { FlError } from "../../src/errors.ts";
import { done, failed, run } from "../support/transitions.ts";

const input = { name: "x" };
const chosen = done("choose", { collaborators: ["a", "b"] });
const approved = done("review", null);
const started = done("start", undefined);
const aggregator = (output: unknown) => done("aggregator", output);
const recorded = done("end", undefined);
const outcome = { rounds: 1, metrics: {}, best: null, objects: { last: "x.last", best: "x.best" } };
const failure = {
  role: "collaborator",
  name: "b",
  round: 2,
  error: new FlError("FL_TASK_FAILED", { reason: "boom" }).toJSON(),
};
const cancel = { type: "cancel" };

test("it waits for envoys, starts, runs its Aggregator and records the outcome", (t) => {
  t.is(run(experimentMachine, input).snapshot.value, "choosing");
  t.is(run(experimentMachine, input, chosen).snapshot.value, "reviewing");
  t.is(run(experimentMachine, input, chosen, approved).snapshot.value, "starting");
  t.deepEqual(run(experimentMachine, input, chosen, approved, started).snapshot.value, { running: "open" });
  const events = [chosen, approved, started, aggregator({ state: "ended", output: { state: "finished", outcome } })];
  const { snapshot } = run(experimentMachine, input, ...events);
  t.is(snapshot.value, "ending");
  t.deepEqual(snapshot.context.ending, { state: "finished", outcome });
  t.is(run(experimentMachine, input, ...events, recorded).snapshot.status, "done");
});

test("a failure that its Aggregator tells is recorded as it was born, not as the Aggregator's", (t) => {
  const told = aggregator({ state: "ended", output: { state: "failed", failure } });
  const { context } = run(experimentMachine, input, chosen, approved, started, told).snapshot;
  t.deepEqual(context.ending, { state: "failed", failure });
});

test("an Aggregator that cannot be kept running is the failure itself", (t) => {
  const error = new FlError("FL_PROCESS_CRASHED", { reason: "killed" }).toJSON();
  const { context } = run(
    experimentMachine,
    input,
    chosen,
    approved,
    started,
    aggregator({ state: "failed", error }),
  ).snapshot;
  t.like(context.ending, { state: "failed", failure: { role: "aggregator", name: "x", error } });
});

for (const [where, events] of [
  ["choosing", [failed("choose", new FlError("FL_PLAN_INVALID"))]],
  ["reviewing", [chosen, failed("review", new FlError("FL_NOT_FOUND"))]],
  ["starting", [chosen, approved, failed("start", new FlError("FL_PLAN_INVALID"))]],
] as const) {
  test(`${where}: an error ends in a recorded failure`, (t) => {
    const { snapshot } = run(experimentMachine, input, ...events);
    t.is(snapshot.value, "ending");
    t.like(snapshot.context.ending, { state: "failed", failure: { role: "director" } });
  });
}

test("cancelled before it runs, it ends at once", (t) => {
  for (const events of [[cancel], [chosen, cancel], [chosen, approved, cancel]]) {
    const { snapshot } = run(experimentMachine, input, ...events);
    t.is(snapshot.value, "ending");
    t.deepEqual(snapshot.context.ending, { state: "cancelled" });
  }
});

test("cancelled while it runs, it asks its Aggregator and waits for its end, which is a cancelled one whatever comes back", (t) => {
  const { snapshot } = run(experimentMachine, input, chosen, approved, started, cancel, cancel);
  t.deepEqual(snapshot.value, { running: "cancelling" });
  t.truthy(snapshot.children.cancelRun);
  t.truthy(snapshot.children.aggregator);
  for (const output of [
    { state: "ended", output: { state: "cancelled" } },
    { state: "ended", output: { state: "failed", failure } },
    { state: "failed", error: failure.error },
  ]) {
    const { context } = run(experimentMachine, input, chosen, approved, started, cancel, aggregator(output)).snapshot;
    t.deepEqual(context.ending, { state: "cancelled" });
  }
});

test("the first ending counts", (t) => {
  const events = [
    chosen,
    approved,
    started,
    aggregator({ state: "ended", output: { state: "finished", outcome } }),
    cancel,
  ];
  t.deepEqual(run(experimentMachine, input, ...events).snapshot.context.ending, { state: "finished", outcome });
});

test("what its reviewers reject is not started: it ends as rejected, with their reason (E4)", (t) => {
  const error = new FlError("FL_REJECTED", { reason: "no purpose" }).toJSON();
  const rejected = { role: "envoy", name: "b", round: null, error };
  const { snapshot } = run(experimentMachine, input, chosen, done("review", rejected));
  t.is(snapshot.value, "ending");
  t.deepEqual(snapshot.context.ending, { state: "rejected", failure: rejected });
});
