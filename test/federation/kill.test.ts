/**
 * Law L1: kill -9 of any process or of the server, in the middle of a round, ends in the same final model as an undisturbed
 * run. Every process is real, the data is MNIST, and whoever was killed is started again as its supervisor would.
 */
import { createHash } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { hasEnded } from "../../src/client/record.ts";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { shelves } from "../../src/wire/table.ts";
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
  const record = await fed.experiment("digits", hasEnded);
  t.is(record.state, "finished", JSON.stringify(record.failure));
  t.is(record.outcome?.rounds, 3);
  const bytes = await (await fed.wire.shelf(shelves.models)).get(record.outcome!.objects.last);
  return createHash("sha256")
    .update(bytesOf(parseSafetensors(bytes!).values))
    .digest("hex");
}

let undisturbed: Promise<string> | undefined;
const reference = (t: ExecutionContext): Promise<string> => (undisturbed ??= run(t));

test.serial("D37 kill -9 of the Director: a new one takes the experiment up where its record stands", async (t) => {
  const model = await run(t, async (fed) => {
    await fed.kill("director", "director");
    await fed.start("director", "director", director);
  });
  t.is(model, await reference(t));
});

test.serial("C37 kill -9 of the Aggregator: its successor is offered the kept updates again", async (t) => {
  const model = await run(t, async (fed) => {
    process.kill(await fed.childOf("director", "director", "aggregator"), "SIGKILL");
  });
  t.is(model, await reference(t));
});

test.serial("SIGTERM of the Aggregator by whoever: it leaves, and its successor goes on", async (t) => {
  const model = await run(t, async (fed) => {
    process.kill(await fed.childOf("director", "director", "aggregator"), "SIGTERM");
  });
  t.is(model, await reference(t));
});

test.serial("kill -9 of a Collaborator: its round repeats for it", async (t) => {
  const model = await run(t, async (fed) => {
    process.kill(await fed.childOf("envoy", "a", "collaborator"), "SIGKILL");
  });
  t.is(model, await reference(t));
});

test.serial("D20 kill -9 of an Envoy: its collaborator goes with it and both come back", async (t) => {
  const model = await run(t, async (fed) => {
    await fed.kill("envoy", "b");
    await fed.start("envoy", "b", shard(1));
  });
  t.is(model, await reference(t));
});

test.serial("C37 kill -9 of the nats-server, restarted on its store: everyone reconnects and goes on", async (t) => {
  const model = await run(t, async (fed) => {
    await fed.server.kill();
    await fed.server.restart();
  });
  t.is(model, await reference(t));
});
