import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { type Code, FlError } from "../../src/errors.ts";
import { packArchive, sha256 } from "../../src/workspace/archive.ts";
import { bundleWorkspace } from "../../src/workspace/bundle.ts";
import { importPart, importWorkspace, openArchive } from "../../src/workspace/open.ts";

function folder(t: ExecutionContext, files: Record<string, string> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), "workspace-test-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

const source = {
  "workspace.ts": `import * as tf from "@tensorflow/tfjs";
import self from "entente/package.json" with { type: "json" };
import { twice } from "./lib/twice.ts";
type Answer = { six: number };
// a reviewer reads this
const answer: Answer = { six: twice(3) };
export default { ...answer, name: self.name, tf };`,
  "lib/twice.ts": "export const twice = (n: number): number => n * 2;",
  "median.ts": `import { twice } from "./lib/twice.ts"; export default twice(21);`,
};

const coded = async (t: ExecutionContext, promise: Promise<unknown>, code: Code): Promise<FlError> => {
  const error = await t.throwsAsync<FlError>(promise, { instanceOf: FlError });
  t.is(error?.code, code);
  return error!;
};

test("workspace: bundled, opened and imported, it runs on this installation's entente and tfjs", async (t) => {
  const from = folder(t, source);
  const { archive, digest, files } = await bundleWorkspace(join(from, "workspace.ts"), {
    parts: { "./median.ts": join(from, "median.ts") },
  });
  t.deepEqual(files.map((f) => f.path).sort(), ["manifest.json", "parts/0.mjs", "workspace.mjs"]);
  const dir = join(folder(t), "exp");
  const opened = await openArchive(archive, digest, dir);
  t.is(opened.dir, dir);
  t.regex(opened.manifest.created_by ?? "", /^entente \d/);
  t.deepEqual(
    [...opened.files].sort((a, b) => (a.path < b.path ? -1 : 1)),
    [...files].sort((a, b) => (a.path < b.path ? -1 : 1)),
  );
  const loaded = (await importWorkspace(dir)) as { six: number; name: string; tf: unknown };
  t.is(loaded.six, 6);
  t.is(loaded.name, "entente");
  t.is(loaded.tf, await import("@tensorflow/tfjs"));
  t.is(await importPart(dir, "./median.ts"), 42);
  const code = readFileSync(join(dir, "workspace.mjs"), "utf8");
  t.true(code.includes("const twice = (n) => n * 2") || code.includes("twice = (n) => n * 2"), code);
  t.false(code.includes("sourceMappingURL"));
});

test("workspace: the same source gives the same digest wherever it lies (BW2)", async (t) => {
  const one = folder(t, source);
  const two = join(folder(t), "quite", "elsewhere");
  cpSync(one, two, { recursive: true });
  const a = await bundleWorkspace(join(one, "workspace.ts"));
  t.is((await bundleWorkspace(join(two, "workspace.ts"))).digest, a.digest);
  t.is(sha256(a.archive), a.digest);
  t.false(gunzipSync(a.archive).includes(one));
});

test("workspace: what does not build is told with file and line", async (t) => {
  const from = folder(t, { "w.ts": "export default {\n  tasks: [\n};" });
  const error = await coded(t, bundleWorkspace(join(from, "w.ts")), "FL_WORKSPACE_INVALID");
  t.regex(error.message, /w\.ts:3:1 /);
  await coded(t, bundleWorkspace(join(from, "gone.ts")), "FL_WORKSPACE_INVALID");
});

test("workspace: a plain object in a file packed by tar czf is enough", async (t) => {
  const from = folder(t, { "workspace.mjs": "export default { model: () => 1, tasks: {} };" });
  execFileSync("tar", ["czf", "ws.tgz", "workspace.mjs"], { cwd: from });
  const archive = readFileSync(join(from, "ws.tgz"));
  const dir = join(folder(t), "exp");
  await openArchive(archive, sha256(archive), dir);
  const loaded = (await importWorkspace(dir)) as { model(): number };
  t.is(loaded.model(), 1);
});

test("workspace: a folder packed by tar czf . may hold files that import each other", async (t) => {
  const from = folder(t, {
    "workspace.mjs": `import { a } from "./lib/a.mjs"; export default a;`,
    "lib/a.mjs": "export const a = 7;",
    "median.mjs": "export default 8;",
  });
  const packed = join(folder(t), "ws.tgz");
  execFileSync("tar", ["czf", packed, "."], { cwd: from });
  const archive = readFileSync(packed);
  const dir = join(folder(t), "exp");
  await openArchive(archive, sha256(archive), dir);
  t.is(await importWorkspace(dir), 7);
  t.is(await importPart(dir, "./median.mjs"), 8);
});

test("workspace: our archive unpacks with the system's tar, without a word", async (t) => {
  const from = folder(t, source);
  const { archive } = await bundleWorkspace(join(from, "workspace.ts"));
  const to = folder(t);
  writeFileSync(join(to, "ws.tgz"), archive);
  t.is(execFileSync("sh", ["-c", "tar xzf ws.tgz 2>&1"], { cwd: to, encoding: "utf8" }), "");
  t.true(existsSync(join(to, "workspace.mjs")));
});

test("open: nothing is written for an archive that is refused (OW1)", async (t) => {
  const parent = folder(t);
  const archive = gzipSync(Buffer.from("no tar".repeat(500)));
  await coded(t, openArchive(archive, sha256(archive), join(parent, "exp")), "FL_ARCHIVE_INVALID");
  await coded(t, openArchive(archive, sha256(Buffer.from("x")), join(parent, "exp")), "FL_DIGEST_MISMATCH");
  t.deepEqual(readdirSync(parent), []);
});

test("open: again and at once is free, into another's folder is refused (OW2)", async (t) => {
  const archive = packArchive(new Map([["workspace.mjs", Buffer.from("export default 1")]]));
  const parent = folder(t, { "mine/notes.txt": "keep" });
  const dir = join(parent, "exp");
  await Promise.all([1, 2, 3].map(() => openArchive(archive, sha256(archive), dir)));
  const { ino } = lstatSync(dir);
  await openArchive(archive, sha256(archive), dir);
  t.is(lstatSync(dir).ino, ino);
  await coded(t, openArchive(archive, sha256(archive), join(parent, "mine")), "FL_EXISTS");
  t.deepEqual(readdirSync(join(parent, "mine")), ["notes.txt"]);
  t.deepEqual(readdirSync(parent).sort(), ["exp", "mine"]);
});

test("import: a workspace that throws or exports nothing is told as such", async (t) => {
  const open = async (code: string) => {
    const archive = packArchive(new Map([["workspace.mjs", Buffer.from(code)]]));
    return (await openArchive(archive, sha256(archive), join(folder(t), "exp"))).dir;
  };
  await coded(t, importWorkspace(await open(`throw new Error("no")`)), "FL_WORKSPACE_INVALID");
  await coded(t, importWorkspace(await open("export const a = 1")), "FL_WORKSPACE_INVALID");
  const missing = await coded(
    t,
    importWorkspace(await open(`import "left-pad-x"; export default 1`)),
    "FL_WORKSPACE_INVALID",
  );
  t.regex(missing.message, /left-pad-x/);
  const dir = await open("export default 1");
  await coded(t, importPart(dir, "../../etc/passwd"), "FL_PART_UNKNOWN");
  await coded(t, importPart(dir, "./gone.mjs"), "FL_PART_FAILED");
});
