/**
 * Pausing, resuming, failing and retrying with a Director that is killed behind each order: the same final model as an
 * undisturbed run, with real processes on a real server. At every single write it is test/actors/director.test.ts.
 */
import { createHash } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import type { Ordered } from "../../src/wire/requests.ts";
import { buckets, shelves, subjects } from "../../src/wire/table.ts";
import { type TestFederation, testFederation } from "../support/federation.ts";

const plan = {
  version: 1,
  rounds: 3,
  tasks: [
    { task: "validate", on: "global" },
    { task: "train", arguments: { samples: 640, batchSize: 32, learningRate: 0.5 } },
  ],
};
const director = { periodMs: 400 };
const shard = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 2, trainLimit: 1000, validationLimit: 100 } },
});
const caller = "tester";
const soon = { timeoutMs: 10_000 };
const which = { experiment: "digits" };

/** Runs the experiment, disturbs it in its second round, and gives the digest of its last model. */
async function run(t: ExecutionContext, disturb?: (fed: TestFederation) => Promise<void>): Promise<string> {
  const fed = await testFederation(t);
  await fed.start("director", "director", director);
  await Promise.all([fed.start("envoy", "a", shard(0)), fed.start("envoy", "b", shard(1))]);
  await fed.submit("digits", plan, "examples/mnist/workspace.ts");
  if (disturb !== undefined) {
    await fed.round("digits", (r) => r.round === 2);
    await disturb(fed);
  }
  const record = await fed.experiment("digits", (r) => r.state === "finished" || r.state === "failed");
  t.is(record.state, "finished", JSON.stringify(record.failure));
  t.is(record.outcome?.rounds, 3);
  const bytes = await (await fed.wire.shelf(shelves.models)).get(record.outcome!.objects.last);
  return createHash("sha256")
    .update(bytesOf(parseSafetensors(bytes!).values))
    .digest("hex");
}

let undisturbed: Promise<string> | undefined;
const reference = (t: ExecutionContext): Promise<string> => (undisturbed ??= run(t));

/** Orders, and kills the Director that has taken the order as soon as it has said so. */
async function orderAndKill(fed: TestFederation, order: () => Promise<Ordered>): Promise<void> {
  const { ok, error } = await order();
  if (!ok) throw new Error(JSON.stringify(error));
  await fed.kill("director", "director");
  await fed.start("director", "director", director);
}

const assigned = async (fed: TestFederation, envoy: string): Promise<string[]> =>
  (await (await fed.wire.table(buckets.assignments)).get({ envoy }))?.value.experiments.map((e) => e.name) ?? [];

test.serial(
  "D39 paused in mid-round and resumed, it repeats that round, though the Director dies behind each order",
  async (t) => {
    const model = await run(t, async (fed) => {
      await orderAndKill(fed, () => fed.wire.request(subjects.pause, { caller }, which, soon));
      const paused = await fed.experiment("digits", (r) => r.state === "paused");
      t.deepEqual(paused.collaborators, ["a", "b"]);
      t.deepEqual([await assigned(fed, "a"), await assigned(fed, "b")], [[], []]);
      t.is((await fed.round("digits", () => true)).state, "open");
      await orderAndKill(fed, () => fed.wire.request(subjects.resume, { caller }, which, soon));
      await fed.round("digits", (r) => r.attempt === 2);
    });
    t.is(model, await reference(t));
  },
);

test.serial(
  "D39 set failed in mid-round and retried, it goes on from its checkpoint, though the Director dies behind each order",
  async (t) => {
    const model = await run(t, async (fed) => {
      const reason = { ...which, reason: "the electricity bill" };
      await orderAndKill(fed, () => fed.wire.request(subjects.fail, { caller }, reason, soon));
      const failed = await fed.experiment("digits", (r) => r.state === "failed");
      t.like(failed.failure, { role: "owner", name: caller, error: { code: "FL_SET_FAILED" } });
      const { round } = await fed.round("digits", (r) => r.state === "failed");
      await orderAndKill(fed, () => fed.wire.request(subjects.retry, { caller }, { ...which, fresh: false }, soon));
      const again = await fed.round("digits", (r) => r.attempt === 2);
      t.true(again.round >= round);
    });
    t.is(model, await reference(t));
  },
);
