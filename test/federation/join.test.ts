/** An envoy that comes when an experiment runs already, with real processes on a real server. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { subjects } from "../../src/wire/table.ts";
import { testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const shard = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 2, trainLimit: 20, validationLimit: 20 } },
});
/** In round 1 it waits until the gate is there. */
const source = `import { existsSync } from "node:fs";
export default {
  model: ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [784], units: 10 })] }),
  tasks: { train: async ({ arguments: { gate }, round, signal }) => {
    while (round === 1 && !existsSync(gate)) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return { samples: 1 };
  } },
};`;

test("an envoy that comes in the middle is taken up in the next round, where the plan lets it join", async (t) => {
  const dir = await temporaryDir(t);
  const [workspace, gate] = [join(dir, "workspace.mjs"), join(dir, "gate")];
  await writeFile(workspace, source);
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 300 });
  await fed.start("envoy", "a", shard(0));
  const tasks = [{ task: "train", arguments: { gate } }];
  await fed.submit("x", { version: 1, rounds: 2, join: true, tasks }, workspace);
  t.deepEqual(Object.keys((await fed.round("x", (r) => r.round === 1)).assigned), ["a"]);
  const heard = new Promise<void>((resolve) => {
    const end = fed.wire.on(subjects.progress, {}, ({ exp }, { peers }) => {
      if (exp !== "x" || !peers.some((p) => p.name === "b" && p.seen_at !== null)) return;
      end();
      resolve();
    });
  });
  await fed.start("envoy", "b", shard(1));
  await heard;
  await writeFile(gate, "");
  t.deepEqual(Object.keys((await fed.round("x", (r) => r.round === 2)).assigned).sort(), ["a", "b"]);
  const record = await fed.experiment("x", (r) => r.state === "finished" || r.state === "failed");
  t.is(record.state, "finished", JSON.stringify(record.failure));
  t.deepEqual(record.collaborators, ["a", "b"]);
});
