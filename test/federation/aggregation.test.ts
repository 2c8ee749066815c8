/**
 * A user's own aggregation (examples/trimmed-mean.ts), in a whole federation: as a module that travels with the workspace,
 * and as an actor in a process of its own, which is killed in the middle of a round. The model is the same to the last bit.
 */
import { createHash } from "node:crypto";
import test from "ava";
import { hasEnded } from "../../src/client/record.ts";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { shelves } from "../../src/wire/table.ts";
import { type TestFederation, testFederation } from "../support/federation.ts";

const plan = (use: string) => ({
  version: 1,
  rounds: 3,
  aggregation: { use, options: { trim: 0.34 } },
  tasks: [{ task: "train", arguments: { samples: 320, batchSize: 32, learningRate: 0.5 } }],
});
const envoy = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 3, trainLimit: 320, validationLimit: 50 } },
  monitor: part === 0 ? "nats:load" : "./examples/load-monitor.ts",
});
const actor = { module: "./examples/trimmed-mean.ts" };

async function model(fed: TestFederation, name: string): Promise<string> {
  const record = await fed.experiment(name, hasEnded);
  if (record.outcome === null) throw new Error(JSON.stringify(record.failure));
  const bytes = await (await fed.wire.shelf(shelves.models)).get(record.outcome.objects.last);
  return createHash("sha256")
    .update(bytesOf(parseSafetensors(bytes!).values))
    .digest("hex");
}

test("a user's aggregation gives the same model as a module and as an actor that dies in mid-round", async (t) => {
  const fed = await testFederation(t);
  await fed.start("device-monitor", "load", { module: "./examples/load-monitor.ts" });
  await fed.start("director", "director", { periodMs: 300 });
  await Promise.all([0, 1, 2].map((i) => fed.start("envoy", `e${i}`, envoy(i))));
  const workspace = "examples/mnist/workspace.ts";
  const parts = { "./trimmed-mean.ts": "examples/trimmed-mean.ts" };
  await fed.submit("module", plan("./trimmed-mean.ts"), workspace, { parts });
  const asModule = await model(fed, "module");

  // The actor may come after the experiment: the round waits for it.
  await fed.submit("actor", plan("nats:trimmed"), workspace);
  await fed.start("aggregation", "trimmed", actor);
  await fed.round("actor", (r) => r.round === 2);
  await fed.kill("aggregation", "trimmed");
  await fed.start("aggregation", "trimmed", actor);
  t.is(await model(fed, "actor"), asModule);
});
