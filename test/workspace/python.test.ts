/** Workspaces that are not TypeScript: what travels (PS1, WS1), who trains (EG1), and what is installed for them (RQ1, VE1–VE3). */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { openSubmitted } from "../../actors/submitted.ts";
import type { Which } from "../../src/client/holdings.ts";
import { prepareExperiment } from "../../src/client/prepare.ts";
import { rehearse } from "../../src/client/rehearsal.ts";
import { openModel, saveModel } from "../../src/client/saved-model.ts";
import { experimentSource } from "../../src/client/source.ts";
import { defineShard } from "../../src/data/shard.ts";
import { pythonShard } from "../../src/engine/python-shard.ts";
import type { FlError } from "../../src/errors.ts";
import { loadPlan } from "../../src/plan/load.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { manifestOf, readArchive } from "../../src/workspace/archive.ts";
import { bundleWorkspace } from "../../src/workspace/bundle.ts";
import { chooseEngine } from "../../src/workspace/engines.ts";
import { importsOf } from "../../src/workspace/python-source.ts";
import { requirementsAsked, requirementsOf } from "../../src/workspace/requirements.ts";
import { needing, python } from "../support/python.ts";
import { temporaryDir } from "../support/server.ts";

const never = new AbortController().signal;
const withPython = needing(test, "python");

async function folder(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const dir = await temporaryDir(t);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
  return dir;
}
const contentsOf = async (path: string) => {
  const { archive, digest } = await bundleWorkspace(path);
  return readArchive(archive, digest);
};

const LINE = await readFile("test/python/faults/workspace.py", "utf8");

test("a Python workspace travels as it is written, with the modules and packages beside it that it imports (PS1, PS2)", async (t) => {
  const source = "import os, lib.inner as l\n  from helper import x\nimport numpy\n# import unused\n";
  const dir = await folder(t, {
    "train.py": source,
    "helper.py": "import deeper",
    "deeper.py": "",
    "unused.py": "",
    "lib/__init__.py": "",
    "lib/inner.py": "from . import more",
    "lib/sub/__init__.py": "import train",
    "lib/data.csv": "",
    "os/readme.txt": "",
  });
  const { files, manifest } = await contentsOf(join(dir, "train.py"));
  t.deepEqual([...files.keys()].sort(), [
    ...["deeper.py", "helper.py", "lib/__init__.py", "lib/inner.py", "lib/sub/__init__.py"],
    ...["manifest.json", "workspace.py"],
  ]);
  t.is(Buffer.from(files.get("workspace.py")!).toString(), source);
  t.like(manifest, { engine: "python", entry: "workspace.py" });
  t.deepEqual([...importsOf("from .x import y\nfrom a.b import (\n c)\nimport d as e, f.g # h\n")].sort(), [
    "a",
    "d",
    "f",
  ]);
  const absent = await t.throwsAsync<FlError>(bundleWorkspace(join(dir, "absent.py")), {
    code: "FL_WORKSPACE_INVALID",
  });
  t.regex(absent.message, /absent\.py/);
});

test("a folder with a workspace for each engine is one experiment, and each site takes its own (SR1, EG1)", async (t) => {
  const { manifest, files } = await contentsOf("examples/mixed");
  t.like(manifest, { engine: "tfjs", entry: "workspace.mjs", also: { python: "workspace.py" } });
  t.deepEqual([...files.keys()].sort(), ["manifest.json", "workspace.mjs", "workspace.py"]);
  t.deepEqual(chooseEngine(manifest), { engine: "tfjs", entry: "workspace.mjs" });
  t.deepEqual(chooseEngine(manifest, "python"), { engine: "python", entry: "workspace.py" });
  const e = t.throws<FlError>(() => chooseEngine(manifest, "worker"), { code: "FL_ENGINE_UNAVAILABLE" });
  t.regex(e!.message, /has tfjs, python; this site trains with worker/);
  const other = manifestOf(Buffer.from('{ "v": 1, "engine": "jax", "entry": "w.py" }'));
  t.throws(() => chooseEngine(other), { code: "FL_ENGINE_UNAVAILABLE", message: /has jax/ });
  t.like(await experimentSource({ workspace: "examples/mixed" }), {
    name: "mixed",
    planFile: "examples/mixed/plan.yaml",
  });
  const empty = await temporaryDir(t);
  await t.throwsAsync(bundleWorkspace(empty), {
    code: "FL_WORKSPACE_INVALID",
    message: /no workspace\.ts.*workspace\.py/,
  });
});

test("a worker in another language says its command and its files (WS1, WS2)", async (t) => {
  const { manifest, files } = await contentsOf("examples/logistic-regression");
  t.like(manifest, { engine: "worker", entry: "worker.py", command: ["python3", "worker.py"] });
  t.deepEqual([...files.keys()].sort(), ["manifest.json", "worker.py"]);
  for (const [json, says] of [
    ["{", /not JSON/],
    ['{ "command": [], "files": ["a"] }', /command/],
    ['{ "command": ["a"], "files": ["../a"] }', /files/],
    ['{ "command": ["a"], "files": ["a"] }', /there is no a/],
  ] as const) {
    const dir = await folder(t, { "workspace.json": json });
    t.regex((await t.throwsAsync<FlError>(bundleWorkspace(dir), { code: "FL_WORKSPACE_INVALID" })).message, says);
  }
});

test("a requirement is a package with its versions or a wheel in the archive, and nothing else (RQ1)", (t) => {
  const good =
    "scipy\nscikit-learn >= 1.2, <2 # why\n\n# a comment\nx[a,b]==1.*; python_version < '3.12'\n./vendor/own-1.0.whl";
  t.deepEqual(
    requirementsOf(good, "FL_ARCHIVE_INVALID").map(({ text, file }) => file ?? text),
    ["scipy", "scikit-learn >= 1.2, <2", "x[a,b]==1.*; python_version < '3.12'", "vendor/own-1.0.whl"],
  );
  const bad = [
    ...[
      "-r other.txt",
      "--index-url https://example.org",
      "-e .",
      "x @ https://example.org/x.whl",
      "https://example.org/x",
    ],
    ...[
      "git+https://example.org/x",
      "/etc/x.whl",
      "./../x.whl",
      "./x.tar.gz",
      "../x.whl",
      "x --config-settings=a",
      "x;y@z",
    ],
  ];
  for (const line of bad) {
    const e = t.throws<FlError>(
      () => requirementsOf(`ok\n${line}`, "FL_ARCHIVE_INVALID"),
      { code: "FL_ARCHIVE_INVALID" },
      line,
    );
    t.regex(e!.message, /line 2/, line);
  }
});

/** A wheel is a zip with a few files; Python's own library writes one. */
const WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/own-1.0-py3-none-any.whl", "w") as z:
    z.writestr("own.py", "answer = 41")
    z.writestr("own-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n")
    z.writestr("own-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    z.writestr("own-1.0.dist-info/RECORD", "own.py,,\\nown-1.0.dist-info/METADATA,,\\nown-1.0.dist-info/WHEEL,,\\n")
`;

needing(test, "pip")(
  "what a Python workspace requires is refused, or installed into an environment that is gone afterwards (VE1–VE3)",
  async (t) => {
    const dir = await folder(t, {
      "workspace.py": `import own\nassert own.answer == 41\n${LINE}`,
      "requirements.txt": "numpy\n./vendor/own-1.0-py3-none-any.whl\n",
      "vendor/.keep": "",
    });
    execFileSync(python!, ["-c", WHEEL, join(dir, "vendor")]);
    const { archive, digest } = await bundleWorkspace(dir);
    const wheel = "own-1.0-py3-none-any.whl";
    const shown = { "python:numpy": "*", [`python:${wheel}`]: `file:vendor/${wheel}` };
    t.deepEqual(requirementsAsked(await readArchive(archive, digest)), shown, "what a reviewer sees");
    const open = (dependencies: "refuse" | "install" | "ignore") =>
      openSubmitted(archive, digest, { dependencies, signal: never, python: python! });
    const refused = await t.throwsAsync<FlError>(open("refuse"), { code: "FL_DEPENDENCIES_REFUSED" });
    t.deepEqual(refused.detail.requirements, ["numpy", "./vendor/own-1.0-py3-none-any.whl"]);
    const opened = await open("install");
    t.not(opened.python, python);
    const script = "import own, numpy, msgpack; print(own.__file__)";
    const where = execFileSync(opened.python, ["-c", script], { encoding: "utf8" }).trim();
    t.true(where.startsWith(dirname(opened.dir)), where);
    await opened.close();
    t.false(existsSync(where));
    const none = await folder(t, { "workspace.py": LINE, "requirements.txt": "./no-such-wheel-1.0-py3-none-any.whl" });
    await t.throwsAsync(bundleWorkspace(none), { code: "FL_WORKSPACE_INVALID", message: /no-such-wheel/ });
    const damaged = await folder(t, {
      "workspace.py": LINE,
      "requirements.txt": "./bad-1.0-py3-none-any.whl",
      "bad-1.0-py3-none-any.whl": "",
    });
    const bad = await bundleWorkspace(damaged);
    const failing = openSubmitted(bad.archive, bad.digest, { dependencies: "install", signal: never, python: python! });
    const e = await t.throwsAsync<FlError>(failing, { code: "FL_INSTALL_FAILED" });
    t.regex((e.detail.tail as string[]).join("\n"), /bad-1\.0/, "the installer's own words");
  },
);

const line = defineShard({
  ...{ description: "d", sampleShape: [1], targetShape: [1] },
  load: async () => {
    const split = { size: 3, samples: new Float32Array(3), targets: new Float32Array(3) };
    return { train: split, validation: split };
  },
});

withPython(
  "a Python workspace is checked before it is handed in, as far as Python is there, and rehearsed",
  async (t) => {
    const dir = await folder(t, { "workspace.py": LINE });
    const plan = (task: string) => ({
      version: 1 as const,
      rounds: 2,
      tasks: [{ task: "train" }, { task, on: "tuned" as const, trains: false }],
    });
    const before = process.env.ENTENTE_PYTHON;
    t.teardown(() => {
      if (before === undefined) delete process.env.ENTENTE_PYTHON;
      else process.env.ENTENTE_PYTHON = before;
    });
    process.env.ENTENTE_PYTHON = python!;
    const unknown = prepareExperiment({ plan: plan("sparn"), workspace: dir, name: "x" });
    await t.throwsAsync(unknown, { code: "FL_TASK_UNKNOWN", message: /did you mean spawn/ });
    const broken = await folder(t, { "workspace.py": "import numpy\nraise ValueError('not today')" });
    const e = await t.throwsAsync<FlError>(
      prepareExperiment({ plan: plan("validate"), workspace: broken, name: "x" }),
      {
        code: "FL_WORKSPACE_INVALID",
      },
    );
    t.regex(e.message, /ValueError: not today/);
    const absent = await folder(t, { "workspace.py": "import no_such_module_anywhere" });
    await t.notThrowsAsync(
      prepareExperiment({ plan: plan("validate"), workspace: absent, name: "x" }),
      "it may be elsewhere",
    );
    process.env.ENTENTE_PYTHON = "no-such-python";
    await t.notThrowsAsync(prepareExperiment({ plan: plan("sparn"), workspace: dir, name: "x" }), "nor is Python here");
    process.env.ENTENTE_PYTHON = python!;
    const { rounds, tensors } = await rehearse({ plan: plan("validate"), workspace: dir, shard: line, rounds: 2 });
    t.is(rounds.length, 2);
    t.deepEqual([...tensors.w!.values], [2, 2]);
  },
);

withPython("a worker in another language is rehearsed from its folder alone", async (t) => {
  const written = await loadPlan("examples/logistic-regression/plan.yaml");
  const { "train.accuracy": accuracy } = (
    await rehearse({
      plan: { ...written, workspace: "./worker.json" },
      workspace: await folder(t, {
        "worker.py": await readFile("examples/logistic-regression/worker.py", "utf8"),
        "workspace.json": JSON.stringify({ command: [python, "worker.py"], files: ["worker.py"] }),
      }).then((dir) => join(dir, "workspace.json")),
      shard: await pythonShard("examples/mixed/shard.py", { python }),
      rounds: 3,
    })
  ).rounds[2]!.metrics;
  t.true(accuracy! > 0.9, String(accuracy));
});

withPython("a shard in Python is a shard; what is wrong with one says so with its traceback", async (t) => {
  const shard = await pythonShard("examples/mixed/shard.py", { python });
  t.like(shard, { sampleShape: [2], targetShape: [3] });
  const load = (params: Record<string, unknown>) =>
    shard.load({ name: "ada", params, seed: 2 ** 52 + 1, signal: never });
  const { train, validation } = await load({ samples: 50 });
  t.deepEqual([train.size, train.samples.length, train.targets.length, validation.size], [50, 100, 50, 10]);
  t.deepEqual(await load({ samples: 50 }), { train, validation });
  const e = await t.throwsAsync<FlError>(load({ samples: "many" }), { code: "FL_SHARD_FAILED" });
  t.regex(e.toJSON().stack!, /shard\.py", line \d+, in load[\s\S]*ValueError/);
  const dir = await folder(t, {
    "none.py": "x = 1",
    "wrong.py":
      "from entente import define_shard\nshard = define_shard(description='', sample_shape=(1,), target_shape=(1,), load=print)",
  });
  for (const file of ["none.py", "wrong.py", "absent.py"]) {
    const code = file === "absent.py" ? "FL_NOT_FOUND" : "FL_SHARD_INVALID";
    await t.throwsAsync(pythonShard(join(dir, file), { python }), { code }, file);
  }
});

test("a model of an experiment without TensorFlow.js is saved as safetensors, and is no LayersModel", async (t) => {
  const dir = await folder(t, { "workspace.py": "" });
  const { archive, digest } = await bundleWorkspace(dir);
  const which: Which = "last";
  const holdings = { archive: async () => archive, shapes: async () => ({ sampleShape: [1], targetShape: [1] }) };
  const layout = layoutOf([{ name: "w", dtype: "f32", shape: [2] }]);
  const model = {
    ...{ experiment: "e", owner: "ann", which, rounds: 1, layout, values: Float32Array.of(1, 2) },
    ...{ plan: parsePlan({ version: 1, rounds: 1 }), archive: { digest, bytes: archive.length } },
  } as const;
  const out = await temporaryDir(t);
  const { files } = await saveModel(holdings as never, model, out);
  t.deepEqual(files, [join(out, "model.safetensors")]);
  t.deepEqual([...parseSafetensors(await readFile(files[0]!)).values], [1, 2]);
  const opening = openModel(holdings as never, model);
  await t.throwsAsync(opening, { code: "FL_WORKSPACE_INVALID", message: /no model for TensorFlow\.js/ });
});
