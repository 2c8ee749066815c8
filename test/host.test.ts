import test, { type ExecutionContext } from "ava";
import { assign, fromCallback, setup } from "xstate";
import { FlError } from "../src/errors.ts";
import { host, type Persistence } from "../src/host.ts";
import type { SnapshotRecord } from "../src/wire/messages.ts";
import { buckets } from "../src/wire/table.ts";
import { type Rows, Wire } from "../src/wire/wire.ts";
import { manualClock } from "./support/clock.ts";
import { FED, keptLog, quiet, type TestPorts, testWorld } from "./support/ports.ts";

type Event =
  | { type: "add"; word: string }
  | { type: "look" }
  | { type: "end" }
  | { type: "break" }
  | { type: "leave" }
  | { type: "clock.resumed"; now: number };

/** Collects words, which must last, and looks, which need not. */
const collector = setup({
  types: {} as {
    context: { words: string[]; looks: number; resumedAt: number | null };
    events: Event;
    input: { first: string };
    output: { words: string[] };
  },
  actors: { ear: fromCallback(() => () => {}) },
  actions: {
    explode: () => {
      throw new FlError("FL_STATE", { reason: "exploded" });
    },
  },
}).createMachine({
  id: "collector",
  context: ({ input }) => ({ words: [input.first], looks: 0, resumedAt: null }),
  initial: "open",
  states: {
    open: {
      invoke: { id: "ear", src: "ear" },
      on: {
        add: { actions: assign({ words: ({ context, event }) => [...context.words, event.word] }) },
        look: { actions: assign({ looks: ({ context }) => context.looks + 1 }) },
        "clock.resumed": { actions: assign({ resumedAt: ({ event }) => event.now }) },
        end: "closed",
        break: { actions: "explode" },
        leave: "left",
      },
    },
    closed: { type: "final" },
    left: { type: "final" },
  },
  output: ({ context }) => ({ words: context.words }),
});

type Rowed = Rows<typeof buckets.snapshots.key, SnapshotRecord>;

/** One world's snapshots; each `start` is a process of its own on it. */
function scene(t: ExecutionContext) {
  const world = testWorld();
  const clock = manualClock();
  const stops: AbortController[] = [];
  t.teardown(() => {
    for (const s of stops) s.abort();
  });
  const start = async (
    options: { machine?: typeof collector; ports?: TestPorts; rows?: (rows: Rowed) => Rowed; forgets?: boolean } = {},
  ) => {
    const ports = { ...(options.ports ?? world.ports("p")), clock };
    const rows = await new Wire(ports, FED).table(buckets.snapshots);
    const stop = new AbortController();
    stops.push(stop);
    const persistence: Persistence<typeof collector> = {
      rows: (options.rows ?? ((r) => r))(rows),
      role: "director",
      name: "d",
      ...(options.forgets ? {} : { durable: ({ context }) => context.words }),
    };
    const input = { first: "one" };
    const hosted = await host(options.machine ?? collector, {
      ...{ id: "collector", input, ports, stop: stop.signal },
      leave: { type: "leave" },
      persistence,
    });
    const words = (): string[] => hosted.actor.getSnapshot().context.words;
    return { ...hosted, stop, ports, rows, words };
  };
  const stored = async (): Promise<unknown> => {
    const rows = await world.wire("reader").table(buckets.snapshots);
    const row = await rows.get({ role: "director", name: "d" });
    return (row?.value.snapshot as { context?: { words?: unknown } } | null)?.context?.words;
  };
  return { world, clock, start, stored };
}

/** The same rows with some methods exchanged. */
function over(rows: Rowed, methods: Partial<Pick<Rowed, "update" | "watch">>): Rowed {
  const own = ["get", "create", "update", "watch"] as const;
  const all = Object.fromEntries(own.map((m) => [m, (rows[m] as (...args: unknown[]) => unknown).bind(rows)]));
  return { ...all, ...methods } as unknown as Rowed;
}

/** Rows whose updates are let through one by one, and counted. */
function gated(rows: Rowed) {
  const waiting: (() => void)[] = [];
  const count = { now: 0, most: 0, all: 0 };
  const update: Rowed["update"] = async (...args) => {
    count.all++;
    count.most = Math.max(count.most, ++count.now);
    await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await rows.update(...args);
    } finally {
      count.now--;
    }
  };
  return { wrapped: over(rows, { update }), waiting, count };
}

test("what lasts is stored, and a second host takes it up where the first one ended", async (t) => {
  const { start, stored, clock } = scene(t);
  const first = await start();
  t.false(first.restored);
  first.actor.send({ type: "add", word: "two" });
  await first.flush();
  t.deepEqual(await stored(), ["one", "two"]);
  first.stop.abort();
  await first.done;
  t.deepEqual(await stored(), ["one", "two"], "leaving is not an end: nothing says so in the record");
  clock.advance(500);
  const second = await start();
  t.true(second.restored);
  t.deepEqual(second.words(), ["one", "two"]);
  t.is(second.actor.getSnapshot().context.resumedAt, clock.now(), "clock.resumed is sent on restore (H4)");
  second.actor.send({ type: "add", word: "three" });
  await second.flush();
  t.deepEqual(await stored(), ["one", "two", "three"]);
});

test("a first start is not a restore: no clock.resumed (H4)", async (t) => {
  const { start } = scene(t);
  t.is((await start()).actor.getSnapshot().context.resumedAt, null);
});

test("an actor of which nothing must last is owned all the same, and starts anew (H1)", async (t) => {
  const { start, stored } = scene(t);
  const first = await start({ forgets: true });
  first.actor.send({ type: "add", word: "two" });
  await first.flush();
  t.is(await stored(), undefined);
  const second = await start({ forgets: true });
  await t.throwsAsync(first.done, { code: "FL_FENCED" });
  t.false(second.restored);
  t.deepEqual(second.words(), ["one"]);
});

test("what need not last causes no write (H2)", async (t) => {
  const { start } = scene(t);
  let gate: ReturnType<typeof gated> | undefined;
  const hosted = await start({
    rows: (rows) => {
      gate = gated(rows);
      return gate.wrapped;
    },
  });
  gate!.waiting.shift()!(); // the snapshot it begins with
  await hosted.flush();
  t.is(gate!.count.all, 1);
  for (let i = 0; i < 10; i++) hosted.actor.send({ type: "look" });
  await hosted.flush();
  t.is(gate!.count.all, 1);
  t.is(hosted.actor.getSnapshot().context.looks, 10);
});

test("one write at a time, always the newest: changes during a write become one more (H2)", async (t) => {
  const { start, stored } = scene(t);
  let gate: ReturnType<typeof gated> | undefined;
  const hosted = await start({
    rows: (rows) => {
      gate = gated(rows);
      return gate.wrapped;
    },
  });
  const { waiting, count } = gate!;
  for (const word of ["two", "three", "four"]) hosted.actor.send({ type: "add", word });
  t.is(count.all, 1);
  let flushed = false;
  const flush = hosted.flush().then(() => {
    flushed = true;
  });
  waiting.shift()!();
  await quiet();
  t.is(count.all, 2);
  t.deepEqual(await stored(), ["one"], "the first write holds what was true when it began");
  t.false(flushed, "flush waits for the last one (H3)");
  waiting.shift()!();
  await flush;
  t.deepEqual(await stored(), ["one", "two", "three", "four"]);
  t.deepEqual([count.all, count.most], [2, 1]);
});

test("a stored snapshot says what was true at its change, whatever came since (H2)", async (t) => {
  const { start, world } = scene(t);
  let gate: ReturnType<typeof gated> | undefined;
  const hosted = await start({
    rows: (rows) => {
      gate = gated(rows);
      return gate.wrapped;
    },
  });
  gate!.waiting.shift()!();
  await hosted.flush();
  hosted.actor.send({ type: "add", word: "two" });
  hosted.actor.send({ type: "leave" });
  gate!.waiting.shift()!();
  await hosted.flush();
  const rows = await world.wire("reader").table(buckets.snapshots);
  t.like((await rows.get({ role: "director", name: "d" }))?.value.snapshot, { value: "open", status: "active" });
});

test("of two hosts under one name the second owns the record; the first stops with FL_FENCED (H1)", async (t) => {
  const { start, world } = scene(t);
  const first = await start({ ports: world.ports("first") });
  await first.flush();
  const second = await start({ ports: world.ports("second") });
  await t.throwsAsync(first.done, { code: "FL_FENCED" });
  t.is(first.actor.getSnapshot().status, "stopped");
  first.actor.send({ type: "add", word: "ghost" });
  second.actor.send({ type: "add", word: "two" });
  await second.flush();
  t.deepEqual(second.words(), ["one", "two"]);
  t.is(second.actor.getSnapshot().status, "active");
});

test("a first owner that does not watch is fenced by its own next write, and flush says so (H1, H3)", async (t) => {
  const { start } = scene(t);
  const deaf = (rows: Rowed): Rowed => over(rows, { watch: async () => {} });
  const first = await start({ rows: deaf });
  await first.flush();
  await start();
  first.actor.send({ type: "add", word: "ghost" });
  await t.throwsAsync(first.flush(), { code: "FL_FENCED" });
  await t.throwsAsync(first.flush(), { code: "FL_FENCED" }, "and goes on saying so");
  await t.throwsAsync(first.done, { code: "FL_FENCED" });
  t.is(first.actor.getSnapshot().status, "stopped");
});

test("the record as it was before the claim fences nobody, however late a replica shows it (H1)", async (t) => {
  const { start, world } = scene(t);
  const first = await start();
  await first.flush();
  first.stop.abort();
  await first.done;
  const table = await world.store.table({ name: "fl-test-snapshots" });
  const old = (await table.get("director.d"))!;
  const value = { v: 1 as const, machine: "collector", owner: "before", snapshot: null };
  const stale = (rows: Rowed): Rowed =>
    over(rows, { watch: async (_key, onRow) => onRow({ value, revision: old.revision }) });
  const second = await start({ rows: stale });
  await quiet();
  t.is(second.actor.getSnapshot().status, "active");
});

test("of two hosts that start at once on an empty store one is fenced, none is lost", async (t) => {
  const { start, world } = scene(t);
  const both = await Promise.allSettled([start({ ports: world.ports("a") }), start({ ports: world.ports("b") })]);
  const failures = both.flatMap((r) => (r.status === "rejected" ? [r.reason as FlError] : []));
  const live = both.flatMap((r) => (r.status === "fulfilled" ? [r.value] : []));
  await quiet();
  const active = live.filter((h) => h.actor.getSnapshot().status === "active");
  t.is(active.length, 1);
  for (const failure of failures) t.is(failure.code, "FL_FENCED");
});

test("a snapshot of another machine is not guessed at", async (t) => {
  const { start } = scene(t);
  const first = await start();
  await first.flush();
  first.stop.abort();
  const other = setup({ types: {} as { events: Event } }).createMachine({ id: "other", on: { leave: {} } });
  await t.throwsAsync(start({ machine: other as unknown as typeof collector }), { code: "FL_SNAPSHOT_VERSION" });
});

test("the end resolves done with the machine's output", async (t) => {
  const { start } = scene(t);
  const hosted = await start();
  hosted.actor.send({ type: "add", word: "two" });
  hosted.actor.send({ type: "end" });
  t.deepEqual(await hosted.done, { words: ["one", "two"] });
});

test("stopping is an event first: the machine leaves by itself (H5)", async (t) => {
  const { start, clock } = scene(t);
  const hosted = await start();
  hosted.stop.abort();
  t.deepEqual(await hosted.done, { words: ["one"] });
  t.is(hosted.actor.getSnapshot().value, "left");
  await quiet(1);
  t.is(clock.waiting, 0, "and no timer is left behind");
});

test("a machine that does not leave is stopped after 5 s, with FL_CLOSED (H5)", async (t) => {
  const clock = manualClock();
  const ports = { ...testWorld().ports("p"), clock };
  const stop = new AbortController();
  const stubborn = setup({ types: {} as { events: { type: "leave" } } }).createMachine({ id: "s", on: { leave: {} } });
  const hosted = await host(stubborn, {
    id: "s",
    input: undefined,
    ports,
    stop: stop.signal,
    leave: { type: "leave" },
  });
  stop.abort();
  clock.advance(4_999);
  t.is(hosted.actor.getSnapshot().status, "active");
  clock.advance(1);
  await t.throwsAsync(hosted.done, { code: "FL_CLOSED" });
  t.is(hosted.actor.getSnapshot().status, "stopped");
});

test("a process that is asked to go before it began leaves at once (H5)", async (t) => {
  const ports = testWorld().ports("p");
  const hosted = await host(collector, {
    ...{ id: "c", input: { first: "one" }, ports, leave: { type: "leave" as const } },
    stop: AbortSignal.abort(),
  });
  t.deepEqual(await hosted.done, { words: ["one"] });
});

test("an event that no state handles is a dead letter: counted and logged; one that is ignored on purpose is not (H6)", async (t) => {
  const log = keptLog();
  const ports = { ...testWorld().ports("p"), log };
  const machine = setup({
    types: {} as { events: { type: "known" } | { type: "unknown" } | { type: "leave" } },
  }).createMachine({ id: "m", on: { known: {}, leave: {} } });
  const hosted = await host(machine, {
    ...{ id: "m", input: undefined, ports, stop: new AbortController().signal },
    leave: { type: "leave" },
  });
  hosted.actor.send({ type: "known" });
  hosted.actor.send({ type: "unknown" });
  hosted.actor.send({ type: "unknown" });
  t.deepEqual(ports.counters.all(), { deadletter: 2 });
  const lines = log.lines.filter((l) => l.code === "deadletter");
  t.deepEqual(
    lines.map((l) => [l.event, l.actor]),
    [
      ["unknown", "m"],
      ["unknown", "m"],
    ],
  );
});

test("a machine whose action throws rejects done with its code, and crashes nothing", async (t) => {
  const { start } = scene(t);
  const hosted = await start();
  hosted.actor.send({ type: "break" });
  const error = await t.throwsAsync(hosted.done, { code: "FL_STATE" });
  t.regex(error!.message, /exploded/);
  t.is(hosted.actor.getSnapshot().status, "error");
});

test("a snapshot that cannot be stored ends the actor with the store's code (H2)", async (t) => {
  const { start } = scene(t);
  const broken = (rows: Rowed): Rowed => over(rows, { update: () => Promise.reject(new FlError("FL_TIMEOUT")) });
  const hosted = await start({ rows: broken });
  await t.throwsAsync(hosted.done, { code: "FL_TIMEOUT" });
  await t.throwsAsync(hosted.flush(), { code: "FL_TIMEOUT" });
});
