/** Packages beside a workspace: DP1–DP3 of src/workspace/dependencies.ts, IN1–IN5 of src/workspace/install.ts. */
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { prepareExperiment } from "../../src/client/prepare.ts";
import { type Code, FlError } from "../../src/errors.ts";
import { packArchive, readArchive, sha256 } from "../../src/workspace/archive.ts";
import { bundleWorkspace } from "../../src/workspace/bundle.ts";
import { dependenciesOf, PACKAGE } from "../../src/workspace/dependencies.ts";
import { installDependencies } from "../../src/workspace/install.ts";
import { importWorkspace, openArchive } from "../../src/workspace/open.ts";
import { temporaryDir } from "../support/server.ts";

const never = new AbortController().signal;
const asking = (dependencies: unknown): Map<string, Uint8Array> =>
  new Map([[PACKAGE, Buffer.from(JSON.stringify({ dependencies }))]]);
const codeOf = (e: unknown): Code | undefined => (e instanceof FlError ? e.code : undefined);

async function folder(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const dir = await temporaryDir(t);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
  return dir;
}

test("an archive asks for the dependencies of its package.json, but for what the runtime brings (DP1)", (t) => {
  t.deepEqual(dependenciesOf(new Map()), {});
  t.deepEqual(dependenciesOf(asking(undefined)), {});
  const asked = {
    lib: "^1.2.0 || 3.x",
    "@a/b": "latest",
    own: "file:./vendor/own",
    entente: "1",
    "@tensorflow/tfjs": "4",
  };
  t.deepEqual(dependenciesOf(asking(asked)), { lib: "^1.2.0 || 3.x", "@a/b": "latest", own: "file:./vendor/own" });
});

for (const [what, dependencies] of [
  ["an address", { lib: "https://example.org/lib.tgz" }],
  ["a repository", { lib: "git+ssh://git@example.org/lib.git" }],
  ["a repository in short", { lib: "someone/lib" }],
  ["another name's registry entry", { lib: "npm:other@1" }],
  ["a file outside the archive", { lib: "file:../../etc" }],
  ["an absolute file", { lib: "file:/etc" }],
  ["a name that is a path", { "../lib": "1" }],
  ["an option of the installer", { "--registry": "1" }],
  ["no map", ["lib"]],
] as const) {
  test(`a dependency that is ${what} is refused (DP2)`, (t) => {
    t.is(codeOf(t.throws(() => dependenciesOf(asking(dependencies)))), "FL_ARCHIVE_INVALID");
  });
}

const own = {
  "vendor/own/package.json": JSON.stringify({
    ...{ name: "own", version: "1.0.0", main: "index.js" },
    scripts: { postinstall: "touch ../../../ran" },
  }),
  "vendor/own/index.js": "module.exports = 41;",
};

/** An opened archive, in a private folder as a collaborator has it. */
async function opened(t: ExecutionContext, files: Record<string, string>) {
  const archive = packArchive(new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)])));
  const scratch = await temporaryDir(t);
  const { dir } = await openArchive(archive, sha256(archive), join(scratch, "workspace"));
  const { files: all } = await readArchive(archive, sha256(archive));
  return { dir, scratch, dependencies: dependenciesOf(all), signal: never };
}

test("a package that comes with the archive is installed without a registry, its scripts do not run, nothing else is left (IN1–IN4)", async (t) => {
  const at = await opened(t, {
    ...own,
    "workspace.mjs": `import own from "own"; import { defineExperiment } from "entente"; export default { own, defineExperiment };`,
    "package.json": JSON.stringify({
      scripts: { preinstall: "exit 1" },
      dependencies: { own: "file:./vendor/own", entente: "^0.0.1" },
    }),
    ".npmrc": "registry=http://127.0.0.1:9/\nignore-scripts=false\n",
  });
  await installDependencies(at);
  t.like(await importWorkspace(at.dir), { own: 41 });
  t.true(lstatSync(join(at.dir, "node_modules/entente")).isSymbolicLink(), "the runtime's stays the runtime's");
  t.deepEqual(readdirSync(at.scratch), ["workspace"]);
  t.false(existsSync(join(at.dir, "node_modules/ran")) || existsSync(join(at.scratch, "ran")));
});

test("an install that fails says so with the installer's last lines", async (t) => {
  const at = await opened(t, {
    "workspace.mjs": "",
    "package.json": `{ "dependencies": { "own": "file:vendor/none" } }`,
  });
  const e = await t.throwsAsync<FlError>(installDependencies(at), { instanceOf: FlError });
  t.is(e?.code, "FL_INSTALL_FAILED");
  t.regex(JSON.stringify(e?.detail.tail), /vendor\/none|ENOENT/);
  const none = await t.throwsAsync<FlError>(
    installDependencies({
      ...(await opened(t, { "workspace.mjs": "" })),
      dependencies: { a: "1" },
      command: "/no/npm",
    }),
  );
  t.is(none?.code, "FL_INSTALL_FAILED");
  t.regex(none!.message, /could not be started/);
});

test("an abort ends the installer and what it has started (IN5)", async (t) => {
  const at = await opened(t, { "workspace.mjs": "" });
  const command = join(at.scratch, "npm");
  await writeFile(
    command,
    `#!/bin/sh\nsleep 1000 & echo $! > "${at.scratch}/pid.part"; mv "${at.scratch}/pid.part" "${at.scratch}/pid"; wait\n`,
  );
  await chmod(command, 0o755);
  const ends = new AbortController();
  const installing = installDependencies({ ...at, dependencies: { a: "1" }, signal: ends.signal, command });
  while (!existsSync(join(at.scratch, "pid"))) await new Promise((resolve) => setImmediate(resolve));
  ends.abort(new FlError("FL_CLOSED"));
  t.is(codeOf(await t.throwsAsync(installing)), "FL_CLOSED");
  const pid = Number(await readFile(join(at.scratch, "pid"), "utf8"));
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "x) Z");
  t.regex(stat, /\) Z/, "its child is gone");
});

const workspace = `import own from "own";
export default { model: () => { throw own; }, tasks: { train: () => ({ own }) } };`;

test("a bundle leaves out what entente.install names and asks for it; it is tried out with what is installed here (DP3)", async (t) => {
  const files = {
    "package.json": JSON.stringify({ dependencies: { own: "^1.0.0", other: "1" }, entente: { install: ["own"] } }),
    "node_modules/own/package.json": `{ "name": "own", "main": "index.js" }`,
    "node_modules/own/index.js": "module.exports = 41;",
    "experiment/workspace.mjs": workspace,
  };
  const dir = await folder(t, files);
  const { archive, digest, installed } = await bundleWorkspace(join(dir, "experiment/workspace.mjs"));
  const read = await readArchive(archive, digest);
  t.deepEqual(dependenciesOf(read.files), { own: "^1.0.0" });
  t.regex(Buffer.from(read.files.get("workspace.mjs")!).toString(), /from "own"/);
  t.deepEqual(installed, { own: join(dir, "node_modules/own") });
  const plan = { version: 1, rounds: 1, tasks: ["train"] };
  const prepared = await prepareExperiment({ plan, name: "x", workspace: join(dir, "experiment/workspace.mjs") });
  t.is(prepared.digest, digest);
});

test("what entente.install names must be a dependency, at a version that sites can find", async (t) => {
  for (const [dependencies, says] of [
    [{}, /names own, which is none of its dependencies/],
    [{ own: "file:../own" }, /what sites install needs a version range/],
  ] as const) {
    const dir = await folder(t, {
      "package.json": JSON.stringify({ dependencies, entente: { install: ["own"] } }),
      "workspace.mjs": workspace,
    });
    const e = await t.throwsAsync(bundleWorkspace(join(dir, "workspace.mjs")), { instanceOf: FlError });
    t.is(codeOf(e), "FL_WORKSPACE_INVALID");
    t.regex(e!.message, says);
  }
});
