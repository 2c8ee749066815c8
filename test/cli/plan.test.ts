/** `entente plan check` where no federation runs; test/cli/federation.test.ts asks one. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { loadPlan } from "../../src/plan/load.ts";
import { planDigest } from "../../src/plan/plan.ts";
import { run } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

async function written(t: ExecutionContext, tasks: string): Promise<{ file: string; at: string[] }> {
  const dir = await temporaryDir(t);
  const file = join(dir, "plan.yaml");
  const workspace = join(process.cwd(), "examples/mnist/workspace.ts");
  await writeFile(file, `version: 1\nrounds: 2\nworkspace: ${workspace}\ntasks: ${tasks}\n`);
  return { file, at: ["--dir", dir, "--json"] };
}

test("a plan that fits its workspace holds; what only a federation knows is left open", async (t) => {
  const { file, at } = await written(t, "[validate, train]");
  const checked = await run(t, ["plan", "check", file, ...at]);
  const checks = checked.of("check");
  t.is(checked.exit, 0);
  t.deepEqual(
    checks.map((c) => [c.check, c.holds]),
    [
      ["plan", true],
      ["workspace", true],
      ["shapes", null],
      ["collaborators", null],
      ["quorum", null],
    ],
  );
  t.true(checks[0]!.detail.includes(planDigest(await loadPlan(file))));
});

test("a task that the workspace does not have fails the check with its code and the nearest name", async (t) => {
  const { file, at } = await written(t, "[validat, train]");
  const checked = await run(t, ["plan", "check", file, ...at]);
  const checks = checked.of("check");
  t.is(checked.exit, 1);
  const failed = checks.find((c) => c.holds === false);
  t.like(failed, { check: "workspace", code: "FL_TASK_UNKNOWN" });
  t.regex(failed!.detail, /validate/);
});

test("--explain says where each value comes from, for people and for programs", async (t) => {
  const { file, at } = await written(t, "[validate, train]");
  const said = await run(t, ["plan", "check", file, "--explain", ...at]);
  t.is(said.exit, 0);
  t.like(
    said.of("value").find((v) => v.path === "rounds"),
    { value: 2, from: "file", line: 2 },
  );
  t.like(said.lines.at(-1), { type: "digest", plan: planDigest(await loadPlan(file)) });
  const { text } = await run(t, ["plan", "check", file, "--explain"]);
  t.true(text.some((line) => /^rounds +2 +line 2$/.test(line)));
  t.true(text.some((line) => /^seed +42 +default$/.test(line)));
});
