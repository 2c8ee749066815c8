import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { FlError } from "../../src/errors.ts";
import { readFiles } from "../../src/openfl/files.ts";
import { temporaryDir } from "../support/server.ts";

const PLAN = "aggregator:\n  settings: {rounds_to_train: 1}\nnetwork:\n  defaults: plan/defaults/network.yaml\n";
const NETWORK = "settings: {tls: false}\n";

async function workspace(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const dir = await temporaryDir(t);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
  return dir;
}

async function refusal(
  t: ExecutionContext,
  plan: string,
  defaults?: string,
): Promise<{ reason: string; hint: string }> {
  const error = await t.throwsAsync(readFiles(plan, defaults), { instanceOf: FlError, code: "FL_IMPORT_INVALID" });
  return error.detail as { reason: string; hint: string };
}

test("files: defaults start from the workspace, cols.yaml and data.yaml lie beside the plan (FI1, FI3)", async (t) => {
  const dir = await workspace(t, {
    "plan/plan.yaml": PLAN,
    "plan/defaults/network.yaml": NETWORK,
    "plan/cols.yaml": "collaborators: [a]\n",
    "plan/data.yaml": "a,1\n",
  });
  const files = await readFiles(join(dir, "plan/plan.yaml"));
  t.deepEqual(files, {
    plan: { name: "plan/plan.yaml", text: PLAN },
    defaults: new Map([["plan/defaults/network.yaml", { name: "plan/defaults/network.yaml", text: NETWORK }]]),
    cols: { name: "plan/cols.yaml", text: "collaborators: [a]\n" },
    data: { name: "plan/data.yaml", text: "a,1\n" },
  });
});

test("files: a plan without a workspace around it is read alone", async (t) => {
  const dir = await workspace(t, { "mine.yaml": "aggregator: {settings: {rounds_to_train: 1}}\n" });
  const { plan, defaults, cols, data } = await readFiles(join(dir, "mine.yaml"));
  t.deepEqual([plan.name, defaults?.size, cols, data], ["mine.yaml", 0, undefined, undefined]);
});

test("files: a missing file of defaults is told with its line and with the two ways out", async (t) => {
  const dir = await workspace(t, { "plan/plan.yaml": PLAN, "plan/defaults": "../../workspace/plan/defaults" });
  const { reason, hint } = await refusal(t, join(dir, "plan/plan.yaml"));
  t.true(reason.startsWith("plan/plan.yaml:4 network.defaults: plan/defaults/network.yaml is not in "), reason);
  t.regex(hint, /--defaults.*frozen plan/);
});

test("files: what the workspace lacks is taken from --defaults, what it has is not (FI2)", async (t) => {
  const dir = await workspace(t, { "plan/plan.yaml": PLAN });
  const openfl = await workspace(t, { "plan/defaults/network.yaml": NETWORK });
  const text = async () => (await readFiles(join(dir, "plan/plan.yaml"), openfl)).defaults?.values().next().value?.text;
  t.is(await text(), NETWORK);
  await mkdir(join(dir, "plan/defaults"));
  await writeFile(join(dir, "plan/defaults/network.yaml"), "settings: {}\n");
  t.is(await text(), "settings: {}\n");
});

test("files: a path or a link that leaves the folder is refused, and nothing outside is read (FI2)", async (t) => {
  const outside = await workspace(t, { "secret.yaml": "settings: {}\n", "cols.yaml": "collaborators: [x]\n" });
  for (const path of ["../secret.yaml", join(outside, "secret.yaml"), "plan/../../x.yaml"]) {
    const dir = await workspace(t, { "plan/plan.yaml": `network:\n  defaults: ${path}\n` });
    const { reason, hint } = await refusal(t, join(dir, "plan/plan.yaml"));
    t.true(reason.startsWith(`plan/plan.yaml:2 network.defaults: ${path} leaves the folder `), reason);
    t.regex(hint, /copy the file into the workspace/);
  }
  const dir = await workspace(t, { "plan/plan.yaml": PLAN, "plan/defaults/x": "" });
  await symlink(join(outside, "secret.yaml"), join(dir, "plan/defaults/network.yaml"));
  t.regex((await refusal(t, join(dir, "plan/plan.yaml"))).reason, /is a link that leaves the folder/);
  const other = await workspace(t, { "plan/plan.yaml": "aggregator: {}\n" });
  await symlink(join(outside, "cols.yaml"), join(other, "plan/cols.yaml"));
  t.regex((await refusal(t, join(other, "plan/plan.yaml"))).reason, /plan\/cols\.yaml is a link that leaves/);
});

test("files: a plan that cannot be read is told as such", async (t) => {
  const dir = await workspace(t, { "big.yaml": " ".repeat((1 << 20) + 1) });
  t.regex((await refusal(t, join(dir, "none.yaml"))).reason, /none\.yaml: cannot be read/);
  t.regex((await refusal(t, dir)).reason, /: cannot be read/);
  t.regex((await refusal(t, join(dir, "big.yaml"))).reason, /big\.yaml: larger than 1 MiB/);
});
