/** Programs and a real federation: rows D35, D36, D41, and the snippet of the README. */
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { Federation } from "../../src/client/federation.ts";
import { rehearse } from "../../src/client/rehearsal.ts";
import { tensorflow } from "../../src/engine/tensorflow.ts";
import { FlError } from "../../src/errors.ts";
import { type TestFederation, testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const workspace = "examples/mnist/workspace.ts";
const training = { task: "train", arguments: { samples: 200, learningRate: 0.3 } };
const plan = (rounds: number) => ({ version: 1 as const, rounds, tasks: ["validate", training] });
const shard = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 2, trainLimit: 300, validationLimit: 100 } },
});

async function running(t: ExecutionContext, fed = "main"): Promise<TestFederation> {
  const federation = await testFederation(t, fed);
  await federation.start("director", "director", { periodMs: 300 });
  await Promise.all([federation.start("envoy", "north", shard(0)), federation.start("envoy", "south", shard(1))]);
  return federation;
}

async function connected(t: ExecutionContext, { server, wire }: TestFederation): Promise<Federation> {
  const federation = await Federation.connect({ nats: server.url, fed: wire.fed, name: "ann" });
  t.teardown(() => federation.close());
  return federation;
}

/** Runs a program in a folder of its own that has this package installed. */
async function program(t: ExecutionContext, text: string, env: Record<string, string>): Promise<string[]> {
  const dir = await temporaryDir(t);
  await mkdir(join(dir, "node_modules"));
  await symlink(process.cwd(), join(dir, "node_modules", "entente"));
  const file = join(dir, "program.mjs");
  await writeFile(file, text);
  const { stdout } = await promisify(execFile)(process.execPath, [file], { env: { ...process.env, ...env } });
  return stdout.trimEnd().split("\n");
}

test.serial("the README's program, as it stands there, trains a model", async (t) => {
  const readme = await readFile("README.md", "utf8");
  const snippet = /### From a program\n.*?```ts\n(.*?)```/s.exec(readme)?.[1];
  t.true(snippet !== undefined && snippet.trimEnd().split("\n").length <= 12);
  const fed = await running(t);
  const after = `
const tf = await (await import("entente")).tensorflow();
console.log(JSON.stringify({ layers: model.layers.length, out: model.predict(tf.zeros([3, 784])).shape }));`;
  const lines = await program(t, `${snippet}${after}`, { NATS: fed.server.url });
  const rounds = lines.slice(0, -1).map((line) => line.split(" ").map(Number));
  t.deepEqual(
    rounds.map(([round]) => round),
    [1, 2, 3],
  );
  t.true(rounds[2]![1]! > 0.5 && rounds[2]![1]! <= 1, lines.join("; "));
  t.deepEqual(JSON.parse(lines.at(-1)!), { layers: 2, out: [3, 10] });
});

test.serial("D35 another process finds a running experiment by its name, and sees all of it", async (t) => {
  const fed = await running(t, "fed");
  const federation = await connected(t, fed);
  const experiment = await federation.start({ name: "long", plan: plan(100_000), workspace });
  for await (const { round } of experiment.metrics()) if (round >= 2) break;
  const lines = await program(
    t,
    `import { Federation } from "entente";
const federation = await Federation.connect({ nats: process.env.NATS, fed: "fed", name: "ann" });
const experiment = federation.experiment("long");
const { experiment: record } = await experiment.status();
console.log(record.state, record.collaborators.join());
for await (const { round } of experiment.metrics()) if (round >= 4) break;
await experiment.cancel();
let metrics = 0;
for await (const m of experiment.metrics()) metrics++;
const { state } = await experiment.ended();
const tensors = await experiment.lastModel({ as: "tensors" });
const sum = Object.values(tensors).flatMap((t) => [...t.values]).reduce((a, b) => a + b, 0);
console.log(JSON.stringify({ metrics, state, sum, names: Object.keys(tensors) }));
await federation.close();`,
    { NATS: fed.server.url },
  );
  t.is(lines[0], "in_progress north,south");
  let metrics = 0;
  for await (const _ of experiment.metrics()) metrics++;
  t.is((await experiment.ended()).state, "cancelled", "what one handle does, the other sees");
  const tensors = await experiment.lastModel({ as: "tensors" });
  const sum = Object.values(tensors).reduce((s, { values }) => values.reduce((a, b) => a + b, s), 0);
  t.deepEqual(JSON.parse(lines[1]!), {
    ...{ metrics, state: "cancelled", sum },
    names: ["0.kernel", "1.bias", "2.kernel", "3.bias"],
  });
});

test.serial(
  "D36 one federation object runs experiments one after another, each from what another came to if it likes",
  async (t) => {
    const federation = await connected(t, await running(t));
    const folder = await temporaryDir(t);
    await writeFile(
      join(folder, "workspace.ts"),
      `export { default } from ${JSON.stringify(join(process.cwd(), workspace))};`,
    );
    await writeFile(
      join(folder, "plan.yaml"),
      "version: 1\nrounds: 2\nname: first\ntasks: [validate, { task: train, arguments: { samples: 200 } }]\n",
    );
    const first = await federation.start({ workspace: folder });
    t.is(first.submitted?.state, "accepted");
    const rounds: (number | null)[] = [];
    for await (const { round, accuracy, metrics } of first.rounds()) {
      rounds.push(round);
      t.true(accuracy! >= 0 && metrics["train.loss"]! > 0);
    }
    t.deepEqual(rounds, [1, 2]);
    t.is((await first.wait()).outcome?.rounds, 2);

    const second = await federation.start({
      name: "second",
      plan: plan(1),
      workspace,
      model: await first.model("last"),
    });
    await second.wait();
    const before = await first.lastModel({ as: "tensors" });
    const after = await second.lastModel({ as: "tensors" });
    const moved = Math.max(...after["0.kernel"]!.values.map((v, i) => Math.abs(v - before["0.kernel"]!.values[i]!)));
    t.true(moved > 0 && moved < 0.2, `it went on from there: ${moved}`);

    const layers = await second.bestModel();
    const tf = await tensorflow();
    const third = await federation.start({
      name: "third",
      plan: { version: 1, rounds: 1, tasks: ["validate"] },
      workspace,
      model: layers,
    });
    await third.wait();
    t.deepEqual(
      await third.lastModel({ as: "tensors" }),
      await second.bestModel({ as: "tensors" }),
      "as layers, and back",
    );
    t.deepEqual((layers.predict(tf.zeros([2, 784])) as { shape: number[] }).shape, [2, 10]);
    layers.dispose();

    t.deepEqual(
      (await federation.list()).map(({ name, owner, state }) => [name, owner, state]),
      [
        ["first", "ann", "finished"],
        ["second", "ann", "finished"],
        ["third", "ann", "finished"],
      ],
    );
    const taken = await t.throwsAsync(federation.start({ name: "first", plan: plan(1), workspace }), {
      instanceOf: FlError,
    });
    t.is(taken?.code, "FL_EXISTS");
    const cancelled = await federation.start({ name: "long", plan: plan(100_000), workspace });
    await cancelled.cancel();
    t.is((await t.throwsAsync(cancelled.wait(), { instanceOf: FlError }))?.code, "FL_CANCELLED");
  },
);

test.serial("D41 random data of the federation's shapes tries a workspace without a federation", async (t) => {
  const federation = await connected(t, await running(t));
  t.deepEqual(await federation.shapes(), { sampleShape: [784], targetShape: [10] });
  t.deepEqual(
    (await federation.shards()).map(({ name, sample_shape }) => [name, sample_shape]),
    [
      ["north", [784]],
      ["south", [784]],
    ],
  );
  t.deepEqual(
    (await federation.envoys()).map(({ name, online }) => [name, online]),
    [
      ["north", true],
      ["south", true],
    ],
  );
  const dummy = await federation.dummyShard({ size: 40 });
  t.like(dummy, { sampleShape: [784], targetShape: [10] });
  const { rounds, tensors } = await rehearse({ plan: plan(1), workspace, shard: dummy, rounds: 3 });
  t.deepEqual(
    rounds.map(({ round }) => round),
    [1, 2, 3],
  );
  t.is(rounds[0]!.metrics["validate_global.samples"], 10);
  t.true(rounds[2]!.metrics["train.loss"]! < rounds[0]!.metrics["train.loss"]!, "it learns even noise by heart");
  t.deepEqual(tensors["0.kernel"]!.shape, [784, 128]);

  const dir = await temporaryDir(t);
  const faulty = join(dir, "faulty.mjs");
  await writeFile(
    faulty,
    `import inner from ${JSON.stringify(pathToFileURL(join(process.cwd(), workspace)).pathname)};
export default { ...inner, tasks: { train() { throw new Error("not like this"); } } };`,
  );
  const e = await t.throwsAsync(rehearse({ plan: plan(1), workspace: faulty, shard: dummy }), { instanceOf: FlError });
  t.is(e?.code, "FL_TASK_FAILED");
  t.regex(e!.message, /not like this/);
});
