import test from "ava";
import type { InputFrom } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { isMendable } from "../../actors/aggregator/checkpoint.ts";
import { type AggregatorInput, aggregatorMachine, type Checkpoint } from "../../actors/aggregator/machine.ts";
import { type Code, FlError, type WireError } from "../../src/errors.ts";
import type { Failure, ModelRef, Outcome } from "../../src/wire/messages.ts";
import { after, children, done, emitted, failed, go, invoked, run, type Sent } from "../support/transitions.ts";

const machine = aggregatorMachine;
const names = ["a", "b", "c"];
const input: AggregatorInput = { experiment: "e", rounds: 2, collaborators: names, rates: true };

const ref = (round: number): ModelRef => ({ seq: round, chunks: 1, bytes: 4, epoch: 1, round, layout: "l" });
const checkpoint = (round: number): Checkpoint => ({
  round,
  trained: Math.max(0, round - 1),
  model: round === 0 ? null : ref(round),
  best: null,
  metrics: {},
  plateau: null,
  kept: [],
  state: null,
});
const outcome: Outcome = { rounds: 2, metrics: {}, best: null, objects: { last: "e.last", best: "e.best" } };
const error = (reason: string): WireError => ({
  code: "FL_TASK_FAILED",
  message: `failed: ${reason}`,
  detail: { reason },
});
const failure: Failure = { role: "collaborator", name: "a", round: 1, error: error("its own") };

const recovered = (round: number) => done("recover", { checkpoint: checkpoint(round), ended: null });
const opened = (
  expected: readonly string[] = names,
  deadlineMs: number | null = null,
  quorum = Math.min(2, expected.length),
) => done("openRound", { collaborators: names, expected, quorum, deadlineMs });
const closed = (round: number, stop = false) =>
  done("closeRound", { checkpoint: checkpoint(round + 1), contributors: names, late: [], seconds: 1.5, stop });
const accepted = (collaborator: string) => ({ type: "update.accepted", collaborator });
const lost = (collaborator: string, round = 1, reason = collaborator) => ({
  type: "collaborator.failed",
  collaborator,
  round,
  error: error(reason),
});
const deadline = after("deadline", "aggregator.active.collecting");
const collecting = [recovered(1), opened(names, 1000)];
type Context = ReturnType<typeof run<typeof machine>>["snapshot"]["context"];
const value = (...events: Sent[]) => run(machine, input, ...events).snapshot.value;
const active = (state: string) => ({ active: state });

// --- A1: from the record ----------------------------------------------------------------------------------------------

test("it begins by reading the record, and listens from the start (A1)", (t) => {
  const { snapshot, actions } = run(machine, input);
  t.deepEqual(snapshot.value, active("recovering"));
  t.deepEqual(Object.keys(invoked(actions)).sort(), ["intake", "recover"]);
});

test("it goes on from whatever checkpoint the record holds (A1)", (t) => {
  const { snapshot, actions } = run(machine, input, recovered(2));
  t.deepEqual(snapshot.value, active("opening"));
  t.deepEqual(invoked(actions).openRound, { checkpoint: checkpoint(2), skip: [] });
});

test("an experiment whose record says that it has ended is not resumed (A1)", (t) => {
  const ended = (end: unknown) =>
    run(machine, input, done("recover", { checkpoint: checkpoint(2), ended: end })).snapshot;
  t.deepEqual(ended({ state: "finished", outcome }).output, { state: "finished", outcome });
  t.deepEqual(ended({ state: "failed", failure }).output, { state: "failed", failure });
  t.deepEqual(ended({ state: "cancelled" }).output, { state: "cancelled" });
});

// --- a round ------------------------------------------------------------------------------------------------------------

test("a whole experiment: every round opens, collects and closes, the last one rates, then it concludes (A2, A3)", (t) => {
  let at = run(machine, input, recovered(1));
  for (const round of [1, 2, 3]) {
    t.like(invoked(at.actions).openRound, { checkpoint: { round } });
    at = go(machine, at, opened());
    at = go(machine, at, accepted("b"), accepted("a"));
    t.deepEqual(at.snapshot.value, active("collecting"), "the quorum alone closes nothing");
    at = go(machine, at, accepted("c"));
    t.deepEqual(at.snapshot.value, active("closing"), "the last update does (A2)");
    t.deepEqual(invoked(at.actions).closeRound, { checkpoint: checkpoint(round), failed: [] });
    at = go(machine, at, closed(round));
    t.like(emitted(at.actions)[0], { type: "round.closed", round, detail: { contributors: names, seconds: 1.5 } });
  }
  t.deepEqual(at.snapshot.value, active("concluding"));
  at = go(machine, at, done("conclude", outcome));
  t.deepEqual(at.snapshot.output, { state: "finished", outcome });
  t.deepEqual(children(at.snapshot), []);
});

test("without a rating the round after the last does not come (A3)", (t) => {
  const plain = { ...input, rates: false };
  const events = [recovered(2), opened(), ...names.map(accepted), closed(2)];
  t.deepEqual(run(machine, plain, ...events).snapshot.value, active("concluding"));
  t.deepEqual(run(machine, input, ...events).snapshot.value, active("opening"));
});

test("an Aggregator that recovers past the last round has only the rating to do (A1, A3)", (t) => {
  const at = run(machine, input, recovered(3));
  t.like(invoked(at.actions).openRound, { checkpoint: { round: 3 } });
  t.deepEqual(go(machine, at, opened(), ...names.map(accepted), closed(3)).snapshot.value, active("concluding"));
  t.deepEqual(run(machine, input, recovered(4)).snapshot.value, active("concluding"), "or not even that");
});

test("a reached target skips to the rating round, or to the end where nothing rates (A3)", (t) => {
  const long = { ...input, rounds: 100 };
  const events = [recovered(1), opened(), ...names.map(accepted), closed(1, true)];
  const { actions, snapshot } = run(machine, long, ...events);
  t.like(invoked(actions).openRound, { checkpoint: { round: 101, trained: 1, model: ref(2) } });
  t.deepEqual(snapshot.context.accepted, []);
  t.deepEqual(run(machine, { ...long, rates: false }, ...events).snapshot.value, active("concluding"));
  const rating = [recovered(101), opened(), ...names.map(accepted), closed(101, true)];
  t.deepEqual(run(machine, long, ...rating).snapshot.value, active("concluding"), "the rating itself is not repeated");
});

test("deadline: with the quorum the round closes, without it the experiment fails (A2)", (t) => {
  t.deepEqual(value(...collecting, accepted("a"), accepted("b"), deadline), active("closing"));
  const { snapshot, actions } = run(machine, input, ...collecting, accepted("a"), deadline);
  t.is(snapshot.value, "failing");
  t.like(invoked(actions).abandon, {
    failure: {
      ...{ role: "aggregator", name: "e", round: 1 },
      error: { code: "FL_NO_QUORUM", detail: { accepted: 1, quorum: 2, missing: ["b", "c"] } },
    },
  });
});

test("deadline: what is left of it goes on after a restart", (t) => {
  const delay = (ms: number | null) =>
    run(machine, input, recovered(1), opened(names, ms)).actions.find((a) => a.type === "xstate.raise")?.params;
  t.like(delay(1234), { delay: 1234 });
  t.like(delay(0), { delay: 0 });
});

test("without a deadline the timer's own limit ends nothing", (t) => {
  t.deepEqual(value(recovered(1), opened(names, null), accepted("a"), deadline), active("collecting"));
});

test("deadline: a failed collaborator's own cause is the failure's, not only the missing quorum", (t) => {
  const at = run(machine, input, ...collecting, lost("b"), deadline);
  t.like(invoked(at.actions).abandon, { failure: { role: "collaborator", name: "b", error: error("b") } });
});

test("deadline: an aggregation actor that is still waited for is the cause, by name (A7)", (t) => {
  const awaited = (part: string | null) => ({ type: "aggregation.awaited", part });
  const cause = (...events: Sent[]) => {
    const { failure } = invoked(run(machine, input, ...collecting, ...events).actions).abandon as { failure: Failure };
    return failure;
  };
  const failure = cause(awaited("nats:rule"), accepted("a"), lost("b"), deadline);
  t.like(failure, {
    ...{ role: "aggregator", name: "e", round: 1 },
    error: { code: "FL_NO_QUORUM", detail: { part: "nats:rule", accepted: 1, quorum: 2, missing: ["b", "c"] } },
  });
  t.regex(failure.error.message, /nats:rule/);
  t.is(cause(awaited("nats:rule"), awaited(null), deadline).error.detail.part, undefined, "it has come");
  t.is(cause(awaited("nats:rule"), lost("a"), lost("b")).name, "a", "the deadline had no part in it");
  const enough = [awaited("nats:rule"), accepted("a"), accepted("b"), deadline];
  t.deepEqual(value(...collecting, ...enough), active("closing"));
  const early = run(machine, input, awaited("nats:rule"), ...collecting, deadline);
  t.like(
    invoked(early.actions).abandon,
    { failure: { error: { detail: { part: "nats:rule" } } } },
    "heard before the round",
  );
});

// --- who is asked, and the straggler policy -----------------------------------------------------------------------------

test("only those who were asked are waited for, and only they count for the quorum (A2)", (t) => {
  let at = run(machine, input, recovered(1), opened(["b"]));
  t.deepEqual(at.snapshot.value, active("collecting"));
  at = go(machine, at, accepted("b"));
  t.deepEqual(at.snapshot.value, active("closing"));
});

test("a round that asks nobody closes at once", (t) => {
  t.deepEqual(value(recovered(3), opened([])), active("closing"));
});

test("once the policy has waited enough the quorum closes the round, at once or when it comes (A2)", (t) => {
  const enough = (round = 1) => ({ type: "policy.enough", round });
  t.deepEqual(value(...collecting, accepted("a"), accepted("b"), enough()), active("closing"));
  t.deepEqual(value(...collecting, accepted("a"), enough()), active("collecting"), "not below the quorum");
  t.deepEqual(value(...collecting, enough(), accepted("a"), accepted("b")), active("closing"), "it stands");
  t.deepEqual(
    value(recovered(1), enough(), opened(), accepted("a"), accepted("b")),
    active("closing"),
    "from the start",
  );
  t.deepEqual(value(...collecting, enough(0), accepted("a"), accepted("b")), active("collecting"), "of another round");
  const next = [
    ...collecting,
    accepted("a"),
    accepted("b"),
    enough(),
    closed(1),
    opened(),
    accepted("a"),
    accepted("b"),
  ];
  t.deepEqual(value(...next), active("collecting"), "the next round waits anew");
});

test("a part that the plan relies on and that does not work ends the experiment with its own cause", (t) => {
  for (const [state, events] of everywhere) {
    const at = run(machine, input, ...events, { type: "part.failed", error: new FlError("FL_PART_FAILED").toJSON() });
    t.is(at.snapshot.value, "failing", state);
    t.like(invoked(at.actions).abandon, { failure: { role: "aggregator", error: { code: "FL_PART_FAILED" } } });
  }
});

// --- A4: failed and silent collaborators --------------------------------------------------------------------------------

test("a collaborator that failed is not waited for, in this round only (A4)", (t) => {
  let at = run(machine, input, ...collecting, lost("a"));
  t.deepEqual(emitted(at.actions), [
    { type: "collaborator.failed", round: 1, detail: { collaborator: "a", error: error("a") } },
  ]);
  at = go(machine, at, accepted("b"), accepted("c"));
  t.deepEqual(at.snapshot.value, active("closing"));
  at = go(machine, at, closed(1), opened(), accepted("b"), accepted("c"));
  t.deepEqual(at.snapshot.value, active("collecting"), "in the next round it is waited for again");
  t.deepEqual(go(machine, at, accepted("a")).snapshot.value, active("closing"));
});

test("a round that all have answered but too few with an update has lost its quorum, with the first cause", (t) => {
  const { snapshot, actions } = run(machine, input, ...collecting, lost("b", 1, "first"), lost("c", 1, "second"));
  t.is(snapshot.value, "failing");
  t.like(invoked(actions).abandon, { failure: { role: "collaborator", name: "b", round: 1, error: error("first") } });
});

test("an update that is in counts, even if its collaborator is reported as failed after it", (t) => {
  const at = run(machine, input, recovered(1), opened(names, 1000, 3), accepted("a"), lost("a"));
  t.deepEqual(at.snapshot.value, active("collecting"));
  t.deepEqual(go(machine, at, accepted("b"), accepted("c")).snapshot.value, active("closing"));
});

test("failures of another round, and of someone who takes no part, change nothing", (t) => {
  const before = run(machine, input, ...collecting);
  for (const event of [lost("a", 0), lost("a", 2), lost("stranger")]) {
    t.deepEqual(go(machine, before, event).snapshot.context, before.snapshot.context);
  }
});

test("a silent collaborator is announced and waited for; its return is announced, too (A4)", (t) => {
  for (const type of ["collaborator.lost", "collaborator.returned"]) {
    const at = run(machine, input, ...collecting, { type, collaborator: "a" });
    t.deepEqual(at.snapshot.value, active("collecting"));
    t.deepEqual(emitted(at.actions), [{ type, round: 1, detail: { collaborator: "a" } }]);
  }
});

test("a failure that comes while the round opens is announced as one that comes later is", (t) => {
  const at = run(machine, input, recovered(1), lost("a"));
  t.deepEqual(at.snapshot.value, active("opening"));
  t.deepEqual(emitted(at.actions), [
    { type: "collaborator.failed", round: 1, detail: { collaborator: "a", error: error("a") } },
  ]);
});

test("a failure that is said again is announced once in its round; another cause is told, and in the next round it is news (A6)", (t) => {
  for (const before of [[recovered(1)], collecting]) {
    let at = run(machine, input, ...before, lost("a"), lost("a"));
    t.deepEqual(emitted(at.actions), []);
    at = go(machine, at, lost("a", 1, "another"));
    t.like(emitted(at.actions)[0], { detail: { error: { detail: { reason: "another" } } } });
  }
  const next = run(machine, input, ...collecting, lost("a"), accepted("b"), accepted("c"), closed(1), lost("a", 2));
  t.is(emitted(next.actions).length, 1);
});

test("a refused update is announced with its cause", (t) => {
  const at = run(machine, input, ...collecting, { type: "update.refused", collaborator: "a", error: error("x") });
  t.deepEqual(emitted(at.actions), [
    { type: "update.refused", round: 1, detail: { collaborator: "a", error: error("x") } },
  ]);
});

test("a collaborator quicker than the record's acknowledgement is counted", (t) => {
  const at = run(machine, input, recovered(1), accepted("a"), lost("b"), opened());
  t.deepEqual(at.snapshot.value, active("collecting"));
  t.deepEqual(go(machine, at, accepted("c")).snapshot.value, active("closing"));
  t.deepEqual(value(recovered(1), ...names.map(accepted), opened()), active("closing"), "even if all were");
});

// --- A3: round 0 ----------------------------------------------------------------------------------------------------------

test("round 0 needs one model; when its collaborator fails another is asked (A3)", (t) => {
  let at = run(machine, input, recovered(0), opened(["a"]), lost("a", 0));
  t.deepEqual(at.snapshot.value, active("opening"));
  t.deepEqual(invoked(at.actions).openRound, { checkpoint: checkpoint(0), skip: ["a"] });
  at = go(machine, at, opened(["b"]));
  t.deepEqual(at.snapshot.value, active("collecting"), "the failure of the first ends nothing now");
  at = go(machine, at, accepted("b"));
  t.deepEqual(at.snapshot.value, active("closing"));
  at = go(machine, at, closed(0));
  t.deepEqual(invoked(at.actions).openRound, { checkpoint: checkpoint(1), skip: [] }, "round 1 asks everybody");
});

test("round 0 fails with the collaborator's own cause when nobody is left to ask", (t) => {
  const tries = names.flatMap((n) => [opened([n]), lost(n, 0)]);
  const { snapshot, actions } = run(machine, input, recovered(0), ...tries);
  t.is(snapshot.value, "failing");
  t.like(invoked(actions).abandon, { failure: { role: "collaborator", name: "c", round: 0, error: error("c") } });
});

test("round 0: strangers that report a failure do not use up the candidates", (t) => {
  const strangers = ["x", "y", "z"].map((n) => lost(n, 0));
  t.deepEqual(value(recovered(0), opened(["a"]), ...strangers, lost("a", 0)), active("opening"));
});

test("round 0: a failure that comes while the round opens is not lost", (t) => {
  const at = run(machine, input, recovered(0), lost("a", 0), opened(["a"]));
  t.deepEqual(at.snapshot.value, active("opening"));
  t.deepEqual(invoked(at.actions).openRound, { checkpoint: checkpoint(0), skip: ["a"] });
});

// --- closing, ending ----------------------------------------------------------------------------------------------------

test("late events in closing are known and change nothing", (t) => {
  const closing = run(machine, input, ...collecting, ...names.map(accepted));
  for (const event of [accepted("a"), lost("a"), deadline]) {
    const at = go(machine, closing, event);
    t.deepEqual(at.snapshot.value, closing.snapshot.value);
    t.deepEqual(at.snapshot.context, closing.snapshot.context);
    t.deepEqual(at.actions, []);
  }
});

test("whatever invoked part fails, the experiment fails with that part's code and the record is told", (t) => {
  const cause = new FlError("FL_FENCED", { reason: "another" });
  const paths: [string, Sent[]][] = [
    ["intake", []],
    ["recover", []],
    ["openRound", [recovered(1)]],
    ["closeRound", [...collecting, ...names.map(accepted)]],
    ["conclude", [recovered(3), opened(), ...names.map(accepted), closed(3)]],
  ];
  for (const [part, events] of paths) {
    const at = run(machine, input, ...events, failed(part, cause));
    t.is(at.snapshot.value, "failing", part);
    t.like(invoked(at.actions).abandon, { failure: { role: "aggregator", name: "e", error: { code: "FL_FENCED" } } });
    for (const end of [done("abandon"), failed("abandon", new Error("x"))]) {
      const { snapshot } = go(machine, at, end);
      t.like(snapshot.output, { state: "failed", failure: { error: { code: "FL_FENCED" } } });
      t.deepEqual(children(snapshot), []);
    }
    t.like(go(machine, at, { type: "leave" }).snapshot.output, { state: "failed" });
  }
});

test("an aggregation actor that lost its round's updates ends this process; the record stays open for the next (A5)", (t) => {
  const lost = new FlError("FL_PART_LOST").toJSON();
  for (const [state, events] of everywhere) {
    const at = run(machine, input, ...events, { type: "aggregation.lost", error: lost });
    t.is(at.snapshot.value, "failing", state);
    t.like(invoked(at.actions).abandon, { failure: { role: "aggregator", error: { code: "FL_PART_LOST" } } });
  }
  const failure = { role: "aggregator" as const, name: "e", round: 1 };
  const isMended = (code: Code): boolean => isMendable({ ...failure, error: new FlError(code).toJSON() });
  t.deepEqual((["FL_PART_LOST", "FL_FENCED", "FL_TIMEOUT", "FL_NO_QUORUM"] as const).map(isMended), [
    true,
    true,
    true,
    false,
  ]);
  t.false(isMendable({ ...failure, role: "collaborator", error: new FlError("FL_TIMEOUT").toJSON() }));
});

test("a thrown value that is no FlError becomes FL_INTERNAL", (t) => {
  const at = run(machine, input, failed("recover", new TypeError("oops")));
  t.like(invoked(at.actions).abandon, { failure: { error: { code: "FL_INTERNAL", detail: { reason: "oops" } } } });
});

const everywhere: [string, Sent[]][] = [
  ["recovering", []],
  ["opening", [recovered(1)]],
  ["collecting", collecting],
  ["closing", [...collecting, ...names.map(accepted)]],
  ["concluding", [recovered(3), opened(), ...names.map(accepted), closed(3)]],
];

test("cancel ends it from every state, and the record is told so", (t) => {
  for (const [state, events] of everywhere) {
    const at = run(machine, input, ...events, { type: "cancel" });
    t.is(at.snapshot.value, "cancelling", state);
    t.like(invoked(at.actions).abandon, { failure: null });
    for (const end of [done("abandon"), failed("abandon", new Error("x"))]) {
      t.deepEqual(go(machine, at, end).snapshot.output, { state: "cancelled" });
    }
    t.deepEqual(go(machine, at, { type: "leave" }).snapshot.output, { state: "left" }, "the record may not say it yet");
  }
});

test("ordered to fail, it fails from every state with the cause it was given, and the record is told", (t) => {
  const error = new FlError("FL_DEADLINE").toJSON();
  const failure = { role: "director" as const, name: "d", round: null, error };
  for (const [state, events] of everywhere) {
    const at = run(machine, input, ...events, { type: "fail", failure });
    t.is(at.snapshot.value, "failing", state);
    t.like(invoked(at.actions).abandon, { failure });
    t.deepEqual(go(machine, at, done("abandon")).snapshot.output, { state: "failed", failure });
  }
});

test("leave ends the process from every state, and the experiment nowhere: nothing is abandoned", (t) => {
  for (const [state, events] of everywhere) {
    const at = run(machine, input, ...events, { type: "leave" });
    t.deepEqual(at.snapshot.output, { state: "left" }, state);
    t.deepEqual(invoked(at.actions), {});
    t.deepEqual(children(at.snapshot), []);
  }
});

// --- idempotence and paths ------------------------------------------------------------------------------------------------

test("every event sent twice has the effect of once", (t) => {
  const events = [accepted("a"), lost("b"), accepted("c")];
  const once = run(machine, input, ...collecting, ...events).snapshot;
  const twice = run(machine, input, ...collecting, ...events.flatMap((e) => [e, e])).snapshot;
  t.deepEqual(twice.value, once.value);
  t.deepEqual(twice.context, once.context);
});

const events: Sent[] = [
  ...[0, 1].map(recovered),
  done("recover", { checkpoint: checkpoint(1), ended: { state: "finished", outcome } }),
  opened(["a"], 5),
  opened(names, 5),
  opened(names, null),
  ...names.map(accepted),
  ...names.map((n) => lost(n, 1)),
  ...["a", "b"].map((n) => lost(n, 0)),
  deadline,
  ...[0, 1, 2].map((r) => closed(r)),
  closed(1, true),
  done("conclude", outcome),
  done("abandon"),
  failed("openRound", new FlError("FL_FENCED")),
  failed("closeRound", new FlError("FL_TIMEOUT")),
  { type: "aggregation.lost", error: new FlError("FL_PART_LOST").toJSON() },
  { type: "aggregation.awaited", part: "nats:rule" },
  { type: "cancel" },
  { type: "policy.enough", round: 1 },
  { type: "leave" },
];

test("on every path the invariants of a round hold, and every state is reached", (t) => {
  const seen = new Set<string>();
  const paths = getShortestPaths(machine, {
    input: { ...input, rounds: 1 } as InputFrom<typeof machine>,
    events: events as never,
    limit: 500_000,
    stopWhen: (s: { status: string }) => s.status === "done",
    // a child's answer comes only while it lives
    filterEvents: (snapshot: { children: Record<string, unknown> }, event: { type: string }) => {
      const child = /^xstate\.(?:done|error)\.actor\.(\w+)$/.exec(event.type)?.[1];
      if (child === "closeRound") {
        const { checkpoint: next } = (event as unknown as { output?: { checkpoint: Checkpoint } }).output ?? {};
        const now = (snapshot as unknown as { context: { checkpoint: Checkpoint } }).context.checkpoint.round;
        if (next !== undefined && next.round !== now + 1) return false;
      }
      return child === undefined || snapshot.children[child] !== undefined;
    },
    serializeState: (s: { value: unknown; context: Record<string, unknown> }) => {
      // all that guards read; who came in which order is not among it
      const { checkpoint: at, expected, quorum: q, enough: e, deadlineMs, awaited, ended, outcome: o } = s.context;
      const { accepted: a, failed: f, failure: w } = s.context as unknown as Context;
      const out = [...f.map((one) => one.collaborator)].sort();
      const counted = [expected, [...a].sort(), out, q, e];
      return JSON.stringify([s.value, at, counted, deadlineMs, awaited, ended, o, w?.error.code]);
    },
  } as never) as unknown as {
    state: ReturnType<typeof run<typeof machine>>["snapshot"];
    steps: { event: { type: string } }[];
  }[];
  for (const { state, steps } of paths) {
    const { context: c, status, output } = state;
    const at = JSON.stringify([state.value, steps.map((s) => s.event.type)]);
    seen.add(typeof state.value === "string" ? state.value : state.value.active);
    t.not(status, "error", at);
    t.is(new Set(c.accepted).size, c.accepted.length, at);
    t.is(new Set(c.failed.map((f) => f.collaborator)).size, c.failed.length, at);
    t.true(c.accepted.every((n) => names.includes(n)) && c.failed.every((f) => names.includes(f.collaborator)), at);
    if (state.matches({ active: "closing" })) {
      t.true(c.accepted.length >= c.quorum, `closed without a quorum: ${at}`);
    }
    if (state.matches({ active: "collecting" })) {
      const open = c.expected.filter((n) => !c.accepted.includes(n) && !c.failed.some((f) => f.collaborator === n));
      t.true(open.length > 0, `waits for nobody: ${at}`);
      t.false(c.enough && c.accepted.length >= c.quorum, `waits longer than its policy: ${at}`);
    }
    if (status === "done") {
      t.is(output?.state === "finished", c.outcome !== null, at);
      t.is(output?.state === "failed", c.failure !== null, at);
    }
  }
  const all = ["recovering", "opening", "collecting", "closing", "concluding", "failing", "cancelling"];
  t.deepEqual([...seen].sort(), [...all, "finished", "failed", "cancelled", "left"].sort());
  t.true(paths.length > 3000, String(paths.length));
});
