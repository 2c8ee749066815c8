/** A federation within a program: row C41. */
import { execFile } from "node:child_process";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { Federation } from "../../src/client/federation.ts";
import type { LocalOptions } from "../../src/client/local.ts";
import { dummyShard } from "../../src/data/dummy-shard.ts";
import { type Code, FlError } from "../../src/errors.ts";
import { testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const workspace = "examples/mnist/workspace.ts";
const plan = {
  version: 1 as const,
  rounds: 3,
  tasks: [
    { task: "validate", on: "global" },
    { task: "train", arguments: { samples: 200, batchSize: 32, learningRate: 0.5, optimizer: "momentum", epochs: 2 } },
  ],
};
const params = { trainLimit: 300, validationLimit: 100, split: { use: "dirichlet", options: { alpha: 0.5 } } };

async function local(t: ExecutionContext, options: LocalOptions): Promise<Federation> {
  const federation = await Federation.local(options);
  t.teardown(() => federation.close());
  return federation;
}

test.serial("C41 collaborators in this process come to the deployed federation's model, bit for bit", async (t) => {
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 1_000 });
  const names = Array.from({ length: 4 }, (_, i) => `envoy-${i + 1}`);
  await Promise.all(
    names.map((name, part) =>
      fed.start("envoy", name, { shard: { use: "mnist", params: { part, parts: 4, ...params } } }),
    ),
  );
  const deployed = await Federation.connect({ nats: fed.server.url, fed: "test", name: "ann" });
  t.teardown(() => deployed.close());
  const here = await local(t, { collaborators: 4, params });
  const results = [];
  for (const federation of [deployed, here]) {
    const experiment = await federation.start({ name: "digits", plan, workspace });
    const metrics: string[] = [];
    for await (const { origin, round, task, metric, value } of experiment.metrics()) {
      metrics.push([origin, round, task, metric, value].join(" "));
    }
    const { collaborators, outcome } = await experiment.wait();
    const tensors = await experiment.lastModel({ as: "tensors" });
    results.push({ collaborators, rating: outcome?.metrics, metrics: metrics.sort(), tensors });
  }
  t.deepEqual(results[1], results[0]);
  t.is(results[1]!.collaborators.length, 4);
});

test.serial(
  "C41 a program has ten collaborators with shards of its own making, runs several experiments, and ends with nothing left behind",
  async (t) => {
    const dir = await temporaryDir(t);
    const temporary = join(dir, "tmp");
    await mkdir(temporary);
    await mkdir(join(dir, "node_modules"));
    await symlink(process.cwd(), join(dir, "node_modules", "entente"));
    await writeFile(
      join(dir, "workspace.mjs"),
      `export default { model: ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [2], units: 2 })] }) };`,
    );
    await writeFile(
      join(dir, "program.mjs"),
      `import { defineShard, Federation } from "entente";
const shard = defineShard({ description: "above or below", sampleShape: [2], targetShape: [2], load: async ({ params: { part } }) => {
  const samples = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i * (part + 3)));
  const targets = Uint8Array.from({ length: 100 }, (_, i) => Number(samples[2 * i] > samples[2 * i + 1]));
  return { train: { size: 100, samples, targets }, validation: { size: 100, samples, targets } };
} });
const federation = await Federation.local({ collaborators: 10, shard, limit: 2, name: "ann" });
const plan = { version: 1, rounds: 4, tasks: ["validate", { task: "train", arguments: { epochs: 5, learningRate: 0.5 } }] };
const [one, two] = await Promise.all(["one", "two"].map((name) => federation.start({ name, plan, workspace: "workspace.mjs" })));
await Promise.all([one.wait(), two.wait()]);
const rounds = [];
for await (const { accuracy } of one.rounds()) rounds.push(accuracy);
const same = JSON.stringify(await one.lastModel({ as: "tensors" })) === JSON.stringify(await two.lastModel({ as: "tensors" }));
const long = await federation.start({ name: "long", plan: { ...plan, rounds: 100000 }, workspace: "workspace.mjs" });
for await (const { round } of long.metrics()) if (round === 2) break;
await federation.close();
console.log(JSON.stringify({ rounds, same }));`,
    );
    const env = { ...process.env, TMPDIR: temporary };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ["program.mjs"], { cwd: dir, env });
    const { rounds, same } = JSON.parse(stdout) as { rounds: number[]; same: boolean };
    t.true(rounds.length === 4 && rounds.at(-1)! > 0.9, stdout);
    t.true(same);
    t.is(stderr, "");
    t.deepEqual(await readdir(temporary), []);
  },
);

test.serial(
  "C41 a failure is told as on a server, and what follows it runs; each collaborator may have its own name and shard",
  async (t) => {
    const dir = await temporaryDir(t);
    const faulty = join(dir, "faulty.mjs");
    const model = "({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [3], units: 2 })] })";
    await writeFile(
      faulty,
      `export default { model: ${model}, tasks: { fail: ({ collaborator }) => { if (collaborator === "south") throw new Error("no luck"); return { samples: 1 }; } } };`,
    );
    const shapes = { sampleShape: [3], targetShape: [2] };
    const federation = await local(t, {
      shard: dummyShard({ ...shapes, size: 20 }),
      collaborators: [{ name: "north" }, { name: "south", shard: dummyShard({ ...shapes, size: 40, seed: 2 }) }],
    });
    const fails = await federation.start({
      name: "fails",
      plan: { version: 1, rounds: 1, tasks: ["fail"] },
      workspace: faulty,
    });
    const e = await t.throwsAsync(fails.wait(), { instanceOf: FlError });
    t.is(e?.code, "FL_TASK_FAILED");
    t.like(e?.detail, { role: "collaborator", name: "south", round: 1 });
    const next = await federation.start({
      name: "next",
      plan: { version: 1, rounds: 1, tasks: ["train"] },
      workspace: faulty,
    });
    t.deepEqual((await next.wait()).collaborators, ["north", "south"]);
    t.deepEqual(
      (await federation.list()).map((r) => r.state),
      ["failed", "finished"],
    );
  },
);

test.serial("C41 experiments run at the same time on the same collaborators, as many as it is told", async (t) => {
  const dir = await temporaryDir(t);
  const workspace = join(dir, "workspace.mjs");
  await writeFile(
    workspace,
    `export default { model: ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [3], units: 2 })] }),
  tasks: { meet: async ({ arguments: { me, other, dir }, pause, signal }) => {
    const { existsSync, writeFileSync } = await import("node:fs");
    writeFileSync(dir + "/" + me, "");
    while (!existsSync(dir + "/" + other)) { signal.throwIfAborted(); await pause(); }
    return { samples: 1 };
  } } };`,
  );
  const shard = dummyShard({ sampleShape: [3], targetShape: [2], size: 20 });
  const federation = await local(t, { shard, collaborators: 1, limit: 2 });
  const meets = (me: string, other: string) => ({
    ...{ version: 1 as const, rounds: 1, tasks: [{ task: "meet", arguments: { me, other, dir } }] },
  });
  const one = await federation.start({ name: "one", plan: meets("a", "b"), workspace });
  const two = await federation.start({ name: "two", plan: meets("b", "a"), workspace });
  await Promise.all([one.wait(), two.wait()]);
  t.pass();
});

test.serial("C41 what cannot begin says why, and leaves nothing", async (t) => {
  const refused = async (options: LocalOptions, code: Code): Promise<void> => {
    const e = await t.throwsAsync(Federation.local(options), { instanceOf: FlError });
    t.is(e?.code, code);
  };
  await refused({ collaborators: 0 }, "FL_USAGE");
  await refused({ collaborators: 1.5 }, "FL_USAGE");
  await refused({ collaborators: [{ name: "a" }, { name: "a" }] }, "FL_USAGE");
  await refused({ collaborators: [{ name: "a b" }] }, "FL_SUBJECT_TOKEN");
  await refused({ shard: "mnits" }, "FL_PART_UNKNOWN");
  const [a, b] = [[2], [3]].map((sampleShape) => dummyShard({ sampleShape, targetShape: [2] }));
  await refused({ collaborators: [{ shard: a }, { shard: b }] }, "FL_SHARD_REFUSED");
});
