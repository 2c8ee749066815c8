/** The whole system on real data: Director, Envoys, Aggregator, Collaborators, each in its process, on a real server. */
import test from "ava";
import { hasEnded } from "../../src/client/record.ts";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { shelves } from "../../src/wire/table.ts";
import { testFederation } from "../support/federation.ts";

const plan = {
  version: 1,
  rounds: 2,
  tasks: [
    { task: "validate", on: "global" },
    { task: "train", arguments: { samples: 256, batchSize: 32, learningRate: 0.5 } },
  ],
};
const shard = (part: number, parts: number) => ({
  shard: { use: "mnist", params: { part, parts, trainLimit: 512, validationLimit: 200 } },
});

test("a submitted experiment trains on every envoy's own data and ends with a model that is better than the first", async (t) => {
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 500 });
  await fed.start("envoy", "a", shard(0, 2));
  await fed.start("envoy", "b", shard(1, 2));
  await fed.submit("digits", plan, "examples/mnist/workspace.ts");
  const record = await fed.experiment("digits", hasEnded);
  t.is(record.state, "finished", JSON.stringify(record.failure));
  t.deepEqual(record.collaborators, ["a", "b"]);
  t.is(record.outcome?.rounds, 2);
  t.true(record.outcome!.metrics["validate_global.accuracy"]! > 0.5);
  const bytes = await (await fed.wire.shelf(shelves.models)).get(record.outcome!.objects.last);
  t.is(parseSafetensors(bytes!).layout.length, 784 * 128 + 128 + 1280 + 10);
});
