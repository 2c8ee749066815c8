/** The way over from OpenFL: rows that an imported plan makes true. */
import { readFileSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { readFiles } from "../../src/openfl/files.ts";
import type { Imported } from "../../src/openfl/finding.ts";
import { importPlan } from "../../src/openfl/import.ts";
import { parsePlan, planDigest } from "../../src/plan/plan.ts";
import { Cli, run } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const fixtures = join(root, "test/openfl/fixtures");
const lungs = join(fixtures, "lungs/plan/plan.yaml");
const imported = async (file: string, defaults?: string): Promise<Imported> =>
  importPlan(await readFiles(file, defaults));

test("C33 an OpenFL plan is taken over its defaults, key by key, and a frozen one is the same plan", async (t) => {
  const { plan, findings } = await imported(lungs);
  t.deepEqual(plan, {
    version: 1,
    rounds: 25,
    collaborators: ["north", "south-lungs-example", "east", "west"],
    quorum: 3,
    stragglers: { use: "cutoff", options: { after: "600s" } },
    tasks: [
      { task: "validate", on: "global", arguments: { batchSize: 48 } },
      { task: "train", arguments: { epochs: 2, batchSize: 48, learningRate: 0.02 } },
      { task: "validate", on: "tuned", arguments: { batchSize: 48 } },
    ],
    best: { metric: "validate_global.accuracy" },
    workspace: "./workspace.ts",
  });
  const origin = (key: string) => findings.filter((f) => f.key === key).map((f) => `${f.file}:${f.line} ${f.value}`);
  t.deepEqual(origin("aggregator.settings.rounds_to_train"), ["plan/plan.yaml:9 25"], "not the default's 10");
  t.deepEqual(origin("collaborator.settings.delta_updates"), ["plan/plan.yaml:17 false"], "`no` is false");
  t.deepEqual(origin("network.settings.tls"), ["plan/defaults/network.yaml:6 true"]);

  const frozen = await temporaryDir(t);
  await mkdir(join(frozen, "plan"));
  await copyFile(join(dirname(lungs), "cols.yaml"), join(frozen, "plan/cols.yaml"));
  const rest = Object.fromEntries(findings.filter((f) => f.file.endsWith("plan.yaml")).map((f) => [f.key, f.value]));
  t.true(Object.keys(rest).length > 20);
  const text = (await readFile(lungs, "utf8"))
    .replace(/^ {2}defaults: .*\n/gm, "")
    .replace(
      /^tasks:\n/m,
      `tasks:\n${indented(await readFile(join(dirname(lungs), "defaults/tasks_torch.yaml"), "utf8"))}`,
    );
  await writeFile(join(frozen, "plan/plan_0badcafe.yaml"), text.replace(/^network:\n/m, "network: {}\n"));
  const other = await imported(join(frozen, "plan/plan_0badcafe.yaml"));
  t.is(planDigest(parsePlan(other.plan)), planDigest(parsePlan(plan)));
});

/** Tasks of the defaults but for `train`, which the plan writes itself. */
const indented = (yaml: string): string => yaml.slice(0, yaml.indexOf("train:\n")).replace(/^(?=.)/gm, "  ");

test("C34 an unknown key of an OpenFL plan is told with its line and the nearest key, never passed over", async (t) => {
  const dir = await temporaryDir(t);
  await mkdir(join(dir, "plan"));
  const file = join(dir, "plan/plan.yaml");
  await writeFile(
    file,
    "aggregator:\n  settings:\n    rounds_to_train: 1\n    db_store_round: 2\nasigner: {settings: {x: 1}}\n",
  );
  const { findings } = await imported(file);
  t.deepEqual(
    findings.filter((f) => f.outcome === "unknown").map((f) => `${f.file}:${f.line} ${f.key}: ${f.note}`),
    [
      "plan/plan.yaml:4 aggregator.settings.db_store_round: OpenFL has no such key here (did you mean db_store_rounds?)",
      "plan/plan.yaml:5 asigner: OpenFL has no such key here (did you mean assigner?)",
    ],
  );
});

test("C43 each of a workspace's plans is imported by its path, with the workspace's defaults and lists", async (t) => {
  const dir = await temporaryDir(t);
  for (const name of ["quick", "long"]) {
    await mkdir(join(dir, "plan/plans", name), { recursive: true });
    const text = `aggregator: {defaults: plan/defaults/aggregator.yaml, settings: {rounds_to_train: ${name.length}}}\n`;
    await writeFile(join(dir, "plan/plans", name, "plan.yaml"), text);
  }
  await mkdir(join(dir, "plan/defaults"));
  await writeFile(join(dir, "plan/defaults/aggregator.yaml"), "settings: {db_store_rounds: 2}\n");
  await writeFile(join(dir, "plan/cols.yaml"), "collaborators: [a, b]\n");
  for (const [name, rounds] of [
    ["quick", 5],
    ["long", 4],
  ] as const) {
    const { plan } = await imported(join(dir, "plan/plans", name, "plan.yaml"));
    t.deepEqual(plan, { version: 1, rounds, collaborators: ["a", "b"] });
  }
});

test("an OpenFL plan, imported, trains with the workspace of docs/coming-from-openfl.md", async (t) => {
  const dir = await temporaryDir(t);
  const file = join(dir, "digits.yaml");
  const from = join(fixtures, "digits/plan/plan_1f3a09bc.yaml");
  t.is((await run(t, ["import", "openfl", from, "--out", file])).exit, 0);
  const page = readFileSync(join(root, "docs/coming-from-openfl.md"), "utf8");
  await writeFile(join(dir, "workspace.ts"), /```ts\n(\/\/ workspace\.ts\n[\s\S]*?)```/.exec(page)![1]!);
  const params = JSON.stringify({ trainLimit: 200, validationLimit: 100 });
  const place = ["--dir", join(dir, "here"), "--json"];
  const up = new Cli(t, ["up", "--envoys", "2", "--period", "500ms", "--params", params, ...place]);
  for (const name of ["envoy-1", "envoy-2"]) await up.line("process", (p) => p.name === name && p.state === "ready");
  const { exit, lines } = await run(t, ["submit", file, "--wait", ...place]);
  t.is(exit, 0);
  t.like(lines.at(-1), { type: "experiment", name: "digits", state: "finished", rounds: 2 });
  const metrics = (await run(t, ["metrics", "digits", ...place])).of("metric");
  const counted = metrics.filter((m) => m.task === "count_samples" && m.metric === "counted");
  t.deepEqual(
    counted.map((m) => m.value),
    Array(6).fill(200),
    "two rounds, two envoys and their mean",
  );
});
