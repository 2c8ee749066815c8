/** From a stored submission to a queued experiment: S1–S3 of actors/director/submissions.ts. */
import test from "ava";
import { Records } from "../../actors/director/records.ts";
import { admit } from "../../actors/director/submissions.ts";
import { wantedOf } from "../../actors/director/wanted.ts";
import { parsePlan, planDigest } from "../../src/plan/plan.ts";
import type { ContentType } from "../../src/ports.ts";
import { upload } from "../../src/transfer/upload.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import { type Event, event as eventSchema, type RoundRecord } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { testWorld } from "../support/ports.ts";
import { recordOf } from "../support/record.ts";

const roundOf = (experiment: string): RoundRecord => ({
  ...{
    v: 1,
    experiment,
    attempt: 1,
    epoch: 1,
    round: 1,
    trained: 1,
    state: "finished",
    assigned: {},
    deadline_at: null,
  },
  ...{ quorum: 1, opened_at: 0, plateau: null, kept: [], model: null, specs: null, best: null, metrics: {} },
  ...{ state_ref: null, failure: null, outcome: null },
});

async function opened() {
  const wire = testWorld().wire("director");
  const records = await Records.open(wire);
  const archive = await upload(wire, "ann", new Uint8Array(3));
  const queue: string[] = [];
  records.onChange((name, record) => record?.state === "pending" && queue.push(name));
  let seq = 0;
  const subject = wire.subject(subjects.submit, { owner: "ann" });
  const stored = async (data: Uint8Array, contentType: ContentType = "json"): Promise<number> => {
    await admit(
      { wire, records, envoys: { names: () => ["north", "south"] } },
      { seq: ++seq, subject, data, contentType },
    );
    return seq;
  };
  const plan = { version: 1, rounds: 1 };
  const submission = { v: 1, name: "x", plan, archive };
  const last = async (exp: string): Promise<Event | undefined> => {
    const message = await (await wire.journal("events")).last(
      wire.subject(subjects.event, { owner: "ann", exp, origin: "director" }),
    );
    return message && decode(eventSchema, message.data, message.contentType, "event");
  };
  return {
    wire,
    records,
    queue,
    stored,
    plan,
    submission,
    last,
    ask: (value: unknown) => stored(encode(value, "json")),
  };
}

test("an experiment that begins from another's model, or from none, is refused at once", async (t) => {
  const { wire, records, queue, plan, submission, last, ask } = await opened();
  const begins = (name: string, from: unknown) => ask({ ...submission, name, plan: { ...plan, from } });
  const code = async (name: string) => (await last(name))?.failure?.error.code;
  await records.make(recordOf("bobs", { owner: "bob", seq: 100 }));
  await records.make(recordOf("mine", { seq: 101 }));
  const outcome = { rounds: 1, metrics: {}, best: null, objects: { last: "done.last", best: "done.best" } };
  await records.make(recordOf("done", { seq: 102, state: "finished", outcome }));
  const round = { ...roundOf("done"), kept: [1] };
  await (await wire.table(buckets.rounds)).put({ exp: "done" }, round);
  queue.length = 0;
  for (const [name, from] of [
    ["of-nothing", "nothing"],
    ["of-bobs", { experiment: "bobs" }],
    ["of-dropped", { experiment: "done", round: 2 }],
  ] as const) {
    await begins(name, from);
    t.is((await records.get(name))?.state, "failed");
    t.is(await code(name), "FL_NOT_FOUND", name);
  }
  await begins("itself", "itself");
  t.is(await code("itself"), "FL_PLAN_INVALID");
  await begins("queued", "mine");
  await begins("kept", { experiment: "done", round: 1 });
  await begins("later", { experiment: "mine", round: 7 });
  t.deepEqual(queue, ["queued", "kept", "later"], "what is in the queue before may make it");
});

test("C11 groups that leave out somebody who is registered are refused at once; who is in one and not there is waited for", async (t) => {
  const { records, queue, plan, submission, last, ask } = await opened();
  const grouped = (name: string, ...collaborators: string[]) => {
    const groups = [{ name: "g", collaborators }];
    return ask({ ...submission, name, plan: { ...plan, assigner: { use: "groups", options: { groups } } } });
  };
  await grouped("few", "north");
  t.like((await last("few"))?.failure?.error, { code: "FL_PLAN_INVALID" });
  t.regex((await last("few"))!.failure!.error.message, /south is in none/);
  await grouped("more", "north", "south", "east");
  t.deepEqual(queue, ["more"]);
  t.deepEqual(wantedOf((await records.get("more"))!).collaborators, ["north", "south", "east"]);
});

test("what can run is recorded, queued and accepted", async (t) => {
  const { records, queue, submission, last, ask } = await opened();
  const seq = await ask(submission);
  t.like(await records.get("x"), { state: "pending", owner: "ann", seq });
  t.deepEqual(queue, ["x"]);
  t.like(await last("x"), { type: "experiment.accepted", detail: { owner: "ann", seq } });
});

for (const [what, change, code, says] of [
  ["a built-in aggregation that is none", { aggregation: "medain" }, "FL_PART_UNKNOWN", /did you mean median\?/],
  [
    "options that are not the aggregation's",
    { aggregation: { use: "median", options: { trim: 0.1 } } },
    "FL_PLAN_INVALID",
    /options of aggregation median: trim is not a key/,
  ],
  ["a key that is none", { round: 2 }, "FL_PLAN_INVALID", /did you mean rounds\?/],
] as const) {
  test(`${what} is refused with its code and the nearest name, and recorded (S2, S3)`, async (t) => {
    const { records, queue, plan, submission, last, ask } = await opened();
    const seq = await ask({ ...submission, plan: { ...plan, ...change } });
    t.deepEqual(queue, []);
    const told = await last("x");
    t.like(told, { type: "experiment.refused", detail: { owner: "ann", seq }, failure: { error: { code } } });
    t.regex(told!.failure!.error.message, says);
    t.like(await records.get("x"), { state: "failed", failure: { error: { code } } });
  });
}

test("a plan that its owner reads otherwise than the Director is refused: nobody works on two meanings", async (t) => {
  const { queue, plan, submission, last, ask } = await opened();
  const digest = planDigest(parsePlan(plan));
  await ask({ ...submission, plan_digest: digest.replace(/^./, (c) => (c === "0" ? "1" : "0")) });
  t.like((await last("x"))?.failure?.error, { code: "FL_PLAN_DISAGREED", detail: { got: digest } });
  t.regex((await last("x"))!.failure!.error.message, /its owner ann/);
  await ask({ ...submission, name: "y", plan_digest: digest });
  t.deepEqual(queue, ["y"]);
});

test("an aggregation that only its workspace, or the bus, knows is not the Director's to judge", async (t) => {
  const { queue, plan, submission, ask } = await opened();
  for (const [i, use] of ["./mine.ts", "nats:mine"].entries()) {
    await ask({ ...submission, name: `x${i}`, plan: { ...plan, aggregation: { use, options: { any: 1 } } } });
  }
  t.deepEqual(queue, ["x0", "x1"]);
});

test("D13 a name that is taken is refused, and the first one's record stays (S2)", async (t) => {
  const { records, submission, last, ask } = await opened();
  await ask(submission);
  const seq = await ask(submission);
  t.like(await last("x"), { type: "experiment.refused", detail: { seq }, failure: { error: { code: "FL_EXISTS" } } });
  t.is((await records.get("x"))?.seq, 1);
});

test("what does not decode is refused under the name it was meant to have, wherever that can be read (S3)", async (t) => {
  const { wire, records, submission, last, stored, ask } = await opened();
  const { archive: _, ...incomplete } = submission;
  const json = JSON.stringify(submission);
  const forms: (() => Promise<number>)[] = [
    () => ask(incomplete),
    () => ask({ ...submission, colour: "red" }),
    () => stored(encode({ ...submission, v: 2 }), "msgpack"),
    () => stored(Buffer.from(json.replace(/}$/, ",}"))),
    () => stored(Buffer.from(`{ "plan": { "name": "inner" }, "tags": ["name", "y"], ${json.slice(1, -3)}`)),
  ];
  for (const [i, form] of forms.entries()) {
    const seq = await form();
    const told = await last("x");
    t.like(told, { type: "experiment.refused", detail: { owner: "ann", seq } }, String(i));
    t.like(told!.failure!.error, { code: "FL_MESSAGE_MALFORMED" });
    t.false("stack" in told!.failure!.error);
  }
  t.is(await records.get("x"), undefined, "the name is free");
  t.is(await last("inner"), undefined);
  t.is(wire.ports.counters.get("submission.malformed"), forms.length);
});

test("what has no name that can be read is counted and logged, and ends nothing", async (t) => {
  const { wire, stored, ask } = await opened();
  await ask({ v: 1, name: "two words" });
  await ask({ v: 1, plan: { name: "inner" } });
  await stored(Buffer.from('{"v":1,"name":"two words",}'));
  await stored(Buffer.from("hello"), "msgpack");
  t.is(wire.ports.counters.get("submission.malformed"), 4);
});
