import test from "ava";
import type { InputFrom } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { collaboratorMachine } from "../../actors/collaborator/machine.ts";
import { FlError } from "../../src/errors.ts";
import { children, done, failed, go, invoked, type Run, run, type Sent } from "../support/transitions.ts";

const machine = collaboratorMachine;
const input = { experiment: "e", name: "a" };
const seen = (round: number, epoch = 1, asked = true, over = false): Sent => ({
  type: "round.seen",
  place: { epoch, round },
  asked,
  over,
});
const ready = done("prepare");
const cause = new FlError("FL_TASK_FAILED", { reason: "its own" });
const start = (...events: Sent[]): Run<typeof machine> => run(machine, input, ready, ...events);
const doing = ({ snapshot }: Run<typeof machine>): unknown => snapshot.value;
const following = (state: string) => ({ following: state });

test("it prepares, then follows the record and tells that it lives", (t) => {
  const begun = run(machine, input);
  t.is(begun.snapshot.value, "preparing");
  t.deepEqual(Object.keys(invoked(begun.actions)), ["prepare"]);
  const at = go(machine, begun, ready);
  t.deepEqual(doing(at), following("waiting"));
  t.deepEqual(Object.keys(invoked(at.actions)).sort(), ["pulse", "rounds"]);
});

test("C37 what cannot be prepared ends the process with its coded cause (C4)", (t) => {
  const { snapshot } = run(machine, input, failed("prepare", new FlError("FL_SHARD_INVALID", { reason: "no" })));
  t.like(snapshot.output, { state: "failed", error: { code: "FL_SHARD_INVALID", detail: { reason: "no" } } });
});

test("a round that asks is worked on, its update offered, and then it waits", (t) => {
  let at = start(seen(1));
  t.deepEqual(doing(at), following("working"));
  t.deepEqual(invoked(at.actions), { work: { epoch: 1, round: 1 } });
  at = go(machine, at, done("work"));
  t.deepEqual(doing(at), following("offering"));
  t.deepEqual(invoked(at.actions), { offer: { epoch: 1, round: 1 } });
  at = go(machine, at, done("offer"));
  t.deepEqual(doing(at), following("waiting"));
  at = go(machine, at, seen(2));
  t.deepEqual(invoked(at.actions), { work: { epoch: 1, round: 2 } });
});

test("a newer round ends whatever an older one had under way (C1)", (t) => {
  const states: Sent[][] = [[], [done("work")], [failed("work", cause)], [done("work"), done("offer")]];
  for (const events of states) {
    const at = start(seen(1), ...events, seen(2));
    t.deepEqual(doing(at), following("working"));
    t.deepEqual(invoked(at.actions), { work: { epoch: 1, round: 2 } });
    t.deepEqual(children(at.snapshot), ["pulse", "rounds", "work"], "only the new work lives");
    t.like(at.snapshot.context, { ready: false, taskError: null });
  }
});

test("the answer of work that was ended changes nothing any more (C1)", (t) => {
  const at = start(seen(1), seen(2));
  t.true(
    at.actions.some((a) => a.type === "xstate.stopChild"),
    "the old work is stopped",
  );
});

test("what is known already, or older, changes nothing (C1)", (t) => {
  for (const events of [[], [done("work")], [done("work"), done("offer")], [failed("work", cause)]]) {
    const at = start(seen(2, 5), ...events);
    for (const event of [seen(2, 5), seen(2, 4), seen(1, 5), seen(0, 9, false)]) {
      const next = go(machine, at, event);
      t.deepEqual(next.snapshot.value, at.snapshot.value);
      t.deepEqual(next.snapshot.context, at.snapshot.context);
      t.deepEqual(next.actions, []);
    }
  }
});

test("a new epoch asks for the kept update again; nothing is trained again (C2)", (t) => {
  for (const events of [[done("work")], [done("work"), done("offer")]]) {
    const at = start(seen(1, 1), ...events, seen(1, 2));
    t.deepEqual(doing(at), following("offering"));
    t.deepEqual(invoked(at.actions), { offer: { epoch: 2, round: 1 } });
    t.false("work" in invoked(at.actions));
  }
});

test("a new epoch while it works changes only whom the update is offered to (C2)", (t) => {
  const at = start(seen(1, 1), seen(1, 2));
  t.deepEqual(doing(at), following("working"));
  t.deepEqual(at.actions, []);
  t.deepEqual(invoked(go(machine, at, done("work")).actions), { offer: { epoch: 2, round: 1 } });
});

test("a task that fails is reported, and the next round is tried (C3)", (t) => {
  let at = start(seen(1), failed("work", cause));
  t.deepEqual(doing(at), following("reporting"));
  t.like(invoked(at.actions).report, { epoch: 1, round: 1, error: { code: "FL_TASK_FAILED" } });
  at = go(machine, at, done("report"));
  t.deepEqual(doing(at), following("waiting"));
  t.deepEqual(doing(go(machine, at, seen(2))), following("working"));
});

test("what a task throws is a task's failure, whatever it is (C3)", (t) => {
  const at = start(seen(1), failed("work", new TypeError("oops")));
  t.like(invoked(at.actions).report, { error: { code: "FL_TASK_FAILED", detail: { reason: "oops" } } });
});

test("a failed task is reported again to a new epoch, and not tried again (C2, C3)", (t) => {
  for (const events of [[], [done("report")]]) {
    const at = start(seen(1, 1), failed("work", cause), ...events, seen(1, 2));
    t.deepEqual(doing(at), following("reporting"));
    t.like(invoked(at.actions).report, { epoch: 2, round: 1, error: { code: "FL_TASK_FAILED" } });
  }
});

test("who is not asked waits, and ends what it had under way (C1)", (t) => {
  t.deepEqual(doing(start(seen(1, 1, false))), following("waiting"));
  const at = start(seen(1), seen(2, 1, false));
  t.deepEqual(doing(at), following("waiting"));
  t.deepEqual(children(at.snapshot), ["pulse", "rounds"]);
  t.deepEqual(doing(go(machine, at, seen(2, 2, false))), following("waiting"), "by a new epoch, too");
});

test("who is asked only later in the same round begins then: round 0 goes on to another (C1)", (t) => {
  for (const epoch of [1, 2]) {
    const at = start(seen(0, 1, false), seen(0, epoch, true));
    t.deepEqual(doing(at), following("working"));
    t.deepEqual(invoked(at.actions), { work: { epoch, round: 0 } });
  }
  const over = start(seen(0, 1, true), done("work"), seen(0, 1, false));
  t.deepEqual(doing(over), following("waiting"), "who is not asked any more offers nothing more");
  t.deepEqual(
    doing(start(seen(0, 2, false), seen(0, 1, true))),
    following("waiting"),
    "an older epoch asks for nothing",
  );
});

test("over ends it, from every state", (t) => {
  for (const events of [[], [seen(1)], [seen(1), done("work")], [seen(1), failed("work", cause)]]) {
    const { snapshot } = start(...events, seen(9, 9, false, true));
    t.deepEqual(snapshot.output, { state: "ended" });
    t.deepEqual(children(snapshot), []);
  }
});

test("leave ends it, from every state", (t) => {
  for (const events of [
    [],
    [ready],
    [ready, seen(1)],
    [ready, seen(1), done("work")],
    [ready, seen(1), failed("work", cause)],
  ]) {
    const { snapshot } = run(machine, input, ...events, { type: "leave" });
    t.deepEqual(snapshot.output, { state: "left" });
    t.deepEqual(children(snapshot), []);
  }
});

test("a part that the rounds stand on ends the process with its code when it fails", (t) => {
  const gone = new FlError("FL_CLOSED");
  const paths: [string, Sent[]][] = [
    ["rounds", []],
    ["pulse", []],
    ["offer", [seen(1), done("work")]],
    ["report", [seen(1), failed("work", cause)]],
  ];
  for (const [part, events] of paths) {
    const { snapshot } = start(...events, failed(part, gone));
    t.like(snapshot.output, { state: "failed", error: { code: "FL_CLOSED" } }, part);
    t.deepEqual(children(snapshot), []);
  }
});

test("every event sent twice has the effect of once", (t) => {
  const events = [seen(0, 1, false), seen(0, 1), seen(1), seen(1, 2), seen(2, 2, false), seen(2, 3)];
  const once = start(...events).snapshot;
  const twice = start(...events.flatMap((e) => [e, e])).snapshot;
  t.deepEqual(twice.value, once.value);
  t.deepEqual(twice.context, once.context);
});

test("on every path: work is for the newest record seen, an offer only for work that was done, and every state is reached", (t) => {
  const events: Sent[] = [
    ...[ready, failed("prepare", cause), done("work"), failed("work", cause), done("offer"), done("report")],
    ...[failed("offer", cause), { type: "leave" }, seen(2, 2, false, true)],
    ...[0, 1].flatMap((round) => [1, 2].flatMap((epoch) => [true, false].map((asked) => seen(round, epoch, asked)))),
  ];
  const paths = getShortestPaths(machine, {
    input: input as InputFrom<typeof machine>,
    events: events as never,
    limit: 50_000,
    stopWhen: (s: { status: string }) => s.status === "done",
    filterEvents: (s: { children: Record<string, unknown> }, event: { type: string }) => {
      const child = /^xstate\.(?:done|error)\.actor\.(\w+)$/.exec(event.type)?.[1];
      return child === undefined || s.children[child] !== undefined;
    },
    serializeState: (s: Run<typeof machine>["snapshot"]) => {
      const { place, asked, ready: kept, taskError, failure } = s.context;
      return JSON.stringify([s.value, place, asked, kept, taskError?.code, failure?.code]);
    },
  } as never) as unknown as { state: Run<typeof machine>["snapshot"]; steps: { event: Sent }[] }[];
  const reached = new Set<string>();
  for (const { state, steps } of paths) {
    const { place, asked, ready: kept, taskError } = state.context;
    const at = JSON.stringify([state.value, steps.map((s) => s.event)]);
    reached.add(JSON.stringify(state.value));
    t.not(state.status, "error", at);
    t.false(kept && taskError !== null, `an update and a failure: ${at}`);
    if (state.matches({ following: "working" })) t.true(asked && !kept && taskError === null, at);
    if (state.matches({ following: "offering" })) t.true(asked && kept, at);
    if (state.matches({ following: "reporting" })) t.true(asked && taskError !== null, at);
    const rounds = steps.flatMap((s) => (s.event.type === "round.seen" ? [s.event.place as typeof place] : []));
    const newest = rounds.reduce((most, p) => Math.max(most, p.round), -1);
    if (state.status === "active") t.is(place.round, newest, at);
  }
  const inside = ["waiting", "working", "offering", "reporting"].map((s) => JSON.stringify(following(s)));
  t.deepEqual([...reached].sort(), [...inside, '"preparing"', '"ended"', '"failed"', '"left"'].sort());
});
