import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Tensor } from "@tensorflow/tfjs";
import test from "ava";
import { Random } from "../../src/data/random.ts";
import type { Split } from "../../src/data/shard.ts";
import type { RunContext } from "../../src/engine/engine.ts";
import { loadModel } from "../../src/engine/saved.ts";
import { tfjsEngine } from "../../src/engine/tfjs.ts";
import { defineExperiment, type ExperimentInput, type Metrics, type Task } from "../../src/workspace/define.ts";

const shapes = { sampleShape: [6], targetShape: [3] };
const model: ExperimentInput["model"] = ({ tf, seed, sampleShape }) =>
  tf.sequential({
    layers: [
      tf.layers.dense({
        inputShape: [...sampleShape],
        units: 5,
        kernelInitializer: tf.initializers.heNormal({ seed }),
      }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 3 }),
    ],
  });

function split(size: number, inputs = 6): Split {
  const random = new Random(3);
  const samples = Float32Array.from({ length: size * inputs }, () => random.normal());
  return { size, samples, targets: Int32Array.from({ length: size }, () => random.below(3)) };
}

const values = (list: ArrayLike<number>): Metrics => Object.fromEntries(Array.from(list, (v, i) => [`p${i}`, v]));

const context = (data: Split, args: Record<string, unknown> = {}): RunContext => ({
  arguments: args,
  data: { train: data, validation: data },
  round: 1,
  seed: 5,
  collaborator: "anna",
  signal: new AbortController().signal,
  progress: () => {},
});

test.serial("tfjs: names in a layout say index and kind, trained or not (F1, F2)", async (t) => {
  const engine = await tfjsEngine();
  const trainer = await engine.open(defineExperiment({ model }), { seed: 1, ...shapes });
  t.deepEqual(
    trainer.layout.tensors.map((x) => x.name),
    ["0.kernel", "1.bias", "2.gamma", "3.beta", "4.kernel", "5.bias", "6.moving_mean", "7.moving_variance"],
  );
  trainer.dispose();
});

test.serial("tfjs: a saved model predicts what it predicted", async (t) => {
  const { tf, ...engine } = await tfjsEngine();
  const predict: Task = ({ model }) => values(tf.tidy(() => (model.predict(tf.ones([1, 6])) as Tensor).dataSync()));
  const trainer = await engine.open(defineExperiment({ model, tasks: { predict } }), { seed: 1, ...shapes });
  await trainer.run("train", context(split(64)));
  const dir = await mkdtemp(join(tmpdir(), "entente-saved-"));
  await trainer.save(dir);
  const loaded = await loadModel(dir, tf);
  const predicted = tf.tidy(() => (loaded.predict(tf.ones([1, 6])) as Tensor).dataSync());
  t.deepEqual(values(predicted), await trainer.run("predict", context(split(1))));
  loaded.dispose();
  await writeFile(join(dir, "model.json"), "{");
  await t.throwsAsync(loadModel(dir, tf), { code: "FL_WORKSPACE_INVALID" });
  await rm(dir, { recursive: true });
  await t.throwsAsync(loadModel(dir, tf), { code: "FL_NOT_FOUND" });
  trainer.dispose();
});

test.serial("tfjs: a model that does not fit is refused, and leaves no tensors", async (t) => {
  const engine = await tfjsEngine();
  const wrong: [ExperimentInput["model"], RegExp][] = [
    [({ tf }) => tf.sequential({ layers: [tf.layers.dense({ units: 3 })] }), /inputShape/],
    [({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [7], units: 3 })] }), /input has shape \[7\]/],
    [({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [6], units: 2 })] }), /output has shape \[2\]/],
    [
      ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [6], units: 3, activation: "softmax" })] }),
      /logits/,
    ],
    [
      ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [6], units: 3, trainable: false })] }),
      /nothing to train/,
    ],
    [
      () => {
        throw new Error("no such layer");
      },
      /no such layer/,
    ],
    [() => ({}) as never, /LayersModel/],
    [(async () => ({})) as never, /LayersModel/],
  ];
  const before = engine.tf.memory().numTensors;
  for (const [make, says] of wrong) {
    const opening = engine.open(defineExperiment({ model: make }), { seed: 1, ...shapes });
    t.regex((await t.throwsAsync(opening, { code: "FL_WORKSPACE_INVALID" })).message, says);
  }
  t.is(engine.tf.memory().numTensors, before);
});

test.serial("tfjs: a weight that is not float32 is refused", async (t) => {
  const engine = await tfjsEngine();
  class Counting extends engine.tf.layers.Layer {
    override build(): void {
      this.addWeight("count", [1], "int32", engine.tf.initializers.zeros());
      this.built = true;
    }
    override call(inputs: never): never {
      return inputs;
    }
    static readonly className = "Counting";
  }
  const counting: ExperimentInput["model"] = ({ tf }) =>
    tf.sequential({ layers: [tf.layers.dense({ inputShape: [6], units: 3 }), new Counting({})] });
  const opening = engine.open(defineExperiment({ model: counting }), { seed: 1, ...shapes });
  t.regex((await t.throwsAsync(opening, { code: "FL_WORKSPACE_INVALID" })).message, /int32/);
});

test.serial("tfjs: a loss of one's own, metrics of one's own and mean squared error", async (t) => {
  const engine = await tfjsEngine();
  const linear: ExperimentInput["model"] = ({ tf }) =>
    tf.sequential({ layers: [tf.layers.dense({ inputShape: [2], units: 1 })] });
  const data: Split = {
    size: 40,
    samples: Float32Array.from({ length: 80 }, (_, i) => Math.sin(i)),
    targets: Float32Array.from({ length: 40 }, (_, i) => Math.sin(2 * i) - Math.sin(2 * i + 1)),
  };
  for (const loss of [
    "meanSquaredError",
    (tf, outputs, targets) => tf.abs(tf.sub(outputs, targets)),
  ] as const satisfies readonly ExperimentInput["loss"][]) {
    const definition = defineExperiment({
      model: linear,
      loss,
      metrics: { bias: (tf, outputs, targets) => tf.mean(tf.sub(outputs, targets)) },
    });
    const trainer = await engine.open(definition, { seed: 1, sampleShape: [2], targetShape: [1] });
    await trainer.run("train", context(data, { epochs: 30 }));
    const whole = await trainer.run("validate", context(data));
    t.deepEqual(Object.keys(whole).sort(), ["bias", "loss", "samples"]);
    t.true(whole.loss! < 0.1, String(whole.loss));
    const parts = await trainer.run("validate", context(data, { batchSize: 7 }));
    t.true(Math.abs(parts.loss! - whole.loss!) < 1e-6); // V1
    trainer.dispose();
  }
});

test.serial("tfjs: a convolutional network learns on wasm", async (t) => {
  const engine = await tfjsEngine({ backend: "wasm" });
  const convolutional: ExperimentInput["model"] = ({ tf, seed, sampleShape }) =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({
          inputShape: [...sampleShape],
          filters: 4,
          kernelSize: 3,
          activation: "relu",
          kernelInitializer: tf.initializers.heNormal({ seed }),
        }),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 2 }),
      ],
    });
  const random = new Random(9);
  const samples = new Float32Array(120 * 64);
  const targets = new Uint8Array(120);
  for (let i = 0; i < 120; i++) {
    targets[i] = i % 2; // upright or lying bars
    const at = 1 + random.below(6);
    for (let k = 0; k < 8; k++) samples[i * 64 + (targets[i] ? at * 8 + k : k * 8 + at)] = 1;
  }
  const data: Split = { size: 120, samples, targets };
  const trainer = await engine.open(defineExperiment({ model: convolutional }), {
    seed: 1,
    sampleShape: [8, 8, 1],
    targetShape: [2],
  });
  const opened = trainer.memory().tensors;
  await trainer.run("train", context(data, { epochs: 10, batchSize: 16 }));
  t.true((await trainer.run("validate", context(data))).accuracy! > 0.95);
  t.is(trainer.memory().tensors, opened);
  trainer.dispose();
});

test.serial("tfjs: an engine prints nothing, and weights are the same in another process (E2)", async (t) => {
  const script = `
    const { tfjsEngine } = await import(process.argv[1] + "tfjs.js");
    const { defineExperiment } = await import(process.argv[1] + "../workspace/define.js");
    const engine = await tfjsEngine({ backend: "wasm" });
    const model = ({ tf }) => tf.sequential({ layers: [
      tf.layers.dense({ inputShape: [6], units: 50, activation: "relu" }), tf.layers.dense({ units: 3 }) ] });
    const trainer = await engine.open(defineExperiment({ model }), { seed: 1, sampleShape: [6], targetShape: [3] });
    const data = { size: 90, samples: Float32Array.from({ length: 540 }, (_, i) => Math.sin(i)),
      targets: Uint8Array.from({ length: 90 }, (_, i) => i % 3) };
    await trainer.run("train", { arguments: {}, data: { train: data, validation: data }, round: 1, seed: 2,
      collaborator: "anna", signal: new AbortController().signal, progress() {} });
    const out = new Float32Array(trainer.layout.length);
    trainer.read(out);
    const { createHash } = await import("node:crypto");
    console.log(createHash("sha256").update(out).digest("hex"));
  `;
  const folder = new URL("../../src/engine/", import.meta.url).href;
  const run = () => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, folder]);
  const [one, two] = await Promise.all([run(), run()]);
  t.regex(one.stdout, /^[0-9a-f]{64}\n$/);
  t.is(one.stderr, "");
  t.is(two.stdout, one.stdout);
});

test("a tensor has a path too: its layer's own name or its class, and no count of layers made before (F3)", async (t) => {
  const engine = await tfjsEngine();
  const named = defineExperiment({
    model: ({ tf, sampleShape }) =>
      tf.sequential({
        layers: [
          tf.layers.dense({ inputShape: [...sampleShape], units: 5 }),
          tf.layers.batchNormalization({ name: "bn1" }),
          tf.layers.dense({ units: 3 }),
        ],
      }),
  });
  for (let opening = 0; opening < 2; opening++) {
    const trainer = await engine.open(named, { seed: 1, ...shapes });
    t.deepEqual(
      [...trainer.paths!],
      [
        ...["dense/kernel", "dense/bias", "bn1/gamma", "bn1/beta", "dense/kernel", "dense/bias"],
        ...["bn1/moving_mean", "bn1/moving_variance"],
      ],
    );
    trainer.dispose();
  }
});

test("a memory lies behind the model in the layout, goes on from run to run, and leaves no tensors behind (O1, E5)", async (t) => {
  const engine = await tfjsEngine();
  const data = split(20);
  const definition = defineExperiment({ model });
  const bare = await engine.open(definition, { seed: 1, ...shapes });
  const trainer = await engine.open(definition, { seed: 1, ...shapes, remembers: "adam" });
  t.is(trainer.layout.length, 3 * bare.layout.length + 1);
  const read = (from = trainer): Float32Array => {
    const out = new Float32Array(from.layout.length);
    from.read(out);
    return out;
  };
  const memory = (): Float32Array => read().subarray(bare.layout.length);
  t.true(memory().every((x) => x === 0));
  const before = trainer.memory();
  const args = { optimizer: "adam", epochs: 2, batchSize: 10, learningRate: 0.01 };
  await trainer.run("train", context(data, args));
  await bare.run("train", context(data, args));
  t.deepEqual(trainer.memory(), before);
  t.is(memory()[0], 4, "steps");
  t.deepEqual(read().slice(0, bare.layout.length), read(bare), "nothing remembered is the same as new");
  const kept = read();
  const broken = { train: { ...data, samples: new Float32Array(120).fill(Number.NaN) }, validation: data };
  await t.throwsAsync(trainer.run("train", { ...context(data, args), data: broken }), { code: "FL_UPDATE_RANGE" });
  t.deepEqual(memory(), kept.slice(bare.layout.length), "a run that fails leaves it as it was");
  t.deepEqual(trainer.memory(), before);
  trainer.write(kept.map((x, i) => (i >= bare.layout.length ? -Math.abs(x) : x)));
  await trainer.run("train", context(data, args));
  t.true(read().every(Number.isFinite), "an average below nothing does no harm (O2)");
  trainer.dispose();
  bare.dispose();
});

test.serial(
  "proximal holds on to the model that entered the round, also in a second run of it, and leaves no tensors behind",
  async (t) => {
    const engine = await tfjsEngine();
    const definition = defineExperiment({
      model: ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [1], units: 1, useBias: false })] }),
      loss: "meanSquaredError",
    });
    const data: Split = { size: 1, samples: Float32Array.of(1), targets: Float32Array.of(4) };
    const trainer = await engine.open(definition, { seed: 1, sampleShape: [1], targetShape: [1] });
    const before = trainer.memory();
    const args = { learningRate: 0.1, proximal: 3, epochs: 1 };
    const run = async (global?: Float32Array): Promise<number> => {
      await trainer.run("train", { ...context(data, args), ...(global === undefined ? {} : { global }) });
      const out = new Float32Array(1);
      trainer.read(out);
      return out[0]!;
    };
    const close = (got: number, want: number): void => {
      t.true(Math.abs(got - want) < 1e-5, `${got} is not ${want}`);
    };
    trainer.write(Float32Array.of(1));
    // ∇F = 2 (v − 4)
    close(await run(), 1 - 0.1 * (-6 + 3 * 0));
    close(await run(Float32Array.of(1)), 1.6 - 0.1 * (2 * (1.6 - 4) + 3 * 0.6));
    t.deepEqual(trainer.memory(), before);
    trainer.dispose();
  },
);
