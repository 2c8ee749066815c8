import test from "ava";
import { FlError } from "../../src/errors.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import * as m from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { FED, keptLog, quiet, testWorld } from "../support/ports.ts";

const REQUEST = { timeoutMs: 1_000 };
const text = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** A Director's desk that knows one experiment, and a caller with a bus and nothing else. */
function desk() {
  const world = testWorld();
  const log = keptLog();
  const ports = { ...world.ports("director"), log };
  const wire = new Wire(ports, FED);
  const asked: unknown[] = [];
  wire.serve(
    subjects.cancel,
    {},
    ({ caller }, { experiment }) => {
      asked.push([caller, experiment]);
      if (experiment === "throws") throw new FlError("FL_STATE", { reason: "no" });
      if (experiment === "rejects") return Promise.reject(new Error("a bug"));
      return Promise.resolve({ ok: true });
    },
    (error) => ({ ok: false, error: error.toJSON() }),
  );
  const caller = world.ports("caller").bus;
  const ask = (data: Uint8Array, contentType?: "json" | "msgpack") =>
    caller.request("fl.v1.test.director.cancel.ann", data, {
      ...REQUEST,
      ...(contentType === undefined ? {} : { contentType }),
    });
  return { world, wire, ports, log, asked, caller, ask };
}

test("a request reaches the handler with its parameters and a checked payload, and its answer comes back typed", async (t) => {
  const { world, asked } = desk();
  const wire = world.wire("caller");
  t.deepEqual(await wire.request(subjects.cancel, { caller: "ann" }, { experiment: "e" }, REQUEST), { ok: true });
  t.deepEqual(asked, [["ann", "e"]]);
});

test("a request that does not fit is answered with the coded error, counted and logged, and no handler sees it (R1)", async (t) => {
  const { ask, asked, ports, log } = desk();
  for (const data of [Buffer.from([0xc1]), encode({ experiment: "a.b" }), encode({ experiment: "e", colour: 1 })]) {
    const answer = await ask(data);
    const { ok, error } = decode(m.acknowledged, answer.data, answer.contentType, "answer");
    t.false(ok);
    t.is(error?.code, "FL_MESSAGE_MALFORMED");
  }
  t.deepEqual(asked, []);
  t.is(ports.counters.get("FL_MESSAGE_MALFORMED"), 3);
  t.is(log.lines.filter((l) => l.level === "warn" && l.code === "FL_MESSAGE_MALFORMED").length, 3);
});

test("a handler that throws or rejects answers with its code, a bug with FL_INTERNAL (R2)", async (t) => {
  const { world, ports } = desk();
  const wire = world.wire("caller");
  const ask = (experiment: string) => wire.request(subjects.cancel, { caller: "ann" }, { experiment }, REQUEST);
  t.like(await ask("throws"), { ok: false, error: { code: "FL_STATE", detail: { reason: "no" } } });
  t.like(await ask("rejects"), { ok: false, error: { code: "FL_INTERNAL", detail: { reason: "a bug" } } });
  t.deepEqual(ports.counters.all(), { FL_INTERNAL: 1, FL_STATE: 1 });
});

test("on an open subject JSON is answered in JSON and MessagePack in MessagePack (R3)", async (t) => {
  const { ask } = desk();
  const json = await ask(text({ experiment: "e" }), "json");
  t.is(json.contentType, "json");
  t.deepEqual(JSON.parse(Buffer.from(json.data).toString()), { ok: true });
  t.is((await ask(text({ experiment: "e" }))).contentType, "json", "unannounced");
  t.is((await ask(encode({ experiment: "e" }))).contentType, "msgpack");
  const refused = await ask(text({ experiment: 1 }));
  t.like(JSON.parse(Buffer.from(refused.data).toString()), { ok: false, error: { code: "FL_MESSAGE_MALFORMED" } });
});

test("between roles the answer is MessagePack, whatever the request was", async (t) => {
  const world = testWorld();
  world.wire("director").serve(
    subjects.heartbeat,
    {},
    () => ({ known: true, period_ms: 5 }),
    () => ({ known: false, period_ms: 5 }),
  );
  const bus = world.ports("envoy").bus;
  const beat = text({ v: 1, report: null, running: [] });
  const answer = await bus.request("fl.v1.test.envoy.a.heartbeat", beat, { ...REQUEST, contentType: "json" });
  t.is(answer.contentType, "msgpack");
  t.deepEqual(decode(m.heartbeatReply, answer.data, "msgpack", "answer"), { known: true, period_ms: 5 });
});

test("a heartbeat that does not decode is answered with the reason: registering again would not help", async (t) => {
  const world = testWorld();
  world.wire("director").serve(
    subjects.heartbeat,
    {},
    () => ({ known: true, period_ms: 5 }),
    (error) => ({ known: false, period_ms: 5, error: error.toJSON() }),
  );
  const answer = await world.ports("envoy").bus.request("fl.v1.test.envoy.a.heartbeat", text("garbage"), REQUEST);
  t.like(decode(m.heartbeatReply, answer.data, answer.contentType, "answer"), {
    ...{ known: false, error: { code: "FL_MESSAGE_MALFORMED" } },
  });
});

test("an empty request is an empty map, answered in JSON: a person sent it", async (t) => {
  const world = testWorld();
  world.wire("director").serve(
    subjects.list,
    {},
    () => ({ experiments: [] }),
    (error) => ({ experiments: [], error: error.toJSON() }),
  );
  const bus = world.ports("caller").bus;
  const answer = await bus.request("fl.v1.test.director.list.me", new Uint8Array(0), REQUEST);
  t.is(answer.contentType, "json");
  t.deepEqual(JSON.parse(Buffer.from(answer.data).toString()), { experiments: [] });
  const { ask } = desk();
  const missing = JSON.parse(Buffer.from((await ask(new Uint8Array(0))).data).toString());
  t.like(missing, { ok: false, error: { code: "FL_MESSAGE_MALFORMED" } }, "where arguments are needed it is a refusal");
});

test("an answer that the server does not take becomes the coded refusal, not a crash", async (t) => {
  const world = testWorld({ maxPayload: 4096 });
  const wire = world.wire("director");
  wire.serve(
    subjects.cancel,
    {},
    () => Promise.resolve({ ok: true, error: new FlError("FL_STATE", { reason: "x".repeat(5000) }).toJSON() }),
    (error) => ({ ok: false, error: { ...error.toJSON(), stack: "" } }),
  );
  const answer = await world.wire("caller").request(subjects.cancel, { caller: "ann" }, { experiment: "e" }, REQUEST);
  t.like(answer, { ok: false, error: { code: "FL_INTERNAL" } });
});

test("refusing an answer on a closed bus ends quietly, and is counted", async (t) => {
  const world = testWorld();
  const ports = world.ports("director");
  const wire = new Wire(
    {
      ...ports,
      bus: {
        ...ports.bus,
        subscribe: (_subject: string, handler: Parameters<typeof ports.bus.subscribe>[1]) => {
          handler({
            subject: "fl.v1.test.director.cancel.ann",
            data: encode({ experiment: "e" }),
            contentType: "msgpack",
            wantsReply: true,
            respond: () => {
              throw new FlError("FL_CLOSED");
            },
          });
          return () => {};
        },
      } as unknown as typeof ports.bus,
    },
    FED,
  );
  wire.serve(
    subjects.cancel,
    {},
    () => Promise.resolve({ ok: true }),
    () => ({ ok: false }),
  );
  await quiet(2);
  t.is(ports.counters.get("FL_CLOSED"), 2);
});

test("the refusal is told who asked", async (t) => {
  const world = testWorld();
  const told: unknown[] = [];
  world.wire("aggregator").serve(
    subjects.offer,
    { exp: "e" },
    () => ({ verdict: "accepted" as const }),
    (error, params) => {
      told.push([error.code, params?.collaborator]);
      return { verdict: "refused" as const, error: error.toJSON() };
    },
  );
  await world.ports("a").bus.request("fl.v1.test.exp.e.col.a.offer", encode({ round: -1 }), REQUEST);
  t.deepEqual(told, [["FL_MESSAGE_MALFORMED", "a"]]);
});

test("what is published reaches handlers that fit; the rest is counted, and a handler that throws ends nothing", async (t) => {
  const world = testWorld();
  const ports = world.ports("aggregator");
  const wire = new Wire(ports, FED);
  const heard: string[] = [];
  wire.on(subjects.alive, { exp: "e" }, ({ collaborator }, { doing }) => {
    heard.push(`${collaborator} ${doing}`);
    if (doing === "crash") throw new FlError("FL_STATE");
  });
  const other = world.wire("a");
  const say = (doing: string, exp = "e") =>
    other.publish(subjects.alive, { exp, collaborator: "a" }, { round: 1, doing, done: 0, total: 0 });
  say("one");
  other.ports.bus.publish("fl.v1.test.exp.e.col.a.alive", encode({ round: "x" }));
  say("crash");
  say("two", "another");
  say("three");
  await other.ports.bus.flush();
  t.deepEqual(heard, ["a one", "a crash", "a three"]);
  t.deepEqual(ports.counters.all(), { FL_MESSAGE_MALFORMED: 1, FL_STATE: 1 });
});

test("publishing on a bus that takes no more is counted and never throws (R4)", async (t) => {
  const world = testWorld({ maxPayload: 100 });
  const ports = world.ports("a");
  const wire = new Wire(ports, FED);
  const alive = { round: 1, doing: "x".repeat(200), done: 0, total: 0 };
  const place = { exp: "e", collaborator: "a" };
  t.notThrows(() => wire.publish(subjects.alive, place, alive));
  await ports.bus.close();
  t.notThrows(() => wire.publish(subjects.alive, place, { ...alive, doing: "" }));
  t.deepEqual(ports.counters.all(), { FL_CLOSED: 1, FL_INTERNAL: 1 });
  t.throws(() => wire.publish(subjects.alive, { exp: "a.b", collaborator: "a" }, alive), { code: "FL_SUBJECT_TOKEN" });
});

test("a federation's name is one token, and federations do not hear each other", async (t) => {
  const world = testWorld();
  t.throws(() => new Wire(world.ports("a"), "a.b"), { code: "FL_SUBJECT_TOKEN" });
  const other = new Wire(world.ports("b"), "other");
  other.on(subjects.alive, {}, () => t.fail());
  world.wire("a").publish(subjects.alive, { exp: "e", collaborator: "a" }, { round: 1, doing: "", done: 0, total: 0 });
  await other.ports.bus.flush();
  t.pass();
});

// --- rows -----------------------------------------------------------------------------------------------------------

const key = { role: "director", name: "d" };
const record = (owner: string): m.SnapshotRecord => ({ v: 1, machine: "m", owner, snapshot: { at: owner } });

test("rows: of two writers that read the same revision one wins, the other is FL_FENCED", async (t) => {
  const world = testWorld();
  const mine = await world.wire("a").table(buckets.snapshots);
  const theirs = await world.wire("b").table(buckets.snapshots);
  const revision = await mine.create(key, record("a"));
  await t.throwsAsync(theirs.create(key, record("b")), { code: "FL_EXISTS" });
  await theirs.update(key, record("b"), revision);
  await t.throwsAsync(mine.update(key, record("a"), revision), { code: "FL_FENCED" });
  const row = await mine.get(key);
  t.deepEqual(row?.value, record("b"));
  t.true(row!.revision > revision);
  t.is(await mine.get({ role: "director", name: "nobody" }), undefined);
  t.deepEqual(
    (await mine.all()).map((r) => r.value.owner),
    ["b"],
  );
});

test("rows: a stored value that does not fit is an error to who reads it, and passed over by who watches", async (t) => {
  const world = testWorld();
  const ports = world.ports("a");
  const rows = await new Wire(ports, FED).table(buckets.snapshots);
  const table = await world.store.table({ name: "fl-test-snapshots" });
  await table.put("director.d", encode({ v: 2 }));
  await t.throwsAsync(rows.get(key), { code: "FL_MESSAGE_MALFORMED" });
  const seen: (string | undefined)[] = [];
  const end = new AbortController();
  await rows.watch(key, ({ value }) => seen.push(value?.owner), end.signal);
  await rows.put(key, record("a"));
  await table.put("director.d", text(record("json")));
  await rows.delete(key);
  await ports.bus.flush();
  end.abort();
  t.deepEqual(seen, ["a", "json", undefined]);
  t.is(ports.counters.get("FL_MESSAGE_MALFORMED"), 1);
});

test("the same journal and table are opened once; one that failed to open is tried again", async (t) => {
  const world = testWorld();
  const ports = world.ports("a");
  let fails = true;
  let opened = 0;
  const store = {
    ...ports.store,
    journal: async (spec: Parameters<typeof ports.store.journal>[0]) => {
      opened++;
      if (fails) throw new FlError("FL_TIMEOUT");
      return world.store.journal(spec);
    },
  };
  const wire = new Wire({ ...ports, store: store as unknown as typeof ports.store }, FED);
  await t.throwsAsync(wire.journal("model", "e"), { code: "FL_TIMEOUT" });
  fails = false;
  t.is(await wire.journal("model", "e"), await wire.journal("model", "e"));
  t.is(opened, 2);
  t.is(wire.journalName("model", "e"), "FL-test-MODEL-e");
});

test("what roles say on open subjects is JSON, for whoever reads along; between roles it is MessagePack (R5)", async (t) => {
  const world = testWorld();
  const wire = world.wire("aggregator");
  const seen: string[] = [];
  const reader = world.ports("reader").bus;
  reader.subscribe("fl.v1.test.>", ({ contentType, data }) => seen.push(`${contentType} ${data[0] === 0x7b}`));
  const progress = {
    round: 1,
    rounds: 2,
    epoch: 1,
    state: "open",
    quorum: 1,
    deadline_at: null,
    waiting_for: null,
    peers: [],
  };
  wire.publish(subjects.progress, { owner: "ann", exp: "e" }, progress);
  wire.publish(subjects.alive, { exp: "e", collaborator: "a" }, { round: 1, doing: "", done: 0, total: 0 });
  const metric = { round: 1, origin: "a", task: "train", metric: "loss", value: 0.5, at: 1 };
  const journal = await wire.journal("metrics");
  const stored = { v: 1 as const, experiment: "e", ...metric };
  const seq = await wire.append(subjects.metric, journal, { owner: "ann", exp: "e", origin: "a" }, stored, "id");
  await reader.flush();
  t.deepEqual(seen, ["json true", "msgpack false", "json true"]);
  t.deepEqual(JSON.parse(Buffer.from((await journal.read(seq))!.data).toString()), stored);
});
