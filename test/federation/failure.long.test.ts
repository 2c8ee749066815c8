/** Failures explain themselves: role, name, round, code and stack reach the owner, and the next experiment runs. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { hasEnded } from "../../src/client/record.ts";
import { testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const model = `model: ({ tf, targetShape, sampleShape }) => tf.sequential({ layers: [
  tf.layers.dense({ inputShape: [...sampleShape], units: targetShape[0], kernelInitializer: "zeros" }) ] })`;
const sources = {
  throwing: `export default { ${model}, tasks: { train: function fitBadly({ round, collaborator }) {
    if (round === 2 && collaborator === "b") throw new Error("the disk is full");
    return { samples: 1 };
  } } };`,
  crashing: `export default { ${model}, tasks: { train: ({ round }) => { if (round === 2) process.exit(7); return { samples: 1 }; } } };`,
  good: `export default { ${model}, tasks: { train: () => ({ samples: 1 }) } };`,
};
const shard = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 2, trainLimit: 50, validationLimit: 50 } },
});

test("a failed experiment says who failed where and why, and does not block the next", async (t) => {
  const fed = await testFederation(t);
  const dir = await temporaryDir(t);
  const path = async (name: keyof typeof sources) => {
    const file = join(dir, `${name}.mjs`);
    await writeFile(file, sources[name]);
    return file;
  };
  await fed.start("director", "director", { periodMs: 300 });
  await Promise.all([fed.start("envoy", "a", shard(0)), fed.start("envoy", "b", shard(1))]);
  const plan = { version: 1, rounds: 3, tasks: ["train"] };

  await fed.submit("throws", plan, await path("throwing"));
  await fed.submit("tolerant", { ...plan, quorum: 1 }, await path("throwing"));
  await fed.submit("crashes", plan, await path("crashing"));
  await fed.submit("misplanned", { ...plan, round: 3 }, await path("good"));
  await fed.submit("misnamed", { ...plan, tasks: ["trian"] }, await path("good"));
  await fed.submit("fine", plan, await path("good"));
  await fed.submit("fine", plan, await path("good"), { owner: "mallory" });

  const throws = await fed.experiment("throws", hasEnded);
  t.like(throws, { state: "failed", failure: { role: "collaborator", name: "b", round: 2 } });
  t.is(throws.failure?.error.code, "FL_TASK_FAILED");
  t.regex(throws.failure!.error.message, /the disk is full/);
  t.regex(throws.failure!.error.stack!, /fitBadly/);

  const tolerant = await fed.experiment("tolerant", hasEnded);
  t.is(tolerant.state, "finished", JSON.stringify(tolerant.failure));

  const crashes = await fed.experiment("crashes", hasEnded);
  t.is(crashes.failure?.error.code, "FL_PROCESS_CRASHED");
  t.regex(crashes.failure!.error.message, /exit status 7/);

  const misplanned = await fed.experiment("misplanned", hasEnded);
  t.is(misplanned.failure?.error.code, "FL_PLAN_INVALID");
  t.regex(misplanned.failure!.error.message, /did you mean rounds/);

  t.is((await fed.experiment("misnamed", hasEnded)).failure?.error.code, "FL_TASK_UNKNOWN");

  const fine = await fed.experiment("fine", hasEnded);
  t.is(fine.state, "finished", JSON.stringify(fine.failure));
  t.is(fine.owner, "tester", "the name belongs to whoever took it first");
});

test("a data owner whose shard cannot be loaded fails the experiment with its own error, and a quorum goes on without", async (t) => {
  const fed = await testFederation(t);
  const dir = await temporaryDir(t);
  const workspace = join(dir, "good.mjs");
  await writeFile(workspace, sources.good);
  const broken = join(dir, "shard.mjs");
  await writeFile(
    broken,
    `export default { description: "broken", sampleShape: [784], targetShape: [10], load() { throw new Error("disk on fire"); } };`,
  );
  await fed.start("director", "director", { periodMs: 300 });
  await Promise.all([fed.start("envoy", "a", shard(0)), fed.start("envoy", "b", { shard: { use: broken } })]);
  const plan = { version: 1, rounds: 2, tasks: ["train"] };
  await fed.submit("all", plan, workspace);
  await fed.submit("some", { ...plan, quorum: 1 }, workspace);
  const all = await fed.experiment("all", hasEnded);
  t.like(all, { state: "failed", failure: { role: "collaborator", name: "b", error: { code: "FL_SHARD_FAILED" } } });
  t.regex(all.failure!.error.message, /disk on fire/);
  const some = await fed.experiment("some", hasEnded);
  t.is(some.state, "finished", JSON.stringify(some.failure));
});
