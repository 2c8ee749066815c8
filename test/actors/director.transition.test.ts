/** The Director's machine: D1–D3 of actors/director/machine.ts. */
import test from "ava";
import { directorMachine } from "../../actors/director/machine.ts";
import { done, run } from "../support/transitions.ts";

const input = { name: "director", limit: 1 };
const submitted = (experiment: string) => ({ type: "experiment.submitted" as const, experiment });
const cancel = (experiment: string) => ({ type: "experiment.cancel" as const, experiment });
const ended = (experiment: string) => done(`experiment.${experiment}`, undefined);

test("an experiment starts at once when there is room", (t) => {
  const { snapshot } = run(directorMachine, input, submitted("a"));
  t.deepEqual([snapshot.context.queue, snapshot.context.running], [[], ["a"]]);
  t.truthy(snapshot.children["experiment.a"]);
});

test("experiments run in the order of submission, one at a time", (t) => {
  const { snapshot } = run(directorMachine, input, submitted("a"), submitted("b"), submitted("c"));
  t.deepEqual([snapshot.context.running, snapshot.context.queue], [["a"], ["b", "c"]]);
  const next = run(directorMachine, input, submitted("a"), submitted("b"), submitted("c"), ended("a")).snapshot;
  t.deepEqual([next.context.running, next.context.queue], [["b"], ["c"]]);
  t.falsy(next.children["experiment.a"], "what has ended is forgotten");
});

test("with a higher limit that many run at once", (t) => {
  const { snapshot } = run(directorMachine, { ...input, limit: 2 }, submitted("a"), submitted("b"), submitted("c"));
  t.deepEqual([snapshot.context.running, snapshot.context.queue], [["a", "b"], ["c"]]);
});

test("a submission that comes twice is queued once", (t) => {
  const { snapshot } = run(directorMachine, input, submitted("a"), submitted("a"), submitted("b"), submitted("b"));
  t.deepEqual([snapshot.context.running, snapshot.context.queue], [["a"], ["b"]]);
});

test("a cancelled experiment that waits leaves the queue and is recorded; it never runs", (t) => {
  const events = [submitted("a"), submitted("b"), cancel("b")];
  const { snapshot, actions } = run(directorMachine, input, ...events);
  t.deepEqual(snapshot.context.queue, []);
  t.truthy(snapshot.children["withdraw.b"]);
  t.true(actions.some((a) => a.type === "xstate.spawnChild"));
  t.deepEqual(run(directorMachine, input, ...events, ended("a")).snapshot.context.running, []);
});

test("a cancelled experiment that runs is asked to end and stays running until it has", (t) => {
  const { snapshot, actions } = run(directorMachine, input, submitted("a"), cancel("a"));
  t.deepEqual(snapshot.context.running, ["a"]);
  t.true(actions.some((a) => a.type === "xstate.sendTo"));
});

test("cancelling what is not there changes nothing", (t) => {
  const { snapshot } = run(directorMachine, input, submitted("a"), cancel("x"));
  t.deepEqual([snapshot.context.running, snapshot.context.queue], [["a"], []]);
});

test("a Director that cannot read submissions fails rather than look alive", (t) => {
  const error = { code: "FL_CLOSED", message: "", detail: {} };
  t.like(run(directorMachine, input, { type: "watch.failed", error }).snapshot.output, { state: "failed" });
});

test("leaving ends the machine and keeps what was queued for its successor", (t) => {
  const { snapshot } = run(directorMachine, input, submitted("a"), submitted("b"), { type: "leave" });
  t.is(snapshot.status, "done");
  t.deepEqual([snapshot.context.running, snapshot.context.queue], [["a"], ["b"]]);
});
