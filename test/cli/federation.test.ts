/** A federation that `up` runs, and every command that talks to it, each in its own process on real data. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { Cli, run, survivors } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

const params = JSON.stringify({ trainLimit: 300, validationLimit: 100 });
const workspace = join(process.cwd(), "examples/mnist/workspace.ts");

async function up(t: ExecutionContext, n = 2, extra: string[] = []): Promise<{ cli: Cli; dir: string; at: string[] }> {
  const dir = await temporaryDir(t);
  const args = ["--dir", dir, "--period", "500ms", "--params", params, ...extra];
  const cli = new Cli(t, ["up", "--envoys", String(n), ...args, "--json"]);
  const ready = new Set<string>();
  while (ready.size < n) {
    ready.add((await cli.line("process", (p) => p.role === "envoy" && p.state === "ready" && !ready.has(p.name))).name);
  }
  return { cli, dir, at: ["--dir", dir, "--json"] };
}

async function plan(dir: string, lines: string): Promise<string> {
  const file = join(dir, "plan.yaml");
  await writeFile(file, `version: 1\n${lines}\n`);
  return file;
}

test.serial("submit, status, metrics, model: what one command makes, the others find", async (t) => {
  const { cli, dir, at } = await up(t);
  await writeFile(join(dir, "mine.ts"), await readFile("examples/trimmed-mean.ts"));
  const file = await plan(
    dir,
    `rounds: 2
name: first
workspace: ${workspace}
aggregation: ./mine.ts
tasks:
  - validate
  - { task: train, arguments: { samples: 300, learningRate: 0.5 } }`,
  );

  t.deepEqual((await run(t, ["status", ...at])).lines, [], "no experiments yet");
  const checked = await run(t, ["plan", "check", file, ...at]);
  t.deepEqual(
    checked.of("check").map((c) => [c.check, c.holds]),
    [
      ["plan", true],
      ["workspace", true],
      ["shapes", true],
      ["collaborators", true],
      ["quorum", true],
    ],
  );
  const submitted = await run(t, ["submit", file, "--wait", ...at]);
  t.is(submitted.exit, 0);
  t.like(submitted.lines[0], { type: "submitted", experiment: "first", state: "accepted" });
  t.deepEqual(
    submitted.of("round").map((r) => [r.round, r.rounds]),
    [
      [1, 2],
      [2, 2],
    ],
  );
  const ended = submitted.lines.at(-1);
  t.like(ended, { type: "experiment", name: "first", state: "finished", collaborators: ["envoy-1", "envoy-2"] });

  const status = await run(t, ["status", "first", ...at]);
  const [experiment] = status.of("experiment");
  t.deepEqual(experiment, ended as typeof experiment);
  t.is(experiment!.accuracy, submitted.of("round").at(-1)!.accuracy, "the final model's rating");
  t.true(Number.isInteger(Math.round(experiment!.accuracy! * 200 * 1e6) / 1e6), "hits of 200 images");

  const described = (await run(t, ["describe", "first", ...at])).of("description")[0]!;
  t.like(described, { name: "first", state: "finished", round: 2, rounds: 2, progress: 1, models: { last: 2 } });
  t.deepEqual(
    described.collaborators.map((c) => [c.name, c.online]),
    [
      ["envoy-1", true],
      ["envoy-2", true],
    ],
  );
  const all = await run(t, ["status", ...at]);
  t.deepEqual(all.lines, [experiment]);
  const envoys = await run(t, ["status", "--envoys", ...at]);
  t.deepEqual(
    envoys.of("envoy").map((e) => [e.name, e.online, e.sample_shape]),
    [
      ["envoy-1", true, [784]],
      ["envoy-2", true, [784]],
    ],
  );

  for (const follow of [[], ["--follow"]]) {
    const { exit, of, lines } = await run(t, ["metrics", "first", ...follow, ...at]);
    t.is(exit, 0);
    const values = of.call({ lines }, "metric") as { origin: string; task: string; metric: string; value: number }[];
    const means = values.filter((m) => m.origin === "aggregator" && m.metric === "accuracy" && /global/.test(m.task));
    t.is(means.length, 3, "each round, and the final model");
    t.is(means.at(-1)!.value.toFixed(9), experiment!.accuracy!.toFixed(9));
    t.is(values.filter((m) => m.origin === "envoy-2" && m.metric === "samples" && m.task === "train").length, 2);
  }

  const out = join(dir, "model");
  const saved = await run(t, ["model", "first", "--last", "--out", out, ...at]);
  t.like(saved.lines[0], { type: "model", which: "last", rounds: 2, parameters: 101_770, dir: out });
  t.deepEqual(
    saved.of("model")[0]!.files.map((f) => f.slice(out.length + 1)),
    ["model.json", "weights.bin", "model.safetensors"],
  );
  const { values, metadata } = parseSafetensors(await readFile(join(out, "model.safetensors")));
  t.like(metadata, { experiment: "first", which: "last", rounds: "2" });
  t.deepEqual(
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
    await readFile(join(out, "weights.bin")),
  );

  const model = join(out, "model.safetensors");
  const onwards = await run(t, ["submit", file, "--name", "onwards", "--model", model, "--wait", ...at]);
  t.is(onwards.exit, 0);
  t.true(onwards.of("round")[0]!.accuracy! > submitted.of("round")[0]!.accuracy!, "it begins where the other ended");
  const no = await run(t, ["submit", file, "--name", "no", "--model", join(dir, "none"), ...at]);
  t.like(no.lines[0], { type: "error", code: "FL_NOT_FOUND" });

  const again = await run(t, ["submit", file, ...at]);
  t.is(again.exit, 1);
  t.like(again.lines[0], { type: "error", code: "FL_EXISTS", hint: "give it another --name" });
  const ghost = await run(t, ["status", "ghost", ...at]);
  t.is(ghost.exit, 1);
  t.like(ghost.lines[0], { type: "error", code: "FL_NOT_FOUND" });
  const over = await run(t, ["cancel", "first", ...at]);
  t.like(over.lines[0], { type: "error", code: "FL_STATE" });

  const below = await cli.descendants();
  t.true(below.length >= 4, "server, Director and two envoys");
  cli.child.kill("SIGINT");
  t.is(await cli.status(), 0);
  t.deepEqual(await survivors(below, 0), [], "Ctrl-C leaves no process");
});

test.serial("a failing workspace is told with role, name, round, code and stack; the queue goes on", async (t) => {
  const { dir, at } = await up(t);
  await writeFile(
    join(dir, "workspace.ts"),
    `import { defineExperiment } from "entente";
console.log("a workspace may print");
export default defineExperiment({
  model: ({ tf, sampleShape: [n], targetShape: [c] }) =>
    tf.sequential({ layers: [tf.layers.dense({ inputShape: [n!], units: c! })] }),
  tasks: { train: ({ round, collaborator }) => { if (round === 2) stumble(collaborator); return { samples: 1 }; } },
});
function stumble(who: string): never { throw new Error("no luck for " + who); }
`,
  );
  const file = await plan(dir, "rounds: 3\nname: bad\nworkspace: ./workspace.ts");
  const submitted = await run(t, ["submit", file, "--wait", ...at]);
  t.is(submitted.exit, 1);
  const { failure } = (await run(t, ["status", "bad", ...at])).of("experiment")[0]!;
  t.like(failure, { role: "collaborator", round: 2 });
  t.regex(failure!.name, /^envoy-[12]$/);
  t.like(failure!.error, { code: "FL_TASK_FAILED" });
  t.regex(failure!.error.message, new RegExp(`no luck for ${failure!.name}`));
  t.regex(failure!.error.stack!, /at stumble .*workspace\.mjs/);

  const told = (await run(t, ["status", "bad", "--dir", dir])).text.join("\n");
  for (const part of [
    /bad {2}failed, round 2 of 3/,
    /failed at +collaborator envoy-[12], round 2/,
    /FL_TASK_FAILED/,
    /at stumble/,
  ]) {
    t.regex(told, part);
  }

  const unknown = await plan(dir, "rounds: 1\nname: unknown\nworkspace: ./workspace.ts\naggregation: medain");
  const refused = await run(t, ["submit", unknown, "--wait", ...at]);
  t.is(refused.exit, 1);
  t.like(refused.lines, [{ type: "error", code: "FL_PART_UNKNOWN" }]);
  t.regex(refused.of("error")[0]!.message, /did you mean median\?/);
  t.deepEqual((await run(t, ["status", ...at])).of("experiment").length, 1, "nothing was sent");
});

test.serial(
  "what is submitted while no Director runs is queued, and runs when one comes; cancel ends it",
  async (t) => {
    const { dir, at, cli } = await up(t);
    const { url, pid } = await cli.line("server");
    t.true((await cli.descendants()).includes(pid!));
    const place = ["--nats", url, "--fed", "other", "--json"];
    const file = await plan(dir, `rounds: 100000\nname: long\nworkspace: ${workspace}`);
    const queued = await run(t, ["submit", file, ...place]);
    t.is(queued.exit, 0);
    t.like(queued.lines[0], { type: "submitted", state: "stored", experiment: "long" });

    const director = new Cli(t, ["director", "--period", "500ms", ...place]);
    await director.line("process", (p) => p.state === "ready");
    const envoy = new Cli(t, ["envoy", "--name", "north", "--params", params, ...place]);
    await envoy.line("process", (p) => p.state === "ready");
    const follower = new Cli(t, ["metrics", "long", "--follow", ...place]);
    await follower.line("metric", (m) => m.origin === "aggregator" && m.round === 2);
    const running = await run(t, ["status", "long", ...place]);
    t.like(running.of("experiment")[0], { state: "in_progress", collaborators: ["north"] });
    t.like(running.of("collaborator")[0], { name: "north", experiment: "long" });
    const model = await run(t, ["model", "long", "--best", "--out", join(dir, "best"), ...place]);
    t.is(model.exit, 0, "of an experiment that runs");

    t.is((await run(t, ["cancel", "long", ...place])).exit, 0);
    t.is(await follower.status(), 0, "it ends with its experiment");
    t.like((await run(t, ["status", "long", ...place])).of("experiment")[0], { state: "cancelled" });
    t.deepEqual((await run(t, ["status", ...at])).lines, [], "the other federation knows nothing of it");

    const below = [...(await director.descendants()), ...(await envoy.descendants())];
    director.child.kill("SIGTERM");
    envoy.child.kill("SIGINT");
    t.deepEqual([await director.status(), await envoy.status()], [0, 0]);
    t.deepEqual(await survivors(below, 0), []);
  },
);

test.serial("roles that die are started again; kill -9 of the command itself leaves no process", async (t) => {
  const { cli, at } = await up(t, 1);
  const first = await cli.line("process", (p) => p.role === "director" && p.state === "ready");
  process.kill(first.pid!, "SIGKILL");
  t.regex((await cli.line("process", (p) => p.state === "restarting")).reason!, /SIGKILL/);
  const second = await cli.line("process", (p) => p.role === "director" && p.state === "ready" && p.pid !== first.pid);
  t.not(second.pid, first.pid);
  const server = await cli.line("server");
  process.kill(server.pid!, "SIGKILL");
  const back = await cli.line("server", (s) => s.pid !== server.pid);
  t.is(back.url, server.url);
  t.is((await run(t, ["status", "--envoys", ...at])).exit, 0);

  const below = await cli.descendants();
  cli.child.kill("SIGKILL");
  t.is(await cli.status(), "SIGKILL");
  t.deepEqual(await survivors(below), []);
  t.like((await run(t, ["status", ...at])).lines[0], { type: "error", code: "FL_NOT_RUNNING" });
});

test.serial("a part of one's own runs as an actor that the plan names", async (t) => {
  const { dir, at } = await up(t, 2);
  const part = new Cli(t, ["aggregation", "./examples/trimmed-mean.ts", "--name", "trimmed", ...at]);
  t.like(await part.line("process"), { role: "aggregation", name: "trimmed", state: "ready" });
  const file = await plan(dir, `rounds: 1\nworkspace: ${workspace}\naggregation: nats:trimmed`);
  const submitted = await run(t, ["submit", file, "--name", "remote", "--wait", ...at]);
  t.like(submitted.lines.at(-1), { type: "experiment", name: "remote", state: "finished" });
  part.child.kill("SIGINT");
  t.is(await part.status(), 0);
});

test.serial("one directory, one federation; a shard that does not exist ends it with its error", async (t) => {
  const { dir } = await up(t, 1);
  const second = await run(t, ["up", "--dir", dir, "--json"]);
  t.is(second.exit, 1);
  t.like(second.lines.at(-1), { type: "error", code: "FL_LOCKED" });

  const other = await temporaryDir(t);
  const unknown = await run(t, ["up", "--envoys", "2", "--shard", "mnis", "--dir", other, "--json"]);
  t.is(unknown.exit, 1);
  t.like(unknown.lines.at(-1), { type: "error", code: "FL_PART_UNKNOWN" });
  t.regex(unknown.of("error")[0]!.message, /mnis; did you mean mnist\?/);
});
