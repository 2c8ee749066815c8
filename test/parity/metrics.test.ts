/** Metrics of a real federation, as any number of readers and every kind of sink see them: rows D24, D25, D42, C38. */
import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { Federation } from "../../src/client/federation.ts";
import { hasEnded } from "../../src/client/record.ts";
import type { Metric } from "../../src/wire/messages.ts";
import { Cli, run } from "../support/cli.ts";
import { readEventFile } from "../support/event-file.ts";
import { type TestFederation, testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const workspace = `export default {
  model: ({ tf, targetShape, sampleShape }) => tf.sequential({ layers: [
    tf.layers.dense({ inputShape: [...sampleShape], units: targetShape[0], kernelInitializer: "zeros" }) ] }),
  tasks: { train: ({ round }) => ({ loss: 2 ** -round, samples: 50 }) },
};`;
const plan = (rounds: number) => ({ version: 1, rounds, tasks: ["train"] });
const shard = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 2, trainLimit: 50, validationLimit: 50 } },
});
/** two collaborators and their mean, two metrics each */
const EACH_ROUND = 3 * 2;

async function federation(t: Parameters<typeof testFederation>[0], config: Record<string, unknown> = {}) {
  const fed = await testFederation(t);
  const dir = await temporaryDir(t);
  const source = join(dir, "workspace.mjs");
  await writeFile(source, workspace);
  await fed.start("director", "director", { periodMs: 300, ...config });
  await Promise.all([fed.start("envoy", "north", shard(0)), fed.start("envoy", "south", shard(1))]);
  const submit = (name: string, rounds: number): Promise<void> => fed.submit(name, plan(rounds), source);
  return { fed, dir, submit, at: ["--nats", fed.server.url, "--fed", "test", "--owner", "tester"] };
}

async function reader(t: { teardown(end: () => Promise<void>): void }, fed: TestFederation) {
  const client = await Federation.connect({ nats: fed.server.url, fed: "test", name: "tester" });
  t.teardown(() => client.close());
  return async (experiment: string, onMetric: (metric: Metric) => void = () => {}): Promise<Metric[]> => {
    const all: Metric[] = [];
    for await (const metric of client.experiment(experiment).metrics()) {
      all.push(metric);
      onMetric(metric);
    }
    return all;
  };
}

test.serial(
  "D24 D25 A05 metrics come live, with origin, task, metric, value and round, of collaborators and of the aggregate; every reader gets all of them, from the start, whenever it comes",
  async (t) => {
    const { fed, submit } = await federation(t);
    const read = await reader(t, fed);
    await submit("long", 20);
    await fed.experiment("long", (r) => r.state === "in_progress");
    let late: Promise<Metric[]> | undefined;
    let running = false;
    const [first, second] = await Promise.all([
      read("long", ({ round }) => {
        if (round !== 5 || late !== undefined) return;
        running = true;
        late = read("long"); // while it runs
      }),
      read("long"),
    ]);
    t.true(running);
    t.is(first.length, 20 * EACH_ROUND);
    t.deepEqual(second, first);
    t.deepEqual(await late, first);
    t.deepEqual(await read("long"), first, "and after it has ended");
    const third = first.filter((m) => m.round === 3);
    t.deepEqual(
      third.map(({ origin, task, metric, value }) => `${origin}/${task}/${metric} ${value}`).sort(),
      ["aggregator", "north", "south"].flatMap((origin) => [
        `${origin}/train/loss 0.125`,
        `${origin}/train/samples ${origin === "aggregator" ? 100 : 50}`,
      ]),
    );
    for (const { experiment, at } of first) t.true(experiment === "long" && at > 1.7e12);
  },
);

test.serial(
  "D42 the command writes an experiment's metrics as TensorBoard scalars, CSV and NDJSON; again, it adds what is missing",
  async (t) => {
    const { fed, dir, submit, at } = await federation(t);
    const [csv, ndjson, runs] = [join(dir, "m.csv"), join(dir, "m.ndjson"), join(dir, "runs")];
    const sinks = [`csv=${csv}`, `ndjson=${ndjson}`, `tensorboard=${runs}`];
    const args = ["metrics", "e", ...sinks.flatMap((s) => ["--sink", s]), ...at, "--json"];
    await submit("e", 4);
    await fed.experiment("e", hasEnded);
    const n = 4 * EACH_ROUND;

    const written = await run(t, args);
    t.is(written.exit, 0);
    t.deepEqual(
      written
        .of("sink")
        .map(({ sink, state, metrics }) => [sink, state, metrics])
        .sort(),
      sinks.map((sink) => [sink, "written", n]),
    );
    t.deepEqual(written.of("metric"), [], "console only if asked for");
    const rows = (await readFile(csv, "utf8")).trimEnd().split("\n").slice(1);
    const lines = (await readFile(ndjson, "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Metric);
    const events = async () => {
      const [file] = await readdir(join(runs, "e"));
      return readEventFile(await readFile(join(runs, "e", file!))).slice(1);
    };
    const tags = (await events()).map(({ step, values: [v] }) => `${step} ${v!.tag}`);
    t.is(rows.length, n);
    t.deepEqual(
      lines.map((m) => `${m.round} ${m.origin}/${m.task}/${m.metric}`),
      tags,
    );
    t.true(tags.includes("3 aggregator/train/loss"));
    t.deepEqual(
      rows.map((row) => row.split(",")[5]),
      lines.map((m) => String(m.value)),
    );

    await truncate(csv, (await readFile(csv)).length - 30);
    const again = await run(t, args);
    t.deepEqual(
      again
        .of("sink")
        .map(({ metrics }) => metrics)
        .sort(),
      [0, 0, 1],
      "only what was torn off",
    );
    t.deepEqual((await readFile(csv, "utf8")).trimEnd().split("\n").slice(1), rows);
    t.is((await events()).length, n);

    const both = await run(t, ["metrics", "e", "--sink", "console", "--sink", `csv=${runs}`, ...at, "--json"]);
    t.is(both.exit, 1, "one has failed");
    t.is(both.of("metric").length, n, "the other has not");
    t.like(both.of("sink")[0], { sink: `csv=${runs}`, state: "failed", metrics: 0, code: "FL_PART_FAILED" });
    const none = await run(t, ["metrics", "ghost", "--sink", `csv=${dir}/ghost.csv`, ...at, "--json"]);
    t.like(none.lines[0], { type: "error", code: "FL_NOT_FOUND" });
    t.false((await readdir(dir)).includes("ghost.csv"));
  },
);

test.serial(
  "D42 a sink that fails while the experiment runs is told at once, and neither the experiment nor another sink ends",
  async (t) => {
    const { fed, dir, submit, at } = await federation(t);
    const mine = join(dir, "mine.mjs");
    await writeFile(
      mine,
      `export default { name: "mine", write({ round }) { if (round === 2) throw new Error("no more room"); } };`,
    );
    await submit("e", 30);
    await fed.experiment("e", (r) => r.state === "in_progress");
    const cli = new Cli(t, ["metrics", "e", "--follow", "--sink", mine, "--sink", `ndjson=${dir}/m`, ...at, "--json"]);
    const failed = await cli.line("sink");
    t.like(failed, { sink: mine, state: "failed", code: "FL_PART_FAILED" });
    t.regex(failed.reason!, /metric sink mine: no more room/);
    t.is(await cli.status(), 1);
    t.like(cli.of("sink")[1], { state: "written", metrics: 30 * EACH_ROUND });
    t.is((await fed.experiment("e", hasEnded)).state, "finished");
  },
);

test.serial(
  "C38 the Director runs sinks for every experiment, built in or a user's callback; they go on where a killed one was",
  async (t) => {
    const dir = await temporaryDir(t);
    const mine = join(dir, "callback.mjs");
    await writeFile(
      mine,
      `import { appendFileSync } from "node:fs";
export default { name: "callback", write({ experiment, round, origin, task, metric, value }, { target }) {
  if (experiment === "second" && round === 2) process.exit(3);
  appendFileSync(target, JSON.stringify([experiment, round, origin, task, metric, value]) + "\\n");
} };`,
    );
    const sinks = [`tensorboard=${dir}/runs`, `csv=${dir}/{experiment}.csv`, `${mine}=${dir}/called`];
    const { fed, submit } = await federation(t, { sinks });
    const line = { done: /"msg":"metrics written"/, crashed: /"msg":"metric sinks failed"/ };
    const said = async (pattern: RegExp, n: number): Promise<string[]> => {
      for (;;) {
        const found = fed.lines.filter((l) => pattern.test(l));
        if (found.length >= n) return found;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await submit("first", 3);
    t.is((await fed.experiment("first", hasEnded)).state, "finished");
    await said(line.done, 3);
    const rows = async (name: string) =>
      (await readFile(join(dir, `${name}.csv`), "utf8")).trimEnd().split("\n").slice(1);
    t.is((await rows("first")).length, 3 * EACH_ROUND);
    const called = (await readFile(join(dir, "called"), "utf8")).trimEnd().split("\n");
    t.is(called.length, 3 * EACH_ROUND, "each metric is a call");
    t.true(called.includes(JSON.stringify(["first", 2, "aggregator", "train", "loss", 0.25])));
    const [run1] = await readdir(join(dir, "runs", "first"));
    t.is(readEventFile(await readFile(join(dir, "runs", "first", run1!))).length, 1 + 3 * EACH_ROUND);

    await submit("second", 3); // its callback ends the process that the sinks run in, again and again
    t.is((await fed.experiment("second", hasEnded)).state, "finished", "the experiment does not mind");
    const [crash] = await said(line.crashed, 1);
    t.is((JSON.parse(crash!) as { code: string }).code, "FL_PROCESS_CRASHED");

    await submit("third", 200);
    await fed.round("third", (r) => r.round >= 3);
    await fed.kill("director", "director");
    await fed.start("director", "director", { periodMs: 300, sinks });
    t.is((await fed.experiment("third", hasEnded)).state, "finished");
    await said(line.done, 6);
    const third = await rows("third");
    t.is(third.length, 200 * EACH_ROUND, "none twice, none lost");
    t.is(new Set(third.map((row) => row.split(",").at(-1))).size, third.length);
  },
);

test.serial("C38 sinks that experiments would share a file with end the Director at its start", async (t) => {
  const fed = await testFederation(t);
  const e = await t.throwsAsync(fed.start("director", "director", { sinks: ["csv=all.csv"] }));
  t.regex(e!.message, /FL_USAGE.*must have \{experiment\} in it/);
  const misspelt = await t.throwsAsync(fed.start("director", "director", { sinks: ["tensorbord=runs"] }));
  t.regex(misspelt!.message, /FL_PART_UNKNOWN.*did you mean tensorboard/);
});
