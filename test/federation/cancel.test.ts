/** Cancelling, and two Directors of one name. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { hasEnded } from "../../src/client/record.ts";
import { subjects } from "../../src/wire/table.ts";
import { testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const source = `export default {
  model: ({ tf, sampleShape, targetShape }) => tf.sequential({ layers: [
    tf.layers.dense({ inputShape: [...sampleShape], units: targetShape[0], kernelInitializer: "zeros" }) ] }),
  tasks: { train: ({ arguments: { hang }, signal }) => hang !== true ? { samples: 1 } :
    new Promise((resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))) },
};`;
const plan = (hang: boolean) => ({ version: 1, rounds: 2, tasks: [{ task: "train", arguments: { hang } }] });
const shard = { shard: { use: "mnist", params: { trainLimit: 50, validationLimit: 50 } } };

test("a running experiment and a waiting one are cancelled, the next one runs, and a second Director takes over", async (t) => {
  const fed = await testFederation(t);
  const workspace = join(await temporaryDir(t), "workspace.mjs");
  await writeFile(workspace, source);
  await fed.start("director", "director", { periodMs: 300 });
  await fed.start("envoy", "a", shard);
  await fed.submit("hangs", plan(true), workspace);
  await fed.submit("waits", plan(true), workspace);
  await fed.round("hangs", (r) => r.round === 1);
  const cancel = (experiment: string) =>
    fed.wire.request(subjects.cancel, { caller: "tester" }, { experiment }, { timeoutMs: 10_000 });

  await fed.experiment("waits", () => true);
  t.like(await cancel("waits"), { ok: true });
  t.is((await fed.experiment("waits", hasEnded)).state, "cancelled");
  t.like(await cancel("hangs"), { ok: true });
  t.is((await fed.experiment("hangs", hasEnded)).state, "cancelled");
  t.is((await fed.round("hangs", (r) => r.state !== "open")).state, "cancelled", "its collaborators see it");
  const again = await cancel("hangs");
  t.is(again.error?.code, "FL_STATE");

  // Another process under the same name owns the record now; the first stops itself.
  await fed.start("director", "successor", { name: "director", periodMs: 300 });
  const first = await fed.gone("director", "director");
  t.like(first, { how: "failed", error: { code: "FL_FENCED" } });
  await fed.submit("runs", plan(false), workspace);
  const runs = await fed.experiment("runs", hasEnded);
  t.is(runs.state, "finished", JSON.stringify(runs.failure));
});
