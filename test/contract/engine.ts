/**
 * What every engine promises (src/engine/engine.ts), as one suite for whoever implements the port.
 *
 * The toy problem is two classes of points left and right of a line, which a linear model separates in a few steps. Each engine
 * brings a model for it, and says in plain arithmetic what that model makes of a sample.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext, TestFn } from "ava";
import { Random } from "../../src/data/random.ts";
import type { Split } from "../../src/data/shard.ts";
import type { Engine, OpenOptions, RunContext, Trainer } from "../../src/engine/engine.ts";
import type { FlError } from "../../src/errors.ts";
import { type Remembering, slotsOf } from "../../src/tensor/slots.ts";
import { defineExperiment } from "../../src/workspace/define.ts";

export const shapes = { sampleShape: [4], targetShape: [2] };
const CLASSES = 2;

export type Toy = {
  /** `noisy`: with randomness in training where the engine has that; `still`: with none, and the same layout */
  open(kind: "noisy" | "still", options: OpenOptions): Promise<Trainer>;
  /** the still model's outputs for a sample, computed by hand */
  outputs(values: ArrayLike<number>, sample: ArrayLike<number>): number[];
  /** what `train` knows */
  readonly optimizers: readonly ("sgd" | "momentum" | "adam")[];
  /** whether it has the tasks count, broken, endless and nothing of the toy below */
  readonly own: boolean;
  /** bytes that the trainer has somewhere else, where that can be told */
  bytes?(trainer: Trainer): Promise<number>;
};

const layers = (rate: number) =>
  defineExperiment({
    model: ({ tf }) =>
      tf.sequential({
        layers: [
          tf.layers.dense({ inputShape: [4], units: 6, activation: "relu" }),
          ...(rate > 0 ? [tf.layers.dropout({ rate })] : []), // unseeded initialisers and masks must repeat as well
          tf.layers.dense({ units: CLASSES }),
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

/** The toy in TensorFlow.js. */
export const tfjsToy = (makeEngine: () => Promise<Engine>): Toy => ({
  open: async (kind, options) => (await makeEngine()).open(layers(kind === "noisy" ? 0.1 : 0), options),
  outputs: mlp,
  optimizers: ["sgd", "momentum", "adam"],
  own: true,
});

/** 4 → 6 relu → 2, kernels [in, out] before their biases. */
export function mlp(values: ArrayLike<number>, sample: ArrayLike<number>): number[] {
  const dense = (input: readonly number[], from: number, width: number) =>
    Array.from({ length: width }, (_, j) =>
      input.reduce((sum, x, i) => sum + x * values[from + i * width + j]!, values[from + input.length * width + j]!),
    );
  return dense(
    dense(Array.from(sample), 0, 6).map((x) => Math.max(0, x)),
    30,
    CLASSES,
  );
}

function points(size: number, seed: number): Split {
  const random = new Random(seed);
  const samples = Float32Array.from({ length: size * 4 }, () => random.normal());
  const targets = Uint8Array.from({ length: size }, (_, i) => (samples[4 * i]! + samples[4 * i + 1]! > 0 ? 1 : 0));
  return { size, samples, targets };
}
const data = { train: points(300, 1), validation: points(100, 2) };

/** The mean softmax cross entropy of a split, by hand. */
function lossOf({ outputs }: Toy, values: ArrayLike<number>, { size, samples, targets }: Split): number {
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const logits = outputs(values, samples.subarray(4 * i, 4 * i + 4));
    sum += Math.log(logits.reduce((s, x) => s + Math.exp(x), 0)) - logits[targets[i]!]!;
  }
  return sum / size;
}

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

export function engineContract(test: TestFn, name: string, toy: Toy): void {
  const law = (title: string, body: (t: ExecutionContext) => Promise<void>): void => {
    test.serial(`${name}: ${title}`, body);
  };
  const open = (seed = 5, remembers?: Remembering): Promise<Trainer> =>
    toy.open("noisy", { seed, ...shapes, remembers });
  /** Two trainers for the laws that want no new one: what ran before is no concern of theirs (E2). */
  const openings: Record<string, Promise<{ trainer: Trainer; start: Float32Array }>> = {};
  const shared = async (which: "one" | "two" = "one"): Promise<Trainer> => {
    openings[which] ??= open().then((trainer) => ({ trainer, start: weightsOf(trainer) }));
    const { trainer, start } = await openings[which];
    trainer.write(start);
    return trainer;
  };
  test.after.always(`${name}: the shared trainers go`, async () => {
    for (const opening of Object.values(openings)) (await opening).trainer.dispose();
  });

  law("what is written is read back, bit for bit", async (t) => {
    const trainer = await shared();
    const values = Float32Array.from({ length: trainer.layout.length }, (_, i) => Math.sin(i) * 2 ** ((i % 60) - 30));
    trainer.write(values);
    const given = values.slice();
    values.fill(0); // the trainer keeps no reference
    t.deepEqual(weightsOf(trainer), given);
    await trainer.run("validate", context());
    t.deepEqual(weightsOf(trainer), given);
    t.throws(() => trainer.write(new Float32Array(3)), { code: "FL_LAYOUT_MISMATCH" });
    t.throws(() => trainer.read(new Float32Array(trainer.layout.length + 1)), { code: "FL_LAYOUT_MISMATCH" });
  });

  law("every opening has the same layout and, by seed, the same weights (E1)", async (t) => {
    const [one, two, other] = [await shared(), await shared("two"), await open(6)];
    t.is(one.layout.digest, two.layout.digest);
    t.deepEqual(weightsOf(one), weightsOf(two));
    t.notDeepEqual(weightsOf(one), weightsOf(other));
    other.dispose();
  });

  law("the same run gives the same weights and metrics, whatever ran before (E2)", async (t) => {
    const [one, two] = [await shared(), await shared("two")];
    const start = weightsOf(one);
    await two.run("train", context({ round: 9, arguments: { optimizer: toy.optimizers.at(-1) } }));
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
  });

  law("the loss and its gradient on fixed weights are what arithmetic says", async (t) => {
    const trainer = await toy.open("still", { seed: 5, ...shapes });
    const weights = Float32Array.from({ length: trainer.layout.length }, (_, i) => 0.6 * Math.sin(1 + 3 * i));
    trainer.write(weights);
    const near = (got: number, want: number, within: number, what: string) =>
      t.true(Math.abs(got - want) < within, `${what}: ${got}, expected ${want}`);
    const { loss } = await trainer.run("validate", context({ arguments: { batchSize: 33 } }));
    near(loss!, lossOf(toy, weights, data.validation), 1e-5, "loss");
    const whole = { batchSize: data.train.size, learningRate: 1 }; // one step, whose length is the gradient's
    const trained = await trainer.run("train", context({ arguments: whole }));
    near(trained.loss!, lossOf(toy, weights, data.train), 1e-5, "loss in training");
    const after = weightsOf(trainer);
    const moved = Array.from(weights);
    for (const [i, w] of weights.entries()) {
      const at = (x: number): number => {
        moved[i] = x;
        return lossOf(toy, moved, data.train);
      };
      near(w - after[i]!, (at(w + 1e-5) - at(w - 1e-5)) / 2e-5, 1e-5, `gradient of value ${i}`);
      moved[i] = w;
    }
    trainer.dispose();
  });

  if (toy.optimizers.length > 1) {
    law("proximal pulls each step back by its share of the way from the start", async (t) => {
      const trainer = await toy.open("still", { seed: 5, ...shapes });
      const start = weightsOf(trainer);
      const after = async (epochs: number, proximal: number): Promise<Float32Array> => {
        trainer.write(start);
        const whole = { batchSize: data.train.size, learningRate: 0.5, epochs, proximal };
        await trainer.run("train", context({ arguments: whole, global: start }));
        return weightsOf(trainer);
      };
      const [one, two, held] = [await after(1, 0), await after(2, 0), await after(2, 0.4)];
      for (const [i, x] of held.entries()) {
        const expected = two[i]! - 0.5 * 0.4 * (one[i]! - start[i]!);
        t.true(Math.abs(x - expected) < 1e-6, `value ${i}: ${x}, expected ${expected}`);
      }
      trainer.dispose();
    });
  }

  for (const optimizer of toy.optimizers) {
    if (optimizer === "sgd") continue;
    law(`what ${optimizer} remembers lasts if that is asked for, behind the model in the layout`, async (t) => {
      const trainer = await toy.open("still", { seed: 5, ...shapes, remembers: optimizer });
      const start = weightsOf(trainer);
      const { moments, steps } = slotsOf(optimizer);
      const model = (start.length - steps) / (1 + moments);
      t.true(start.subarray(model).every((x) => x === 0));
      const whole = { optimizer, batchSize: data.train.size, learningRate: 0.1 };
      await trainer.run("train", context({ arguments: { ...whole, epochs: 2 } }));
      const atOnce = weightsOf(trainer);
      t.true(atOnce.subarray(model).some((x) => x !== 0));
      const differs = (one: Float32Array, other: Float32Array) =>
        Math.max(...one.map((x, i) => Math.abs(x - other[i]!)).values());
      for (const kept of [true, false]) {
        trainer.write(start);
        await trainer.run("train", context({ arguments: whole }));
        if (!kept) trainer.write(weightsOf(trainer).fill(0, model));
        await trainer.run("train", context({ arguments: whole, round: 2 }));
        const difference = differs(weightsOf(trainer).slice(0, model), atOnce.slice(0, model));
        t.is(difference < 1e-5, kept, `${kept}: ${difference}`);
      }
      trainer.dispose();
    });
  }

  law("loss falls on a toy problem", async (t) => {
    const trainer = await shared();
    const before = await trainer.run("validate", context());
    for (let round = 1; round <= 5; round++) await trainer.run("train", context({ round, arguments: { epochs: 2 } }));
    const after = await trainer.run("validate", context());
    t.true(after.loss! < before.loss! / 2, `${before.loss} → ${after.loss}`);
    t.true(after.accuracy! > 0.9);
    t.is(after.samples, 100);
  });

  law("runs leave no tensors behind, nor does a trainer (E5)", async (t) => {
    const probe = await shared();
    const bare = probe.memory().tensors;
    const trainer = await open(2);
    const opened = trainer.memory().tensors;
    const rounds = async (from: number, to: number): Promise<void> => {
      for (let round = from; round <= to; round++) {
        for (const optimizer of toy.optimizers) {
          await trainer.run("train", context({ round, arguments: { optimizer, learningRate: 0.01 } }));
        }
        await trainer.run("validate", context({ arguments: { batchSize: 33 } }));
        if (toy.own) await trainer.run("count", context());
        trainer.write(weightsOf(trainer));
        t.is(trainer.memory().tensors, opened);
      }
    };
    await rounds(1, 5);
    if (toy.bytes !== undefined) {
      const before = await toy.bytes(trainer);
      await rounds(6, 25);
      const grown = (await toy.bytes(trainer)) - before;
      t.true(grown < 4 << 20, `it has grown by ${grown} bytes in 20 rounds`);
    }
    trainer.dispose();
    t.is(probe.memory().tensors, bare);
  });

  law("an abort ends a run with FL_CANCELLED and leaves no tensors behind (E4)", async (t) => {
    const trainer = await shared();
    const opened = trainer.memory().tensors;
    const endless = [["train", { epochs: 1_000_000 }] as const, ...(toy.own ? [["endless", {}] as const] : [])];
    for (const [task, args] of endless) {
      const stop = new AbortController();
      const run = trainer.run(task, context({ signal: stop.signal, arguments: args }));
      await new Promise((resolve) => setImmediate(resolve)); // it lets us have a turn …
      setTimeout(() => stop.abort(), 5); // … and timers theirs
      await t.throwsAsync(run, { code: "FL_CANCELLED" }, task);
    }
    await t.throwsAsync(trainer.run("train", context({ signal: AbortSignal.abort() })), { code: "FL_CANCELLED" });
    t.is(trainer.memory().tensors, opened);
    await t.notThrowsAsync(trainer.run("validate", context()));
  });

  law("one run at a time, none after dispose (E3)", async (t) => {
    const trainer = await open();
    const stop = new AbortController();
    const run = trainer.run("train", context({ signal: stop.signal, arguments: { epochs: 1_000_000 } }));
    await t.throwsAsync(trainer.run("validate", context()), { code: "FL_STATE" });
    t.throws(() => trainer.write(weightsOf(trainer)), { code: "FL_STATE" });
    stop.abort();
    await t.throwsAsync(run, { code: "FL_CANCELLED" });
    trainer.dispose();
    await t.throwsAsync(trainer.run("validate", context()), { code: "FL_STATE" });
  });

  law("progress counts up to all samples", async (t) => {
    const trainer = await shared();
    const seen: [number, number][] = [];
    const progress = (done: number, total: number) => void seen.push([done, total]);
    await trainer.run("train", context({ progress, arguments: { epochs: 2, samples: 50 } }));
    t.deepEqual(seen.at(-1), [100, 100]);
  });

  if (toy.own) {
    law("a workspace's task gets arguments, batches and seeded randomness", async (t) => {
      const trainer = await shared();
      const first = await trainer.run("count", context({ arguments: { n: 3 } }));
      t.deepEqual(await trainer.run("count", context({ arguments: { n: 3 } })), first);
      t.is(first.samples, 300);
      t.is(first.given, 3);
      t.not((await trainer.run("count", context({ round: 2 }))).drawn, first.drawn);
    });
  }

  law("failures have their codes", async (t) => {
    const trainer = await shared();
    const says = async (task: string, args: Record<string, unknown>, code: string, text: RegExp) => {
      const e = await t.throwsAsync<FlError>(trainer.run(task, context({ arguments: args })), { code });
      t.regex(e.message, text);
    };
    await says("trains", {}, "FL_TASK_UNKNOWN", /did you mean train\?/);
    await says("toString", {}, "FL_TASK_UNKNOWN", /toString.*train, validate/);
    await says("train", { batch_size: 3 }, "FL_PLAN_INVALID", /batchSize/);
    await says("train", { epochs: 0 }, "FL_PLAN_INVALID", /epochs/);
    await says("validate", { split: "test" }, "FL_PLAN_INVALID", /split/);
    await says("train", { learningRate: 1e30, epochs: 5 }, "FL_UPDATE_RANGE", /loss/);
    t.true(trainer.tasks.includes("train") && trainer.tasks.includes("validate"));
    if (!toy.own) return;
    await says("broken", {}, "FL_TASK_FAILED", /out of luck/);
    await says("nothing", {}, "FL_TASK_FAILED", /value is NaN/);
    t.true(trainer.tasks.includes("count"));
  });

  law("a model is saved into a folder that is made for it", async (t) => {
    const root = await mkdtemp(join(tmpdir(), "entente-engine-"));
    const trainer = await shared();
    await trainer.save(join(root, "a", "b"));
    t.true((await readdir(join(root, "a", "b"))).length > 0);
    await rm(root, { recursive: true });
  });
}
