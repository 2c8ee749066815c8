/** An experiment that cannot start yet says what it waits for, wherever somebody looks. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "ava";
import { Cli, run } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

const params = JSON.stringify({ trainLimit: 100, validationLimit: 50 });
const workspace = join(process.cwd(), "examples/mnist/workspace.ts");

test("a plan that names an absent envoy waits visibly, and what is behind it too, until that envoy comes", async (t) => {
  const dir = await temporaryDir(t);
  const place = ["--dir", dir, "--period", "500ms", "--params", params];
  const up = new Cli(t, ["up", "--envoys", "1", ...place, "--json"]);
  await up.line("process", (p) => p.role === "envoy" && p.state === "ready");
  const at = ["--dir", dir];
  const file = join(dir, "plan.yaml");
  await writeFile(
    file,
    `version: 1\nrounds: 1\ntasks: [train]\ncollaborators: [envoy-1, envoy-2]\nworkspace: ${workspace}\n`,
  );

  const first = new Cli(t, ["submit", file, "--name", "first", "--wait", ...at, "--json"]);
  t.regex((await first.line("notice")).text, /no envoy has ever registered as envoy-2/);
  const reason = "an envoy that is not online: envoy-2 (has never registered)";
  const waiting = { reason, for: ["envoy-2"], ahead: [] };
  t.like(await first.line("waiting"), { experiment: "first", ...waiting });
  const second = new Cli(t, ["submit", file, "--name", "second", "--wait", ...at]);
  const behind = { reason: "an experiment before it: first", for: [], ahead: ["first"] };

  // its own command speaks of the event that says so
  await new Promise<void>((resolve) => {
    const lines = createInterface({ input: second.child.stderr! });
    lines.on("line", (line) => line === "second waits for an experiment before it: first" && resolve());
  });
  const all = await run(t, ["status", ...at, "--json"]);
  t.deepEqual(
    all.of("experiment").map((e) => [e.name, e.state, e.waiting]),
    [
      ["first", "pending", waiting],
      ["second", "pending", behind],
    ],
  );
  t.deepEqual((await run(t, ["status", "first", ...at, "--json"])).of("experiment")[0]!.waiting, waiting);
  const people = [...(await run(t, ["status", ...at])).text, ...(await run(t, ["status", "second", ...at])).text];
  t.true(people.includes(`first waits for ${reason}`), people.join("\n"));
  t.true(people.includes("  waits for  an experiment before it: first"), people.join("\n"));
  const log = await readFile(join(dir, "logs", "director-director.ndjson"), "utf8");
  const lines = log.split("\n").filter((line) => line.includes("experiment waits"));
  t.deepEqual(
    lines.map((line) => (JSON.parse(line) as { experiment: string }).experiment),
    ["first", "second"],
    "once each",
  );

  const envoy = new Cli(t, ["envoy", "--name", "envoy-2", "--params", params, ...at, "--json"]);
  await envoy.line("process", (p) => p.state === "ready");
  t.is(await first.status(), 0);
  t.like(first.lines.at(-1), { type: "experiment", state: "finished", waiting: null });
  t.is(await second.status(), 0);
});
