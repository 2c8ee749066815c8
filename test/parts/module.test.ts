import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import { type Code, FlError } from "../../src/errors.ts";
import { bundleModule } from "../../src/parts/bundle.ts";
import { loadModule } from "../../src/parts/module.ts";

/** A folder outside this repository, so that nothing is found by accident. */
function folder(t: ExecutionContext, files: Record<string, string>): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "module-test-")));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

const failure = async (t: ExecutionContext, promise: Promise<unknown>, code: Code): Promise<FlError> => {
  const error = await t.throwsAsync<FlError>(promise, { instanceOf: FlError });
  t.is(error?.code, code);
  return error!;
};

test("module: TypeScript with relative imports and JSON loads by path", async (t) => {
  const from = folder(t, {
    "x.ts": `import { two } from "./lib/two.ts"; import data from "./d.json"; type N = number;
      const sum: N = two + data.three; export default { sum };`,
    "lib/two.ts": "export const two: number = 2;",
    "d.json": `{ "three": 3 }`,
  });
  t.deepEqual(await loadModule("./x.ts", { from }), { sum: 5 });
});

test("module: packages are found from the module's own folder, CommonJS among them", async (t) => {
  const from = folder(t, {
    "x.ts": `import ext from "cjs-one"; export default ext("a", "b");`,
    "node_modules/cjs-one/package.json": `{ "name": "cjs-one", "main": "i.js" }`,
    "node_modules/cjs-one/i.js": `const path = require("path"); module.exports = (a, b) => path.posix.join(a, b);`,
  });
  t.is(await loadModule("./x.ts", { from }), "a/b");
});

test("module: entente and @tensorflow/* are this installation's own copies, lazily too (M1)", async (t) => {
  const from = folder(t, {
    "x.ts": `import * as tf from "@tensorflow/tfjs";
      export default { tf, lazy: async () => (await import("@tensorflow/tfjs")).default,
        name: async () => (await import("entente/package.json", { with: { type: "json" } })).default.name };`,
    "y.ts": `import { defineExperiment } from "entente"; export default defineExperiment;`,
    "tsconfig.json": `{ "compilerOptions": { "paths": { "entente": ["./decoy.ts"] } } }`,
    "decoy.ts": "export const defineExperiment = 0;",
  });
  const loaded = (await loadModule("./x.ts", { from })) as {
    tf: unknown;
    lazy(): Promise<unknown>;
    name(): Promise<string>;
  };
  const tf = await import("@tensorflow/tfjs");
  t.is(loaded.tf, tf);
  t.is(await loaded.lazy(), (tf as unknown as { default: unknown }).default);
  t.is(await loaded.name(), "entente");
  const text = await bundleModule(join(from, "y.ts"), { runtime: "bound", code: "FL_PART_FAILED" });
  t.true(text.includes(JSON.stringify(import.meta.resolve("entente"))));
});

test("module: a file's import.meta stays its own, so it finds what lies beside it", async (t) => {
  const from = folder(t, {
    "x.ts": `#!/usr/bin/env node\nimport { there } from "./lib/y.ts"; export default [import.meta.url, there];`,
    "lib/y.ts": "export const there = [import.meta.dirname, import.meta.filename];",
  });
  t.deepEqual(await loadModule("x.ts", { from }), [
    pathToFileURL(join(from, "x.ts")).href,
    [join(from, "lib"), join(from, "lib/y.ts")],
  ]);
});

test.serial("module: nothing is left behind, however it ends (M2)", async (t) => {
  const from = folder(t, { "x.ts": "export default 1;", "bad.ts": `throw new Error("no"); export default 1;` });
  const tmp = folder(t, {});
  const before = process.env.TMPDIR;
  process.env.TMPDIR = tmp;
  try {
    await loadModule("x.ts", { from });
    await t.throwsAsync(loadModule("bad.ts", { from }));
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
  t.deepEqual(readdirSync(tmp), []);
});

test("module: syntax and resolve errors name file and line (M3)", async (t) => {
  const from = folder(t, {
    "syntax.ts": "export default {\n  a: 1,\n  b: ]\n};",
    "missing.ts": `\nimport x from "not-there";\nexport default x;`,
    "tfjs.ts": `import x from "@tensorflow/not-there";\nexport default x;`,
  });
  const syntax = await failure(t, loadModule("syntax.ts", { from }), "FL_PART_FAILED");
  t.true(syntax.message.includes(`${join(from, "syntax.ts")}:3:6 Unexpected "]"`), syntax.message);
  t.true(String(syntax.detail.frame).includes("3 │   b: ]"), String(syntax.detail.frame));
  const missing = await failure(t, loadModule("missing.ts", { from, code: "FL_SHARD_INVALID" }), "FL_SHARD_INVALID");
  t.regex(missing.message, /missing\.ts:2:15 Could not resolve "not-there"/);
  const tfjs = await failure(t, loadModule("tfjs.ts", { from }), "FL_PART_FAILED");
  t.regex(tfjs.message, /tfjs\.ts:1:15 @tensorflow\/not-there is not installed with entente/);
});

test("module: no file, no default export and a throw are failures of the part (M3)", async (t) => {
  const from = folder(t, {
    "none.ts": "export const a = 1;",
    "throws.ts": `throw new Error("at load"); export default 1;`,
  });
  t.regex(
    (await failure(t, loadModule("./gone.ts", { from }), "FL_PART_FAILED")).message,
    /there is no file .*gone\.ts/,
  );
  t.regex((await failure(t, loadModule("none.ts", { from }), "FL_PART_FAILED")).message, /no default export/);
  const thrown = await failure(t, loadModule("throws.ts", { from }), "FL_PART_FAILED");
  t.regex(thrown.message, /at load/);
  t.is((thrown.cause as Error).message, "at load");
});
