/**
 * What every engine promises (src/engine/engine.ts), as one suite for whoever implements the port.
 *
 * The toy problem is two classes of points left and right of a line, which a linear model separates in a few steps.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext, TestFn } from "ava";
import { Random } from "../../src/data/random.ts";
import type { Split } from "../../src/data/shard.ts";
import type { Engine, RunContext, Trainer } from "../../src/engine/engine.ts";
import type { FlError } from "../../src/errors.ts";
import { defineExperiment } from "../../src/workspace/define.ts";

const shapes = { sampleShape: [4], targetShape: [2] };

const toy = defineExperiment({
  model: ({ tf }) =>
    tf.sequential({
      layers: [
        tf.layers.dense({ inputShape: [4], units: 6, activation: "relu" }),
        tf.layers.dropout({ rate: 0.1 }), // unseeded initialisers and masks must repeat as well
        tf.layers.dense({ units: 2 }),
      ],
    }),
  tasks: {
    count: async ({ batches, data, random, arguments: given }) => {
      let samples = 0;
      for (const batch of batches(data.train, { batchSize: 7 })) samples += batch.size;
      return { samples, drawn: random.float(), given: Number(given.n ?? 0) };
    },
    broken: async () => {
      throw new Error("out of luck");
    },
    endless: async ({ pause }) => {
      for (;;) await pause();
    },
    nothing: async () => ({ value: Number.NaN }),
  },
});

function points(size: number, seed: number): Split {
  const random = new Random(seed);
  const samples = Float32Array.from({ length: size * 4 }, () => random.normal());
  const targets = Uint8Array.from({ length: size }, (_, i) => (samples[4 * i]! + samples[4 * i + 1]! > 0 ? 1 : 0));
  return { size, samples, targets };
}
const data = { train: points(300, 1), validation: points(100, 2) };

const context = (change: Partial<RunContext> = {}): RunContext => ({
  arguments: {},
  data,
  round: 1,
  seed: 5,
  collaborator: "anna",
  signal: new AbortController().signal,
  progress: () => {},
  ...change,
});

const weightsOf = (trainer: Trainer): Float32Array => {
  const out = new Float32Array(trainer.layout.length);
  trainer.read(out);
  return out;
};

export function engineContract(test: TestFn, name: string, makeEngine: () => Promise<Engine>): void {
  const law = (title: string, body: (t: ExecutionContext) => Promise<void>): void => {
    test.serial(`${name}: ${title}`, body);
  };
  const open = async (seed = 5): Promise<Trainer> => (await makeEngine()).open(toy, { seed, ...shapes });

  law("what is written is read back, bit for bit", async (t) => {
    const trainer = await open();
    const values = Float32Array.from({ length: trainer.layout.length }, (_, i) => Math.sin(i) * 2 ** ((i % 60) - 30));
    trainer.write(values);
    const given = values.slice();
    values.fill(0); // the trainer keeps no reference
    t.deepEqual(weightsOf(trainer), given);
    t.throws(() => trainer.write(new Float32Array(3)), { code: "FL_LAYOUT_MISMATCH" });
    t.throws(() => trainer.read(new Float32Array(trainer.layout.length + 1)), { code: "FL_LAYOUT_MISMATCH" });
    trainer.dispose();
  });

  law("every opening has the same layout and, by seed, the same weights (E1)", async (t) => {
    const [one, two, other] = [await open(), await open(), await open(6)];
    t.is(one.layout.digest, two.layout.digest);
    t.deepEqual(weightsOf(one), weightsOf(two));
    t.notDeepEqual(weightsOf(one), weightsOf(other));
    for (const trainer of [one, two, other]) trainer.dispose();
  });

  law("the same run gives the same weights and metrics, whatever ran before (E2)", async (t) => {
    const [one, two] = [await open(), await open()];
    const start = weightsOf(one);
    await two.run("train", context({ round: 9, arguments: { optimizer: "momentum" } }));
    two.write(start);
    const args = { epochs: 2, batchSize: 16 };
    const metrics = await one.run("train", context({ arguments: args }));
    t.deepEqual(await two.run("train", context({ arguments: args })), metrics);
    t.deepEqual(weightsOf(two), weightsOf(one));
    t.notDeepEqual(weightsOf(one), start);
    for (const change of [{ seed: 6 }, { round: 2 }, { collaborator: "bert" }]) {
      two.write(start);
      await two.run("train", context({ arguments: args, ...change }));
      t.notDeepEqual(weightsOf(two), weightsOf(one), Object.keys(change).join());
    }
    one.dispose();
    two.dispose();
  });

  law("loss falls on a toy problem", async (t) => {
    const trainer = await open();
    const before = await trainer.run("validate", context());
    for (let round = 1; round <= 5; round++) await trainer.run("train", context({ round, arguments: { epochs: 2 } }));
    const after = await trainer.run("validate", context());
    t.true(after.loss! < before.loss! / 2, `${before.loss} → ${after.loss}`);
    t.true(after.accuracy! > 0.9);
    t.is(after.samples, 100);
    trainer.dispose();
  });

  law("runs leave no tensors behind, nor does a trainer (E5)", async (t) => {
    const engine = await makeEngine();
    const probe = await engine.open(toy, { seed: 1, ...shapes });
    const bare = probe.memory().tensors;
    const trainer = await engine.open(toy, { seed: 2, ...shapes });
    const opened = trainer.memory().tensors;
    for (let round = 1; round <= 5; round++) {
      for (const optimizer of ["sgd", "momentum", "adam"]) {
        await trainer.run("train", context({ round, arguments: { optimizer, learningRate: 0.01 } }));
      }
      await trainer.run("validate", context({ arguments: { batchSize: 33 } }));
      await trainer.run("count", context());
      trainer.write(weightsOf(trainer));
      t.is(trainer.memory().tensors, opened);
    }
    trainer.dispose();
    t.is(probe.memory().tensors, bare);
    probe.dispose();
  });

  law("an abort ends a run with FL_CANCELLED and leaves no tensors behind (E4)", async (t) => {
    const trainer = await open();
    const opened = trainer.memory().tensors;
    for (const [task, args] of [
      ["train", { epochs: 1_000_000 }],
      ["endless", {}],
    ] as const) {
      const stop = new AbortController();
      const run = trainer.run(task, context({ signal: stop.signal, arguments: args }));
      await new Promise((resolve) => setImmediate(resolve)); // it lets us have a turn …
      setTimeout(() => stop.abort(), 5); // … and timers theirs
      await t.throwsAsync(run, { code: "FL_CANCELLED" }, task);
    }
    await t.throwsAsync(trainer.run("train", context({ signal: AbortSignal.abort() })), { code: "FL_CANCELLED" });
    t.is(trainer.memory().tensors, opened);
    await t.notThrowsAsync(trainer.run("validate", context()));
    trainer.dispose();
  });

  law("one run at a time, none after dispose (E3)", async (t) => {
    const trainer = await open();
    const stop = new AbortController();
    const run = trainer.run("endless", context({ signal: stop.signal }));
    await t.throwsAsync(trainer.run("validate", context()), { code: "FL_STATE" });
    t.throws(() => trainer.write(weightsOf(trainer)), { code: "FL_STATE" });
    stop.abort();
    await t.throwsAsync(run, { code: "FL_CANCELLED" });
    trainer.dispose();
    await t.throwsAsync(trainer.run("validate", context()), { code: "FL_STATE" });
  });

  law("progress counts up to all samples", async (t) => {
    const trainer = await open();
    const seen: [number, number][] = [];
    const progress = (done: number, total: number) => void seen.push([done, total]);
    await trainer.run("train", context({ progress, arguments: { epochs: 2, samples: 50 } }));
    t.deepEqual(seen.at(-1), [100, 100]);
    trainer.dispose();
  });

  law("a workspace's task gets arguments, batches and seeded randomness", async (t) => {
    const trainer = await open();
    const first = await trainer.run("count", context({ arguments: { n: 3 } }));
    t.deepEqual(await trainer.run("count", context({ arguments: { n: 3 } })), first);
    t.is(first.samples, 300);
    t.is(first.given, 3);
    t.not((await trainer.run("count", context({ round: 2 }))).drawn, first.drawn);
    trainer.dispose();
  });

  law("failures have their codes", async (t) => {
    const trainer = await open();
    const says = async (task: string, args: Record<string, unknown>, code: string, text: RegExp) => {
      const e = await t.throwsAsync<FlError>(trainer.run(task, context({ arguments: args })), { code });
      t.regex(e.message, text);
    };
    await says("trains", {}, "FL_TASK_UNKNOWN", /did you mean train\?/);
    await says("toString", {}, "FL_TASK_UNKNOWN", /toString.*train, validate/);
    await says("train", { batch_size: 3 }, "FL_PLAN_INVALID", /batchSize/);
    await says("train", { epochs: 0 }, "FL_PLAN_INVALID", /epochs/);
    await says("validate", { split: "test" }, "FL_PLAN_INVALID", /split/);
    await says("broken", {}, "FL_TASK_FAILED", /out of luck/);
    await says("nothing", {}, "FL_TASK_FAILED", /value is NaN/);
    await says("train", { learningRate: 1e30, epochs: 5 }, "FL_UPDATE_RANGE", /loss/);
    t.true(trainer.tasks.includes("train") && trainer.tasks.includes("count"));
    trainer.dispose();
  });

  law("a model is saved into a folder that is made for it", async (t) => {
    const root = await mkdtemp(join(tmpdir(), "entente-engine-"));
    const trainer = await open();
    await trainer.save(join(root, "a", "b"));
    t.true((await readdir(join(root, "a", "b"))).length > 0);
    trainer.dispose();
    await rm(root, { recursive: true });
  });
}
