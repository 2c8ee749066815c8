/** The experiments' public records: R1–R4 of actors/director/records.ts. */
import test from "ava";
import { type Ending, ended, started } from "../../actors/director/lifecycle.ts";
import { type Change, Records } from "../../actors/director/records.ts";
import type { Announcement } from "../../actors/ledger.ts";
import { readEvents } from "../../src/client/reading.ts";
import { FlError } from "../../src/errors.ts";
import type { Table, TableSpec } from "../../src/ports.ts";
import type { ExperimentRecord } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { FED, quiet, testWorld } from "../support/ports.ts";
import { recordOf } from "../support/record.ts";

const outcome = { rounds: 1, metrics: {}, best: null, objects: { last: "x.last", best: "x.best" } };
const finished: Ending = { state: "finished", outcome };
const event = (type: Announcement["type"]): Announcement => ({ type, round: null, detail: { attempt: 1 } });

/** The same but for some of its methods. */
function changed<T extends object>(whole: T, methods: Partial<T>): T {
  const get = (of: T, key: PropertyKey): unknown => {
    const own = Reflect.get(methods, key) ?? Reflect.get(of, key);
    return typeof own === "function" ? own.bind(of) : own;
  };
  return new Proxy(whole, { get });
}

async function opened() {
  const world = testWorld();
  const wire = world.wire("director");
  const records = await Records.open(wire);
  const told = async (): Promise<string[]> => {
    const types: string[] = [];
    for await (const event of readEvents(wire, await records.present("x"))) types.push(event.type);
    return types;
  };
  return { world, wire, records, told };
}
const start = (record: ExperimentRecord): Change => ({
  ...{ record: started(record, ["a"], 1), told: event("experiment.started") },
});
const end = (record: ExperimentRecord): Change => ({
  ...{ record: ended(record, finished, 2), told: event("experiment.finished") },
});

test("the first submission that takes a name has it (R1)", async (t) => {
  const { records } = await opened();
  t.is((await records.make(recordOf("x", { seq: 1 }))).seq, 1);
  t.is((await records.make(recordOf("x", { seq: 2 }))).seq, 1);
});

test("a step may be repeated: it is written and told once (R3)", async (t) => {
  const { records, told } = await opened();
  await records.make(recordOf("x"), event("experiment.accepted"));
  for (const _ of [1, 2]) await records.change("x", start);
  for (const _ of [1, 2]) await records.change("x", end);
  t.is((await records.get("x"))?.state, "finished");
  t.deepEqual(await told(), ["experiment.accepted", "experiment.started", "experiment.finished"]);
});

test("what was told by a Director that died before it wrote is written by the next, and not told again (R3)", async (t) => {
  const { world, records, told } = await opened();
  await records.make(recordOf("x"));
  const ports = world.ports("dying");
  const store = changed(ports.store, {
    table: async (spec: TableSpec): Promise<Table> =>
      changed(await ports.store.table(spec), { update: () => Promise.reject(new FlError("FL_CLOSED")) }),
  });
  await t.throwsAsync((await Records.open(new Wire({ ...ports, store }, FED))).change("x", start));
  t.is((await records.get("x"))?.state, "pending");
  await records.change("x", start);
  t.is((await records.get("x"))?.state, "in_progress");
  t.deepEqual(await told(), ["experiment.started"]);
});

test("the same thing in another attempt is told again", async (t) => {
  const { records, told } = await opened();
  await records.make(recordOf("x"));
  for (const attempt of [1, 2]) {
    await records.change("x", (r) => ({
      record: { ...r, attempt, state: "in_progress" },
      told: { type: "experiment.started", round: null, detail: { attempt } },
    }));
  }
  t.deepEqual(await told(), ["experiment.started", "experiment.started"]);
});

test("changes of one record go one after the other, each from what the one before has left (R2)", async (t) => {
  const { records } = await opened();
  await records.make(recordOf("x"));
  const more = (record: ExperimentRecord): Change => ({ record: { ...record, priority: record.priority + 1 } });
  await Promise.all(Array.from({ length: 10 }, () => records.change("x", more)));
  t.is((await records.get("x"))?.priority, 10);
});

test("a change that another Director has overtaken is made again from what that one has left (R2)", async (t) => {
  const { world, records } = await opened();
  await records.make(recordOf("x"));
  const other = await Records.open(world.wire("other"));
  let overtaken = false;
  const record = await records.change("x", (r) => {
    if (!overtaken) void other.change("x", (r) => ({ record: { ...r, priority: 5 } }));
    overtaken = true;
    return { record: { ...r, attempt: r.attempt + 1 }, told: event("experiment.retried") };
  });
  t.like(record, { priority: 5, attempt: 2 });
});

test("listeners are told of each change when it is stored, and of nothing else (R4)", async (t) => {
  const { records } = await opened();
  const heard: (string | undefined)[] = [];
  const stop = records.onChange((_, record) => heard.push(record?.state));
  await records.make(recordOf("x"));
  await records.change("x", (record) => ({ record }));
  await t.throwsAsync(
    records.change("x", () => {
      throw new FlError("FL_STATE");
    }),
  );
  await records.change("x", start);
  await records.forget(recordOf("x"));
  stop();
  await records.make(recordOf("x", { seq: 2 }));
  t.deepEqual(heard, ["pending", "in_progress", undefined]);
});

test("the submission of a removed experiment makes no record again, should it come again (R1)", async (t) => {
  const { wire, records } = await opened();
  const submissions = await wire.journal("submissions");
  const { submission } = recordOf("x");
  const seq = await wire.append(subjects.submit, submissions, { owner: "ann" }, submission, "x");
  await records.make(recordOf("x", { seq }), event("experiment.accepted"));
  await records.forget(recordOf("x", { seq }));
  t.is(await submissions.read(seq), undefined, "by no worker");
  await records.make(recordOf("x", { seq }), event("experiment.accepted"));
  t.is(await records.get("x"), undefined, "nor by one that had it already");
  t.deepEqual(
    await (await wire.journal("events")).last(
      wire.subject(subjects.event, { owner: "ann", exp: "x", origin: "director" }),
    ),
    undefined,
  );
});

test("whoever has heard what is told of a record finds it so, though it is told first (R5)", async (t) => {
  const { wire, records } = await opened();
  const heard: Promise<unknown>[] = [];
  const following = new AbortController();
  const follow = async (): Promise<void> => {
    const filter = wire.wildcard(subjects.event, { owner: "ann", exp: "x" });
    for await (const _ of (await wire.journal("events")).follow({ filter, from: 1, signal: following.signal })) {
      heard.push(
        records.get("x").then((r) => r?.state),
        records.list().then(([r]) => r?.state),
      );
    }
  };
  const followed = follow();
  await records.make(recordOf("x"), event("experiment.accepted"));
  await records.change("x", start);
  await records.change("x", end);
  await quiet();
  following.abort();
  await followed;
  t.deepEqual(await Promise.all(heard), ["pending", "pending", "in_progress", "in_progress", "finished", "finished"]);
});

test("what is waited for of a record comes, or its time is over, or it is gone", async (t) => {
  const { records } = await opened();
  await records.make(recordOf("x"));
  t.is((await records.until("x", (r) => r.state === "pending", 10_000))?.state, "pending");
  const waiting = records.until("x", (r) => r.state === "in_progress", 10_000);
  await records.change("x", start);
  t.is((await waiting)?.state, "in_progress");
  t.is((await records.until("x", () => false, 1))?.state, "in_progress");
  const gone = records.until("x", () => false, 10_000);
  await records.forget(recordOf("x"));
  t.is(await gone, undefined);
});

test("a forgotten name is free: nothing of the one before is left for the next", async (t) => {
  const { wire, records, told } = await opened();
  await records.make(recordOf("x"), event("experiment.accepted"));
  const metrics = await wire.journal("metrics");
  const place = { owner: "ann", exp: "x", origin: "a" };
  const said = {
    v: 1 as const,
    experiment: "x",
    round: 1,
    origin: "a",
    task: "train",
    metric: "loss",
    value: 1,
    at: 0,
  };
  await records.forget(recordOf("x"));
  await wire.append(subjects.metric, metrics, place, said, "late"); // by a collaborator that had not heard yet
  await records.make(recordOf("x", { seq: 2 }), { ...event("experiment.accepted"), detail: { seq: 2 } });
  t.deepEqual(await told(), ["experiment.accepted"]);
  t.is(await metrics.last(wire.subject(subjects.metric, place)), undefined);
});
