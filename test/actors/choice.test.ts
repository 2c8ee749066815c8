/** Who takes part in an experiment, and what it waits for: C1 and C2 of actors/director/choice.ts. */
import test from "ava";
import { choose, type Wanted, waitingOf } from "../../actors/director/choice.ts";
import { FlError } from "../../src/errors.ts";
import type { Waiting } from "../../src/wire/messages.ts";
import { manualClock } from "../support/clock.ts";
import { quiet } from "../support/ports.ts";

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

function choosing(wanted: Wanted, envoys: ReturnType<typeof roll>) {
  const clock = manualClock();
  const stop = new AbortController();
  const told: Waiting[] = [];
  const state: { chosen?: readonly string[]; error?: unknown } = {};
  const waits = async (waiting: Waiting): Promise<void> => void told.push(waiting);
  choose(wanted, envoys, { clock, signal: stop.signal, waits }).then(
    (chosen) => Object.assign(state, { chosen }),
    (error) => Object.assign(state, { error }),
  );
  return { clock, stop, told, state };
}

test("all that are wanted take part at once if all are online, and nothing is told", async (t) => {
  for (const collaborators of ["all", ["b", "a"]] as const) {
    const { state, told } = choosing(
      { collaborators: collaborators as "all", quorum: "all" },
      roll({ a: true, b: true }),
    );
    await quiet();
    t.deepEqual([state.chosen, told], [["a", "b"], []]);
  }
});

test("whom it waits for is told once, and a name that nobody ever had is told as such (C2)", async (t) => {
  const envoys = roll({ a: true, b: false });
  const { state, told, clock } = choosing({ collaborators: ["a", "b", "ghost"], quorum: "all" }, envoys);
  await quiet();
  t.deepEqual(told, [
    { reason: "envoys that are not online: b, ghost (has never registered)", for: ["b", "ghost"], ahead: [] },
  ]);
  clock.advance(100 * patienceMs);
  envoys.set("b", true);
  await quiet();
  t.is(state.chosen, undefined);
  envoys.set("ghost", true);
  await quiet();
  t.deepEqual(state.chosen, ["a", "b", "ghost"]);
  t.is(told.length, 1);
  t.is(envoys.listeners.size, 0);
});

test("once an envoy that lives has had its time, those that are online are enough if they are the quorum (C1)", async (t) => {
  const { state, clock } = choosing({ collaborators: "all", quorum: "60%" }, roll({ a: true, b: true, c: false }));
  await quiet();
  clock.advance(patienceMs - 1);
  await quiet();
  t.is(state.chosen, undefined);
  clock.advance(1);
  await quiet();
  t.deepEqual(state.chosen, ["a", "b"]);
});

test("a quorum of more than have registered is waited for, not failed (C1)", async (t) => {
  const envoys = roll({ a: true });
  const { state, told, clock } = choosing({ collaborators: "all", quorum: 3 }, envoys);
  await quiet();
  t.deepEqual(told, [{ reason: "2 more envoys to register", for: [], ahead: [] }]);
  clock.advance(2 * patienceMs);
  for (const name of ["b", "c"]) {
    await quiet();
    t.is(state.chosen, undefined);
    envoys.set(name, true);
  }
  await quiet();
  t.deepEqual(state.chosen, ["a", "b", "c"]);
});

test("who is taken away stops choosing", async (t) => {
  const { state, stop } = choosing({ collaborators: "all", quorum: "all" }, roll({}));
  await quiet();
  stop.abort(new FlError("FL_CANCELLED"));
  await quiet();
  t.like(state.error, { code: "FL_CANCELLED" });
});

const record = (name: string, plan = {}) => ({
  ...{ name, state: "pending" as const },
  submission: { v: 1 as const, name, plan: { version: 1, rounds: 1, ...plan }, archive: { digest: "", bytes: 0 } },
});
const mine = (): boolean => true;

test("an experiment in the queue waits for those before it, in order", (t) => {
  const standing = { running: ["a"], queue: ["b", "c"] };
  t.deepEqual(waitingOf(record("b"), standing, roll({}), mine), {
    ...{ reason: "an experiment before it: a", for: [], ahead: ["a"] },
  });
  t.like(waitingOf(record("c"), standing, roll({}), mine), {
    reason: "experiments before it: a, b",
    ahead: ["a", "b"],
  });
});

test("of other owners' experiments before it only the number is told", (t) => {
  const standing = { running: ["a"], queue: ["b", "c", "d"] };
  const waiting = waitingOf(record("d"), standing, roll({}), (name) => name === "b");
  t.deepEqual(waiting, { reason: "experiments before it: b, 2 of other owners", for: [], ahead: ["b"] });
});

test("an experiment whose turn it is waits for envoys; one that has started, or ended, for nothing", (t) => {
  const standing = { running: ["a"], queue: [] };
  const wants = record("a", { collaborators: ["north"] });
  t.deepEqual(waitingOf(wants, standing, roll({ north: false }), mine), {
    ...{ reason: "an envoy that is not online: north", for: ["north"], ahead: [] },
  });
  t.is(waitingOf(wants, standing, roll({ north: true }), mine), null);
  t.is(waitingOf(record("a"), standing, roll({}), mine)?.reason, "1 envoy to register");
  t.is(waitingOf(record("new"), standing, roll({}), mine), null, "it is being taken in");
  t.is(waitingOf({ ...wants, state: "in_progress" }, standing, roll({}), mine), null);
});
