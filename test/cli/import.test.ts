/** `import openfl` as a user has it: where the plan goes, where the report goes, and what is refused. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { readPlan } from "../../src/plan/load.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { run } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

const fixtures = fileURLToPath(new URL("../../../test/openfl/fixtures/", import.meta.url));
const lungs = join(fixtures, "lungs/plan/plan.yaml");

test("without --out the plan is on stdout, the report on stderr (IM1)", async (t) => {
  const { exit, text, said } = await run(t, ["import", "openfl", lungs]);
  t.is(exit, 0);
  const plan = readPlan(text.join("\n"));
  t.like(plan, { rounds: 25, quorum: 3, stragglers: { use: "cutoff" }, workspace: "./workspace.ts" });
  t.true(
    said.some((line) => /^plan\/plan\.yaml:9 +aggregator\.settings\.rounds_to_train = 25 +mapped +rounds: /.test(line)),
  );
  t.regex(said.at(-1)!, /^18 mapped, 18 renamed, 22 implied, 0 none, 0 unknown\.$/);
});

test("with --out the report is on stdout, and a file that is there is never written over (IM1, IM2)", async (t) => {
  const out = join(await temporaryDir(t), "plan.yaml");
  const first = await run(t, ["import", "openfl", lungs, "--out", out]);
  t.is(first.exit, 0);
  t.true(first.text.some((line) => line.startsWith("plan/cols.yaml:4 ")));
  t.regex(first.text.at(-1)!, /plan\.yaml\. Next: write its workspace/);
  const written = await readFile(out, "utf8");
  t.is(readPlan(written).rounds, 25);
  const second = await run(t, ["import", "openfl", lungs, "--out", out, "--json"]);
  t.is(second.exit, 1);
  t.like(second.lines.at(-1), { type: "error", code: "FL_EXISTS" });
  t.is(await readFile(out, "utf8"), written);
  const nowhere = await run(t, ["import", "openfl", lungs, "--out", join(out, "x"), "--json"]);
  t.is(nowhere.exit, 2);
  t.like(nowhere.lines.at(-1), { type: "error", code: "FL_USAGE" });
});

test("--json has one line a value, then the plan", async (t) => {
  const { exit, lines, of } = await run(t, ["import", "openfl", lungs, "--json"]);
  t.is(exit, 0);
  const findings = of.call({ lines }, "finding") as { key: string; file: string; line: number; outcome: string }[];
  t.is(findings.length, lines.length - 1);
  const last = lines.at(-1) as { type: string; plan: unknown; file: unknown; mapped: number };
  t.is(last.type, "imported");
  t.is(last.file, null);
  t.is(last.mapped, findings.filter((f) => f.outcome === "mapped").length);
  t.is(parsePlan(last.plan).rounds, 25);
  t.like(
    findings.find((f) => f.key === "network.settings.tls"),
    { file: "plan/defaults/network.yaml", line: 6, outcome: "renamed" },
  );
});

test("what cannot be imported is refused with its place and what to do", async (t) => {
  const dir = await temporaryDir(t);
  await mkdir(join(dir, "plan"));
  const file = join(dir, "plan/plan.yaml");
  for (const [text, message, hint] of [
    ["aggregator: [\n", /plan\/plan\.yaml:\d+:\d+ /, /mend the YAML/],
    ["network: {defaults: plan/defaults/n.yaml}\n", /plan\.yaml:1 network\.defaults: .*is not in/, /--defaults/],
    ["network: {defaults: ../n.yaml}\n", /plan\.yaml:1 network\.defaults: .*leaves the folder/, /copy the file/],
    ["network: {}\n", /rounds_to_train is missing/, /plan\.yaml of an OpenFL workspace/],
  ] as const) {
    await writeFile(file, text);
    const { exit, lines } = await run(t, ["import", "openfl", file, "--json"]);
    t.is(exit, 1);
    t.is(lines.length, 1);
    t.like(lines[0], { type: "error", code: "FL_IMPORT_INVALID" });
    t.regex((lines[0] as { message: string }).message, message);
    t.regex((lines[0] as { hint: string }).hint, hint);
  }
  const other = await run(t, ["import", "flour", file, "--json"]);
  t.is(other.exit, 2);
  t.regex((other.lines[0] as { message: string }).message, /flour.*openfl/);
});
