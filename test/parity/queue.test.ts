/** What an owner hands in and what becomes of it, in real processes: rows D11, D13, D14, D16, D17, D19, and A01–A04, A09. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Federation } from "../../src/client/federation.ts";
import { FlError } from "../../src/errors.ts";
import type { ExperimentRecord } from "../../src/wire/messages.ts";
import { type TestFederation, testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const shard = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 2, trainLimit: 20, validationLimit: 20 } },
});
/** It does what its argument says: nothing, wait for its end (all, or south in round 1), or fail. */
const source = `export default {
  model: ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [784], units: 10 })] }),
  tasks: { train: ({ arguments: { what }, collaborator, round, signal }) => {
    if (what === "fail") throw new Error("the disk is full");
    const waits = what === "wait" || (what === "south waits" && collaborator === "south" && round === 1);
    return !waits ? { samples: 1 } :
      new Promise((resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  } },
};`;
const plan = (what = "nothing", more = {}) => ({
  version: 1 as const,
  rounds: 1,
  tasks: [{ task: "train", arguments: { what } }],
  ...more,
});

async function running(t: ExecutionContext, director: Record<string, unknown> = {}) {
  const workspace = join(await temporaryDir(t), "workspace.mjs");
  await writeFile(workspace, source);
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 300, ...director });
  await Promise.all([fed.start("envoy", "north", shard(0)), fed.start("envoy", "south", shard(1))]);
  return { fed, workspace };
}

async function as(t: ExecutionContext, { server, wire }: TestFederation, name: string): Promise<Federation> {
  const federation = await Federation.connect({ nats: server.url, fed: wire.fed, name });
  t.teardown(() => federation.close());
  return federation;
}

const codeOf = async (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (e: unknown) => (e instanceof FlError ? e.code : String(e)),
  );

test.serial(
  "D11 D13 D14 D16 A01 what is handed in is accepted and queued, runs in order, also past a killed Director, and says how it stands to its owner; a taken name is refused and changes nothing",
  async (t) => {
    const { fed, workspace } = await running(t);
    const [ann, bob] = await Promise.all([as(t, fed, "ann"), as(t, fed, "bob")]);
    const weights = { "0.kernel": { shape: [784, 10], values: new Float32Array(7840).fill(0.5) } };
    const begins = { ...weights, "1.bias": { shape: [10], values: new Float32Array(10).fill(-2) } };
    const first = await ann.start({ name: "first", plan: plan("wait"), workspace });
    const second = await ann.start({ name: "second", plan: plan(), workspace, model: begins });
    const only = { collaborators: ["south"] };
    const third = await ann.start({ name: "third", plan: plan("nothing", only), workspace });
    for (const { submitted } of [first, second, third]) t.is(submitted?.state, "accepted", "D11");
    await fed.round("first", (r) => r.round === 1);
    const state = async (exp: { record(): Promise<ExperimentRecord> }) => (await exp.record()).state;
    t.deepEqual(await Promise.all([first, second, third].map(state)), ["in_progress", "pending", "pending"]);
    t.like((await third.status()).waiting, { ahead: ["first", "second"] });

    const before = await first.record();
    for (const federation of [ann, bob]) {
      t.is(await codeOf(federation.start({ name: "first", plan: plan(), workspace })), "FL_EXISTS", "D13");
    }
    t.deepEqual(await first.record(), before, "D13");
    for (const name of ["first", "nothing"]) t.is(await codeOf(bob.experiment(name).status()), "FL_NOT_FOUND", "D16");

    await fed.kill("director", "director");
    await fed.start("director", "director", { periodMs: 300 });
    t.like((await third.status()).waiting, { ahead: ["first", "second"] }, "A01: the queue");
    t.like(await fed.round("first", () => true), { round: 1, state: "open" }, "A01: the round");

    await first.cancel();
    const ended = await Promise.all([first, second, third].map((e) => e.ended()));
    t.deepEqual(
      ended.map((r) => r.state),
      ["cancelled", "finished", "finished"],
    );
    t.true(ended[0]!.started_at! <= ended[1]!.started_at! && ended[1]!.started_at! <= ended[2]!.started_at!, "D14");
    t.deepEqual(ended[2]!.collaborators, ["south"], "D11");
    const last = await second.lastModel({ as: "tensors" });
    t.deepEqual([last["0.kernel"]!.values[7], last["1.bias"]!.values[3]], [0.5, -2], "D11: from the given weights on");
  },
);

test.serial(
  "D16 D17 D19 A03 A09 after an experiment has failed the same envoys run the next one; it stays failed, also for a new Director, and its owner reads why",
  async (t) => {
    const { fed, workspace } = await running(t);
    const ann = await as(t, fed, "ann");
    const fails = await ann.start({ name: "fails", plan: plan("fail"), workspace });
    const next = await ann.start({ name: "next", plan: plan(), workspace });
    const ran = await next.ended();
    t.is(ran.state, "finished", JSON.stringify(ran.failure));
    t.deepEqual(ran.collaborators, ["north", "south"], "D19: those that had failed");
    await fed.kill("director", "director");
    await fed.start("director", "director", { periodMs: 300 });
    const { state, failure } = await fails.record();
    t.is(state, "failed");
    t.like(failure, { role: "collaborator", round: 1, error: { code: "FL_TASK_FAILED" } });
    t.regex(failure!.error.message, /the disk is full/);
    const told: string[] = [];
    for await (const event of fails.events({ follow: false })) {
      if (event.type === "experiment.failed") told.push(event.failure?.error.message ?? "");
    }
    t.is(told.length, 1);
    t.regex(told[0]!, /the disk is full/);
    const e = await t.throwsAsync(fails.wait(), { instanceOf: FlError });
    t.regex(e!.message, /the disk is full/);
  },
);

test.serial("A04 two experiments of two owners run at the same time, each on its own envoys", async (t) => {
  const { fed, workspace } = await running(t, { limit: 2 });
  const [ann, bob] = await Promise.all([as(t, fed, "ann"), as(t, fed, "bob")]);
  const mine = await ann.start({ name: "mine", plan: plan("wait", { collaborators: ["north"] }), workspace });
  const theirs = await bob.start({ name: "theirs", plan: plan("wait", { collaborators: ["south"] }), workspace });
  await Promise.all(["mine", "theirs"].map((name) => fed.round(name, (r) => r.round === 1)));
  t.deepEqual([(await mine.record()).state, (await theirs.record()).state], ["in_progress", "in_progress"]);
  await mine.cancel();
  t.is((await mine.ended()).state, "cancelled");
  t.is((await theirs.record()).state, "in_progress", "the end of one does not touch the other");
  await theirs.cancel();
  t.is((await theirs.ended()).state, "cancelled");
});

test.serial(
  "A02 an envoy is killed in its task: the deadline ends the round without it, and it is back in a later one",
  async (t) => {
    const { fed, workspace } = await running(t);
    const ann = await as(t, fed, "ann");
    // longer than processes take to start on a busy machine: round 0 has it, too
    const patient = { rounds: 1_000, quorum: 1, deadline: "15s" };
    const long = await ann.start({ name: "long", plan: plan("south waits", patient), workspace });
    for await (const { origin } of long.metrics()) if (origin === "north") break;
    await fed.kill("envoy", "south");
    await fed.round("long", (r) => r.round >= 2);
    const inRound1: string[] = [];
    for await (const { origin, round } of long.metrics({ follow: false })) if (round === 1) inRound1.push(origin);
    t.deepEqual([...new Set(inRound1)].sort(), ["aggregator", "north"]);
    await fed.start("envoy", "south", shard(1));
    for await (const { origin, round } of long.metrics()) {
      if (origin !== "south") continue;
      t.true(round > 1);
      break;
    }
    await long.cancel();
    t.is((await long.ended()).state, "cancelled");
  },
);
