/** The Director's machine: D1–D4 of actors/director/machine.ts. */
import test from "ava";
import { type DirectorInput, directorMachine, type Entry, lineOf } from "../../actors/director/machine.ts";
import type { Order } from "../../src/wire/messages.ts";
import { children, done, go, invoked, run } from "../support/transitions.ts";

const input: DirectorInput = { name: "director", limit: 2, share: false };
const entry = (name: string, more: Partial<Entry> = {}): Entry => ({
  ...{ name, seq: 1, attempt: 1, priority: 0, resumed: false, state: "pending", order: null, collaborators: [] },
  ...{ wanted: { collaborators: "all", quorum: "all" }, reviewed: false, ...more },
});
const recovered = (...entries: Entry[]) => done("recover", entries);
const changed = (name: string, more: Partial<Entry> | null = {}) => ({
  ...{ type: "experiment.changed", experiment: name, entry: more === null ? null : entry(name, more) },
});
const ready = (experiment: string, attempt = 1) => ({ type: "experiment.ready", experiment, attempt });
const cast = (experiment: string, ...collaborators: string[]) => ({
  ...{ type: "experiment.cast", experiment, collaborators },
});
const ended = (name: string, attempt = 1) => done(`experiment.${name}.${attempt}`);
const order = (verb: Order["verb"]): Order => ({ verb, failure: null });
const at = (...events: { type: string }[]) => run(directorMachine, input, recovered(), ...events);
const line = (...events: { type: string }[]) => {
  const { waiting, running } = lineOf(at(...events).snapshot.context);
  return [waiting.map((w) => w.name), running.map((r) => `${r.name}: ${r.collaborators.join(" ")}`)];
};
const actors = (...events: { type: string }[]) =>
  children(at(...events).snapshot).filter((id) => id.startsWith("experiment."));
/** what was sent to whom by the last event */
const sent = (...events: { type: string }[]) =>
  at(...events).actions.flatMap(({ type, params }) => {
    const { targetId, event } = params as { targetId?: string; event?: { type: string } };
    return type === "xstate.sendTo" && targetId !== "casting" ? [[targetId, event?.type]] : [];
  });

test("it serves once it has read the records, and not before", (t) => {
  t.deepEqual(children(run(directorMachine, input).snapshot), ["recover"]);
  t.deepEqual(children(at().snapshot), ["casting", "deadlines", "desk", "records", "submissions"]);
});

test("D37 a restarted Director goes on from the records: what waited waits, what ran runs, what was ordered is done (D1)", (t) => {
  const { snapshot, actions } = run(
    directorMachine,
    input,
    recovered(
      entry("waits"),
      entry("reviewed", { state: "in_review" }),
      entry("ran", { state: "in_progress", attempt: 3, collaborators: ["a"] }),
      entry("stops", { state: "in_progress", order: order("cancel") }),
      entry("goes", { state: "finished", order: order("remove") }),
    ),
  );
  const inputs = invoked(actions);
  t.like(inputs["experiment.waits.1"], { from: "queue" });
  t.like(inputs["experiment.reviewed.1"], { from: "queue" });
  t.like(inputs["experiment.ran.3"], { from: "progress", attempt: 3, collaborators: ["a"] });
  t.like(inputs["experiment.stops.1"], { from: "progress", order: { verb: "cancel" } });
  t.like(inputs["experiment.goes.1"], { from: "end", order: { verb: "remove" } });
  const { running } = lineOf(snapshot.context);
  t.deepEqual(running.map((r) => r.name).sort(), ["ran", "stops"], "what ran holds its envoys and its place");
});

test("an experiment has an actor when it is taken in, and is in line when that has been reviewed (D2, D4)", (t) => {
  t.deepEqual(actors(changed("a")), ["experiment.a.1"]);
  t.deepEqual(line(changed("a")), [[], []]);
  t.deepEqual(line(changed("a"), ready("a")), [["a"], []]);
});

test("what is cast goes, once, with those it was cast with, and has its place until it has ended", (t) => {
  const events = [changed("a"), ready("a"), changed("b"), ready("b"), cast("a", "north")];
  t.deepEqual(sent(...events), [["experiment.a.1", "go"]]);
  t.deepEqual(line(...events), [["b"], ["a: north"]]);
  t.deepEqual(sent(...events, cast("a", "south")), [], "told before");
  t.deepEqual(line(...events, changed("a", { state: "in_progress", collaborators: ["north"] })), [["b"], ["a: north"]]);
  t.deepEqual(line(...events, changed("a", null)), [["b"], []]);
  t.deepEqual(actors(...events, changed("a", null), ended("a")), ["experiment.b.1"], "what has ended is forgotten");
});

test("what cannot be cast any more is not: it was withdrawn meanwhile", (t) => {
  t.deepEqual(sent(changed("a"), ready("a"), changed("a", null), cast("a", "north")), []);
});

test("a change that comes twice changes nothing", (t) => {
  const events = [changed("a"), changed("a"), ready("a"), ready("a"), changed("a")];
  t.deepEqual(actors(...events), ["experiment.a.1"]);
  t.deepEqual(line(...events), [["a"], []]);
});

test("priority and place in line are those of the record as it is now", (t) => {
  const { snapshot } = at(changed("a"), ready("a"), changed("a", { priority: 7 }));
  t.is(lineOf(snapshot.context).waiting[0]?.priority, 7);
});

test("D39 what is paused, cancelled or failed while it waits leaves the line with its actor (D2)", (t) => {
  for (const before of [[changed("a")], [changed("a"), ready("a")]]) {
    t.deepEqual(line(...before, changed("a", null)), [[], []]);
    t.deepEqual(actors(...before, changed("a", null)), []);
  }
});

test("an order on what runs reaches its actor, again with every change until it is carried out", (t) => {
  const events = [changed("a"), ready("a"), cast("a", "north")];
  for (const verb of ["pause", "cancel", "fail", "remove"] as const) {
    const given = changed("a", { state: "in_progress", order: order(verb) });
    t.deepEqual(sent(...events, given), [["experiment.a.1", "ordered"]], verb);
    t.deepEqual(sent(...events, given, changed("other")), [["experiment.a.1", "ordered"]], verb);
    t.deepEqual(line(...events, given), [[], ["a: north"]], "it holds its place until it has ended");
  }
});

test("what goes on is another attempt with another actor, also when the one before has not quite left", (t) => {
  const ran = [changed("a"), ready("a"), cast("a", "north"), changed("a", null)];
  const again = changed("a", { attempt: 2, resumed: true, collaborators: ["north"] });
  t.deepEqual(actors(...ran, ended("a"), again), ["experiment.a.2"]);
  t.deepEqual(actors(...ran, again), ["experiment.a.1"], "one at a time");
  t.deepEqual(actors(...ran, again, ended("a")), ["experiment.a.2"]);
  t.deepEqual(line(...ran, again, ended("a"), ready("a", 1)), [[], []], "another attempt's word");
  t.deepEqual(line(...ran, again, ended("a"), ready("a", 2)), [["a"], []]);
});

test("what is removed while it waits is first withdrawn, then freed, by an actor of its own", (t) => {
  const { snapshot, actions } = at(
    changed("a"),
    ready("a"),
    changed("a", { state: "cancelled", order: order("remove") }),
  );
  t.like(invoked(actions)["experiment.a.1"], { from: "end" });
  t.deepEqual(lineOf(snapshot.context).running, [], "it holds no place");
});

test("D19 an experiment that ended, however it ended, never blocks the next (D3)", (t) => {
  const events = [changed("a"), ready("a"), cast("a", "north"), changed("b"), ready("b")];
  t.deepEqual(line(...events, changed("a", null), ended("a")), [["b"], []]);
  t.deepEqual(line(...events, ended("a"), changed("a", null)), [["b"], []]);
});

test("a Director that cannot read submissions fails rather than look alive", (t) => {
  const error = { code: "FL_CLOSED", message: "", detail: {} };
  const lost = { type: "watch.failed", error };
  t.like(at(lost).snapshot.output, { state: "failed" });
});

test("leaving ends the machine, also before it serves", (t) => {
  t.deepEqual(at(changed("a"), { type: "leave" }).snapshot.output, { state: "left" });
  t.deepEqual(go(directorMachine, run(directorMachine, input), { type: "leave" }).snapshot.output, { state: "left" });
});
