/** Compression both ways in a whole federation: real processes, a real server, real data. */
import test from "ava";
import { hasEnded } from "../../src/client/record.ts";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { buckets, shelves } from "../../src/wire/table.ts";
import { testFederation } from "../support/federation.ts";

const plan = {
  version: 1,
  rounds: 3,
  tasks: [
    { task: "validate", on: "global" },
    { task: "train", arguments: { samples: 256, batchSize: 32, learningRate: 0.5 } },
  ],
  compression: { up: [{ use: "topk", fraction: 0.1 }, "int8"], down: { use: "eden", bits: 4 } },
};
const shard = (part: number, parts: number) => ({
  shard: { use: "mnist", params: { part, parts, trainLimit: 512, validationLimit: 200 } },
});

test("C24 a federation that compresses both ways trains, and its models come to collaborators as changes", async (t) => {
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 500 });
  await fed.start("envoy", "a", shard(0, 2));
  await fed.start("envoy", "b", shard(1, 2));
  await fed.submit("digits", plan, "examples/mnist/workspace.ts");
  const record = await fed.experiment("digits", hasEnded);
  t.is(record.state, "finished", JSON.stringify(record.failure));
  t.true(record.outcome!.metrics["validate_global.accuracy"]! > 0.4);
  const round = (await (await fed.wire.table(buckets.rounds)).get({ exp: "digits" }))!.value;
  t.true(round.change!.ref.bytes < round.model!.bytes / 7, "half a byte of four, and what is exact");
  t.like(round.change!.base, { round: 3 });
  t.false(
    fed.lines.some((line) => line.includes("FL_CODEC_MALFORMED")),
    "no change was passed over",
  );
  const bytes = await (await fed.wire.shelf(shelves.models)).get(record.outcome!.objects.last);
  t.is(parseSafetensors(bytes!).layout.length, 784 * 128 + 128 + 1280 + 10);
});
