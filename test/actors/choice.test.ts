/** Who starts, and what the others wait for: C1–C5 of actors/director/choice.ts, G1–G2 of casting.ts. */
import test from "ava";
import { Casting } from "../../actors/director/casting.ts";
import { type Candidate, cast, type Hold, type Lineup, waitingOf } from "../../actors/director/choice.ts";
import type { Waiting } from "../../src/wire/messages.ts";
import { manualClock } from "../support/clock.ts";

const patienceMs = 25_000;

/** Envoys that are online (true) or have registered some time (false). */
function roll(envoys: Record<string, boolean>) {
  const listeners = new Set<() => void>();
  return {
    patienceMs,
    names: () => Object.keys(envoys).sort(),
    known: (name: string) => name in envoys,
    online: (name: string) => envoys[name] === true,
    onChange: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set: (name: string, online: boolean) => {
      envoys[name] = online;
      for (const listener of [...listeners]) listener();
    },
    listeners,
  };
}

let seq = 0;
const wants = (name: string, collaborators: Candidate["wanted"]["collaborators"] = "all", more: object = {}) => {
  const { quorum = "all", ...rest } = more as { quorum?: Candidate["wanted"]["quorum"] };
  const candidate: Candidate = {
    ...{ name, seq: ++seq, priority: 0, resumed: false, collaborators: [] },
    wanted: { collaborators, quorum },
  };
  return { ...candidate, ...rest };
};
const lineup = (waiting: Candidate[], more: Partial<Lineup> = {}): Lineup => ({
  ...{ waiting, running: [], limit: 1, share: false, ...more },
});
const starts = (line: Lineup, envoys: ReturnType<typeof roll>, waitedMs = 0) =>
  cast(line, envoys, () => waitedMs).starts.map(({ name, collaborators }) => `${name}: ${collaborators.join(" ")}`);
const told = (hold: Hold | null | undefined, shown: (name: string) => boolean = () => true): Waiting | null =>
  hold ? waitingOf(hold, shown) : null;
const waitsOf = (line: Lineup, envoys: ReturnType<typeof roll>, name: string): Waiting | null =>
  told(cast(line, envoys, () => 0).waits.get(name));

test("all that are wanted take part at once if all are online", (t) => {
  for (const collaborators of ["all", ["b", "a"]] as const) {
    const line = lineup([wants("x", collaborators as "all")]);
    t.deepEqual(starts(line, roll({ a: true, b: true })), ["x: a b"]);
  }
});

test("whom it waits for is told, and a name that nobody ever had is told as such (C2)", (t) => {
  const line = lineup([wants("x", ["a", "b", "ghost"])]);
  t.deepEqual(waitsOf(line, roll({ a: true, b: false }), "x"), {
    ...{ reason: "envoys that are not online: b, ghost (has never registered)", for: ["b", "ghost"], ahead: [] },
  });
  t.deepEqual(starts(line, roll({ a: true, b: true }), 100 * patienceMs), []);
  t.deepEqual(starts(line, roll({ a: true, b: true, ghost: true })), ["x: a b ghost"]);
});

test("once an envoy that lives has had its time, those that are online are enough if they are the quorum (C1)", (t) => {
  const line = lineup([wants("x", "all", { quorum: "60%" })]);
  const envoys = roll({ a: true, b: true, c: false });
  t.deepEqual(starts(line, envoys, patienceMs - 1), []);
  t.is(cast(line, envoys, () => patienceMs - 1).againMs, 1);
  t.deepEqual(starts(line, envoys, patienceMs), ["x: a b"]);
});

test("a quorum of more than have registered is waited for, not failed (C1)", (t) => {
  const line = lineup([wants("x", "all", { quorum: 3 })]);
  t.is(waitsOf(line, roll({ a: true }), "x")?.reason, "2 more envoys to register");
  t.is(waitsOf(lineup([wants("x")]), roll({}), "x")?.reason, "1 envoy to register");
  t.deepEqual(starts(line, roll({ a: true, b: true, c: true })), ["x: a b c"]);
});

test("one that was paused goes on with those it had, whoever has come since (C1)", (t) => {
  const line = lineup([wants("x", "all", { resumed: true, collaborators: ["a", "b"], quorum: 1 })]);
  const envoys = roll({ a: true, b: false, c: true });
  t.deepEqual(waitsOf(line, envoys, "x")?.for, ["b"]);
  t.deepEqual(starts(line, envoys, patienceMs), ["x: a b"], "who is away is taken up when it returns");
});

test("higher priority goes first; among equals one that was paused, then the order of submission (C3)", (t) => {
  const [a, b, c, d] = [
    wants("a"),
    wants("b", "all", { resumed: true }),
    wants("c", "all", { priority: 1 }),
    wants("d"),
  ];
  const envoys = roll({ north: true });
  t.deepEqual(starts(lineup([d, a, b, c]), envoys), ["c: north"]);
  t.deepEqual(starts(lineup([d, a, b]), envoys), ["b: north"]);
  t.deepEqual(starts(lineup([d, a]), envoys), ["a: north"]);
  t.deepEqual(waitsOf(lineup([d, a, b, c]), envoys, "d"), {
    ...{ reason: "experiments before it: c, b, a", for: [], ahead: ["c", "b", "a"] },
  });
});

test("others' experiments are not named to an owner that waits for them (C2)", (t) => {
  const running = [{ name: "a", collaborators: ["north"] }];
  const line = [wants("b"), wants("c"), wants("d", ["north"])];
  const shown = (name: string): boolean => name === "b";
  const of = (line: Lineup) => told(cast(line, roll({ north: true }), () => 0).waits.get("d"), shown);
  t.deepEqual(of(lineup(line, { running })), {
    ...{ reason: "experiments before it: b, 2 of other owners", for: [], ahead: ["b"] },
  });
  t.deepEqual(of(lineup([line[2]!], { running, limit: 2 })), {
    ...{ reason: "an envoy that is taken: north (another owner's experiment)", for: [], ahead: [] },
  });
});

test("one at a time is a series: nothing overtakes the first in line (C5)", (t) => {
  const envoys = roll({ north: false, south: true });
  const line = [wants("a", ["north"]), wants("b", ["south"])];
  t.deepEqual(starts(lineup(line), envoys), []);
  t.deepEqual(waitsOf(lineup(line), envoys, "b"), {
    ...{ reason: "an experiment before it: a", for: [], ahead: ["a"] },
  });
  const running = [{ name: "r", collaborators: ["east"] }];
  t.like(waitsOf(lineup(line, { running }), envoys, "a"), { ahead: ["r"] });
  t.deepEqual(starts(lineup(line, { running }), roll({ north: true, south: true })), []);
});

test("D15 with room for more, what waits for busy or absent envoys holds up nothing behind it (C5)", (t) => {
  const envoys = roll({ north: true, south: true, east: false });
  const line = lineup([wants("a", ["north"]), wants("b", ["east"]), wants("c", ["south"]), wants("d", ["south"])], {
    limit: 3,
    running: [{ name: "r", collaborators: ["north"] }],
  });
  t.deepEqual(starts(line, envoys), ["c: south"]);
  const { waits } = cast(line, envoys, () => 0);
  t.deepEqual(told(waits.get("a")), { reason: "an envoy that is taken: north (r)", for: [], ahead: ["r"] });
  t.deepEqual(told(waits.get("b")), { reason: "an envoy that is not online: east", for: ["east"], ahead: [] });
  t.deepEqual(told(waits.get("d")), { reason: "an envoy that is taken: south (c)", for: [], ahead: ["c"] });
});

test("never two on one envoy, unless they may share it; never more than the limit (C4)", (t) => {
  const envoys = roll({ north: true });
  const three = [wants("a"), wants("b"), wants("c")];
  t.deepEqual(starts(lineup(three, { limit: 2 }), envoys), ["a: north"]);
  t.deepEqual(starts(lineup(three, { limit: 2, share: true }), envoys), ["a: north", "b: north"]);
});

test("what a higher priority waits for as it is busy is kept for it from lower ones; equals may take it (C5)", (t) => {
  const envoys = roll({ north: true, south: true });
  const running = [{ name: "r", collaborators: ["north"] }];
  const low = wants("low", ["south"]);
  const more = { limit: 3, running };
  t.deepEqual(starts(lineup([wants("both"), low], more), envoys), ["low: south"]);
  const line = lineup([wants("both", "all", { priority: 1 }), low], more);
  t.deepEqual(starts(line, envoys), []);
  t.deepEqual(waitsOf(line, envoys, "low")?.ahead, ["both"]);
  const absent = lineup([wants("both", ["south", "west"], { priority: 1 }), low], more);
  t.deepEqual(starts(absent, envoys), ["low: south"], "nothing is kept for who waits for somebody absent");
});

function casting(envoys: ReturnType<typeof roll>) {
  const clock = manualClock();
  const started: string[] = [];
  const said: [string, string][] = [];
  const made = new Casting({
    ...{
      envoys,
      clock,
      joining: () => [],
      starts: (name) => started.push(name),
      waits: (name, hold) => said.push([name, told(hold)!.reason]),
    },
  });
  return { made, clock, started, said };
}

test("somebody who comes, and somebody's time that passes, move the line", (t) => {
  const envoys = roll({ a: true, b: false });
  const { made, clock, started } = casting(envoys);
  made.line(lineup([wants("x", "all", { quorum: 1 })]));
  clock.advance(patienceMs - 1);
  t.deepEqual(started, []);
  clock.advance(1);
  t.deepEqual(started, ["x"]);
  made.line(lineup([wants("y")]));
  t.deepEqual(started, ["x"]);
  envoys.set("b", true);
  t.deepEqual(started, ["x", "y"]);
  made.stop();
  t.deepEqual([envoys.listeners.size, clock.waiting], [0, 0]);
});

test("that it begins to wait is told once for its turn and once for envoys (G2)", (t) => {
  const envoys = roll({ a: false, b: false });
  const { made, said } = casting(envoys);
  const [x, y] = [wants("x"), wants("y")];
  made.line(lineup([x, y]));
  t.deepEqual(said, [
    ["x", "envoys that are not online: a, b"],
    ["y", "an experiment before it: x"],
  ]);
  envoys.set("a", true);
  made.line(lineup([y], { running: [{ name: "x", collaborators: ["a"] }] }));
  t.is(said.length, 2);
  t.is(told(made.holdOf("y"))?.reason, "an experiment before it: x");
  t.is(made.holdOf("x"), null, "it runs");
  made.line(lineup([y]));
  t.deepEqual(said.slice(2), [["y", "an envoy that is not online: b"]]);
});
