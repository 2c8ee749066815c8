/** What may go wrong with a worker, and what is left of it: WE1–WE4, WC1–WC3, WP1–WP3. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import test from "ava";
import type { RunContext } from "../../src/engine/engine.ts";
import { pythonWorker } from "../../src/engine/python.ts";
import { type WorkerEngineOptions, type WorkerTrainer, workerEngine } from "../../src/engine/worker.ts";
import { type FlError, fromWire } from "../../src/errors.ts";
import { goneWithin } from "../../src/process.ts";
import { needing, python } from "../support/python.ts";

const dir = fileURLToPath(new URL("../../../test/python/faults", import.meta.url));
const split = { size: 3, samples: new Float32Array(3), targets: new Float32Array(3) };
const data = { train: split, validation: split };
const context = (change: Partial<RunContext> = {}): RunContext => ({
  ...{ arguments: {}, data, round: 1, seed: 5, collaborator: "anna", progress: () => {} },
  ...{ signal: new AbortController().signal, ...change },
});
const opening = { seed: 1, sampleShape: [1], targetShape: [1] };
const given = needing(test, "python");

async function opened(t: ExecutionContext, options: Partial<WorkerEngineOptions> = {}): Promise<WorkerTrainer> {
  const engine = workerEngine({ ...pythonWorker(python), ...options });
  const trainer = await engine.open({ dir, entry: "workspace.py" }, opening);
  t.teardown(() => trainer.dispose());
  return trainer;
}
const weightsOf = (trainer: WorkerTrainer): number[] => {
  const out = new Float32Array(2);
  trainer.read(out);
  return [...out];
};
/** What is left of the trainer after a failed run: its weights, and a worker for the next one. */
async function goesOn(t: ExecutionContext, trainer: WorkerTrainer): Promise<void> {
  t.deepEqual(weightsOf(trainer), [7, 7]);
  t.like(await trainer.run("train", context()), { samples: 3 });
  t.deepEqual(weightsOf(trainer), [8, 8]);
}

given(
  "worker: one that crashes in a task is a coded failure with its last lines; the next run has another (WE1, WE2)",
  async (t) => {
    const lines: string[] = [];
    const trainer = await opened(t, { onLine: (line) => lines.push(line) });
    const { pid } = trainer;
    trainer.write(Float32Array.of(7, 7));
    const e = await t.throwsAsync<FlError>(trainer.run("crash", context()), { code: "FL_WORKER_CRASHED" });
    t.regex(e.message, /SIGKILL/);
    t.deepEqual(e.detail.tail, ["about to crash"]);
    t.deepEqual(lines, ["about to crash"], "what it prints is for the log");
    await goesOn(t, trainer);
    t.not(trainer.pid, pid);
  },
);

given(
  "worker: an exception is the task's failure and carries its traceback over the wire; the worker stays",
  async (t) => {
    const trainer = await opened(t);
    const { pid } = trainer;
    trainer.write(Float32Array.of(7, 7));
    const e = await t.throwsAsync<FlError>(trainer.run("oops", context()), { code: "FL_TASK_FAILED" });
    t.regex(e.message, /ZeroDivisionError/);
    const back = fromWire(e.toJSON());
    t.regex(back.stack!, /Traceback[\s\S]*workspace\.py", line \d+, in oops[\s\S]*ZeroDivisionError/);
    const left = await t.throwsAsync<FlError>(trainer.run("leave", context()), { code: "FL_TASK_FAILED" });
    t.regex(left.message, /SystemExit: I have had enough/);
    await goesOn(t, trainer);
    t.is(trainer.pid, pid);
  },
);

given("worker: one that gives no sign of life, or takes longer than the site allows, is ended (WC1)", async (t) => {
  const frozen = await opened(t, { silenceMs: 5_000 });
  frozen.write(Float32Array.of(7, 7));
  const e = await t.throwsAsync<FlError>(frozen.run("freeze", context()), { code: "FL_WORKER_SILENT" });
  t.regex(e.message, /no sign of life for 5 s/);
  await goesOn(t, frozen);
  const slow = await opened(t, { taskLimitMs: 300 });
  slow.write(Float32Array.of(7, 7));
  const late = await t.throwsAsync<FlError>(slow.run("hang", context()), { code: "FL_WORKER_SILENT" });
  t.regex(late.message, /hang took longer than the 0.3 s/);
  await goesOn(t, slow);
});

given("worker: a task that does not heed a cancel is ended by force, as cancelled (WE4)", async (t) => {
  const trainer = await opened(t);
  trainer.write(Float32Array.of(7, 7));
  const stop = new AbortController();
  const run = trainer.run("hang", context({ signal: stop.signal }));
  setTimeout(() => stop.abort(), 5);
  await t.throwsAsync(run, { code: "FL_CANCELLED" });
  await goesOn(t, trainer);
});

given("worker: what is no frame ends it as a fault of the protocol (WC2)", async (t) => {
  const script = `
import os, sys
sys.stdout.write("hello, world, I am no frame")
sys.stdout.flush()
sys.stdin.read()`;
  const talks = workerEngine({ command: [python!, "-c", script] }).open({ dir, entry: "x" }, opening);
  await t.throwsAsync(talks, { code: "FL_WORKER_PROTOCOL" });
  const says = (...frames: object[]) => {
    const script = `
import msgpack, os, struct, sys
for frame in ${JSON.stringify(frames)}:
    head = msgpack.packb(frame)
    os.write(1, struct.pack("<II", len(head), 0) + head)
    os.read(0, 8)
sys.stdin.read()`;
    return workerEngine({ command: [python!, "-c", script] }).open({ dir, entry: "x" }, opening);
  };
  const hello = { type: "hello", v: 1, worker: "w" };
  const cases: [object[], string, RegExp][] = [
    [[{ type: "hello", v: 2, worker: "w" }], "FL_WORKER_START", /version 2/],
    [[{ type: "good day" }], "FL_WORKER_PROTOCOL", /type/],
    [[hello, { type: "reply", id: 9 }], "FL_WORKER_PROTOCOL", /request 9/],
    [[hello, { type: "chunk" }], "FL_WORKER_PROTOCOL", /a chunk of 0 bytes/],
    [[hello, { type: "reply", id: 1, engine: "e" }], "FL_WORKER_PROTOCOL", /tensors/],
    [
      [hello, { type: "reply", id: 1, engine: "e", tensors: [{ name: "w", shape: [-1] }] }],
      "FL_WORKER_PROTOCOL",
      /shape/,
    ],
  ];
  for (const [frames, code, reason] of cases) {
    const e = await t.throwsAsync<FlError>(says(...frames), { code }, JSON.stringify(frames));
    t.regex(e.message, reason);
  }
});

given("worker: one that cannot be started, an import that fails and a layout that cannot be say so", async (t) => {
  const open = (entry: string, options: WorkerEngineOptions = pythonWorker(python)) =>
    workerEngine(options).open({ dir, entry }, opening);
  const none = await t.throwsAsync<FlError>(open("x", { command: ["no-such-program"] }), { code: "FL_WORKER_START" });
  t.regex(none.message, /no-such-program/);
  const ends = open("x", { command: [python!, "-c", "import sys; sys.exit('no numpy here')"] });
  t.regex((await t.throwsAsync<FlError>(ends, { code: "FL_WORKER_START" })).message, /status 1: no numpy here/);
  const absent = await t.throwsAsync<FlError>(open("absent.py"), { code: "FL_WORKSPACE_INVALID" });
  t.is(absent.detail.missing, "no_such_module_anywhere");
  t.regex(absent.toJSON().stack!, /absent\.py", line 1/);
  await t.throwsAsync(open("ints.py"), { code: "FL_LAYOUT_MISMATCH" });
});

given("worker: what it is not asked to do is refused, never left out (WE3)", async (t) => {
  const engine = workerEngine(pythonWorker(python));
  const method = { name: "scaffold", strength: 1, samples: 0 } as const;
  const asked = engine.open({ dir, entry: "workspace.py" }, { ...opening, method });
  await t.throwsAsync(asked, { code: "FL_PLAN_INVALID", message: /must not be scaffold/ });
  const trainer = await opened(t);
  trainer.write(Float32Array.of(7, 7));
  const pulled = (global: Float32Array) => trainer.run("train", context({ arguments: { proximal: 0.1 }, global }));
  const message = /proximal must be 0 in a train on tuned/;
  await t.throwsAsync(pulled(Float32Array.of(7, 8)), { code: "FL_PLAN_INVALID", message });
  await t.notThrowsAsync(pulled(Float32Array.of(7, 7)));
});

given("worker: it goes with its trainer and takes along what it has started (WP1)", async (t) => {
  const trainer = await opened(t);
  const { pid: started } = await trainer.run("spawn", context());
  const { pid } = trainer;
  trainer.dispose();
  t.true(await goneWithin(pid!, 10_000));
  t.true(await goneWithin(started!, 10_000));
});

given("worker: it goes with its collaborator, also when that is killed while a task runs (WP2)", async (t) => {
  const script = `
    const { workerEngine } = await import(process.argv[1] + "worker.js");
    const { pythonWorker } = await import(process.argv[1] + "python.js");
    const engine = workerEngine(pythonWorker(process.argv[2]));
    const trainer = await engine.open({ dir: process.argv[3], entry: "workspace.py" }, ${JSON.stringify(opening)});
    const split = { size: 3, samples: new Float32Array(3), targets: new Float32Array(3) };
    const context = { arguments: {}, data: { train: split, validation: split }, round: 1, seed: 5, collaborator: "anna",
      signal: new AbortController().signal, progress() {} };
    const { pid } = await trainer.run("spawn", context);
    trainer.run("hang", context).catch(() => {});
    console.log(trainer.pid + " " + pid);
  `;
  const folder = new URL("../../src/engine/", import.meta.url).href;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script, folder, python!, dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => void parent.kill("SIGKILL"));
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const pids = line.toString().trim().split(" ").map(Number);
  parent.kill("SIGKILL");
  for (const pid of pids) t.true(await goneWithin(pid, 10_000), String(pid));
});
