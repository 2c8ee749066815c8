/** What a program may start an experiment from. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { experimentSource, type SourceOptions } from "../../src/client/source.ts";
import { FlError } from "../../src/errors.ts";
import { temporaryDir } from "../support/server.ts";

async function folder(t: Parameters<typeof temporaryDir>[0], files: Record<string, string>): Promise<string> {
  const dir = join((await temporaryDir(t))!, "digits");
  await mkdir(dir);
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  return dir;
}

test("a folder is its plan.yaml and its workspace.ts, under its own name (SO1)", async (t) => {
  const dir = await folder(t, { "plan.yaml": "version: 1\nrounds: 3\n", "workspace.ts": "" });
  const source = await experimentSource({ workspace: dir });
  t.like(source, { name: "digits", planFile: join(dir, "plan.yaml"), workspace: join(dir, "workspace.ts") });
  t.like(source.plan, { rounds: 3 });
  t.is((await experimentSource({ workspace: dir, name: "mine" })).name, "mine");
  const given = await experimentSource({ workspace: dir, plan: { version: 1, rounds: 9, name: "nine" } });
  t.like(given, { name: "nine", planFile: undefined, workspace: join(dir, "workspace.ts"), plan: { rounds: 9 } });
});

test("a plan's own name and workspace count before what is found beside it (SO2)", async (t) => {
  const text = "version: 1\nrounds: 3\nname: seven\nworkspace: ./other.ts\n";
  const dir = await folder(t, { "plan.yml": text, "workspace.mjs": "" });
  t.like(await experimentSource({ workspace: dir }), { name: "seven", workspace: undefined });
});

test("a plan's file or the plan itself, and a module", async (t) => {
  const dir = await folder(t, { "any.yaml": "version: 1\nrounds: 3\n" });
  const file = join(dir, "any.yaml");
  t.like(await experimentSource({ plan: file, workspace: "w.ts" }), {
    name: undefined,
    planFile: file,
    workspace: "w.ts",
  });
  const plan = { version: 1 as const, rounds: 1 };
  t.like(await experimentSource({ plan, workspace: "w.ts" }), { plan, planFile: undefined, workspace: "w.ts" });
});

test("what is missing is said", async (t) => {
  const dir = await folder(t, {});
  for (const [options, code, says] of [
    [{}, "FL_PLAN_INVALID", /neither plan nor a folder with plan\.yaml/],
    [{ workspace: dir }, "FL_PLAN_INVALID", /there is no plan\.yaml in /],
    [{ workspace: dir, plan: { version: 1, rounds: 1 } }, "FL_WORKSPACE_INVALID", /there is no workspace\.ts, /],
    [{ workspace: { model: () => {} } }, "FL_WORKSPACE_INVALID", /workspace is the path of a module/],
    [{ plan: join(dir, "none.yaml"), workspace: "w.ts" }, "FL_PLAN_INVALID", /cannot be read/],
  ] as const) {
    const e = await t.throwsAsync(experimentSource(options as unknown as SourceOptions), { instanceOf: FlError });
    t.is(e?.code, code);
    t.regex(e?.message ?? "", says);
  }
});
