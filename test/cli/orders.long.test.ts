/** Orders at the command line, with a federation that `up` runs. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { Cli, run } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

const params = JSON.stringify({ trainLimit: 100, validationLimit: 50 });
const workspace = join(process.cwd(), "examples/mnist/workspace.ts");

test("an experiment is paused, moved, given a deadline, resumed, failed, retried and removed by command", async (t) => {
  const dir = await temporaryDir(t);
  const up = new Cli(t, ["up", "--envoys", "1", "--dir", dir, "--period", "500ms", "--params", params, "--json"]);
  await up.line("process", (p) => p.role === "envoy" && p.state === "ready");
  const at = ["--dir", dir, "--json"];
  const file = join(dir, "plan.yaml");
  await writeFile(file, `version: 1\nrounds: 100000\ntasks: [train]\npriority: 2\nworkspace: ${workspace}\n`);
  t.is((await run(t, ["submit", file, "--name", "long", ...at])).exit, 0);
  await new Cli(t, ["metrics", "long", "--follow", ...at]).line("metric", (m) => m.origin === "aggregator");

  const ordered = async (...args: string[]) => {
    const { exit, lines } = await run(t, [...args, ...at]);
    t.is(exit, 0, JSON.stringify(lines));
    return lines[0];
  };
  t.deepEqual(await ordered("pause", "long"), { type: "ordered", experiment: "long", order: "pause", state: "paused" });
  await ordered("priority", "long", "--to", "7");
  await ordered("deadline", "long", "--in", "1h");
  const [paused] = (await run(t, ["status", "long", ...at])).of("experiment");
  t.like(paused, { state: "paused", attempt: 1, priority: 7 });
  t.is(paused!.deadline_at! - paused!.started_at!, 3_600_000);
  const people = (await run(t, ["status", "long", "--dir", dir])).text.join("\n");
  for (const part of [/^long {2}paused, round \d+ of 100000/, /deadline +in 59 min/, /priority +7/])
    t.regex(people, part);

  t.like(await ordered("resume", "long"), { order: "resume" });
  t.like(await ordered("fail", "long", "--reason", "the results are in"), { order: "fail" });
  const wait = new Cli(t, ["metrics", "long", "--follow", ...at]);
  t.is(await wait.status(), 0, "it has ended");
  const [failed] = (await run(t, ["status", "long", ...at])).of("experiment");
  t.like(failed, { state: "failed", attempt: 2, failure: { role: "owner", error: { code: "FL_SET_FAILED" } } });
  t.regex(failed!.failure!.error.message, /the results are in/);

  t.like(await ordered("retry", "long", "--fresh"), { order: "retry" });
  t.deepEqual(await ordered("remove", "long"), { type: "ordered", experiment: "long", order: "remove", state: null });
  t.like((await run(t, ["status", "long", ...at])).lines[0], { type: "error", code: "FL_NOT_FOUND" });
  t.like((await run(t, ["pause", "long", ...at])).lines[0], { type: "error", code: "FL_NOT_FOUND" });
  t.like((await run(t, ["deadline", "long", "--in", "soon", ...at])).lines[0], { type: "error", code: "FL_USAGE" });
});
