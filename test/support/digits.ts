/**
 * One experiment on MNIST in a whole federation of real processes, and the digest of its last model: what a disturbance may not
 * change. Its Director and its envoys `a` and `b` are started again as their supervisor would, with the settings below.
 */
import { createHash } from "node:crypto";
import type { ExecutionContext } from "ava";
import { hasEnded } from "../../src/client/record.ts";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { shelves } from "../../src/wire/table.ts";
import { type TestFederation, testFederation } from "./federation.ts";

const plan = {
  version: 1,
  rounds: 3,
  tasks: [
    { task: "validate", on: "global" },
    { task: "train", arguments: { samples: 640, batchSize: 32, learningRate: 0.5 } },
  ],
};
export const director = { periodMs: 400 };
export const shard = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 2, trainLimit: 1000, validationLimit: 100 } },
});

/** Runs the experiment, disturbs it in its second round, and gives the digest of its last model. */
export async function run(t: ExecutionContext, disturb?: (fed: TestFederation) => Promise<void>): Promise<string> {
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
/** Of an undisturbed run, made once in a file. */
export const reference = (t: ExecutionContext): Promise<string> => (undisturbed ??= run(t));
