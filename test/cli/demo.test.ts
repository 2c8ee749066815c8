/** The demo as a newcomer runs it, only shorter: fewer envoys, rounds and images. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { loadMnist } from "../../src/data/mnist.ts";
import { chooseBackend } from "../../src/engine/backend.ts";
import { loadModel } from "../../src/engine/saved.ts";
import { Cli, survivors } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

const small = ["--envoys", "2", "--samples", "320"];

function demo(t: ExecutionContext, dir: string, ...args: string[]): Cli {
  return new Cli(t, ["demo", ...small, "--dir", dir, ...args, "--json"]);
}

/** Hits among the 10,000 test images of a model on disk, as any program would count them. */
async function hits(folder: string): Promise<number> {
  const { tf } = await chooseBackend("wasm");
  const [model, { images, labels, size }] = await Promise.all([loadModel(folder, tf), loadMnist("test")]);
  let correct = 0;
  for (let from = 0; from < size; from += 1000) {
    const part = Float32Array.from(images.subarray(from * 784, (from + 1000) * 784), (pixel) => pixel / 255);
    const guesses = tf.tidy(() => tf.argMax(model.predict(tf.tensor2d(part, [1000, 784])) as never, 1).dataSync());
    for (let i = 0; i < 1000; i++) if (guesses[i] === labels[from + i]) correct++;
  }
  return correct;
}

test.serial(
  "rounds, then the summary as the last line; the saved model scores what it says, to the last image",
  async (t) => {
    const dir = await temporaryDir(t);
    const cli = demo(t, dir, "--rounds", "2");
    await cli.line("process", (p) => p.role === "envoy" && p.state === "ready");
    const below = await cli.descendants();
    t.is(await cli.status(), 0);
    t.deepEqual(await survivors(below, 0), []);
    t.deepEqual(
      cli.of("round").map((r) => [r.experiment, r.round, r.rounds]),
      [
        ["mnist-1", 1, 2],
        ["mnist-1", 2, 2],
      ],
    );
    t.deepEqual(new Set(cli.of("collaborator").map((c) => c.name)), new Set(["envoy-1", "envoy-2"]));
    const summary = cli.lines.at(-1)!;
    t.deepEqual(Object.keys(summary), ["type", "experiment", "status", "rounds", "accuracy", "seconds", "model"]);
    t.like(summary, { type: "summary", experiment: "mnist-1", status: "finished", rounds: 2 });
    const { accuracy, model } = summary as { accuracy: number; model: string };
    t.true(accuracy > 0.5);
    t.is(cli.of("round").at(-1)!.accuracy, accuracy);
    t.is((await hits(model)) / 10_000, accuracy);
    t.true(existsSync(join(model, "model.safetensors")));
  },
);

test.serial(
  "Ctrl-C in the middle, the same command again: it resumes, says so, and ends with the same model",
  async (t) => {
    const dir = await temporaryDir(t);
    const whole = demo(t, dir, "--rounds", "4");
    t.is(await whole.status(), 0);
    const { accuracy, model } = whole.of("summary")[0]!;

    const cut = demo(t, dir, "--rounds", "4");
    await cut.line("round", (r) => r.round === 1);
    const below = await cut.descendants();
    cut.child.kill("SIGINT");
    t.is(await cut.status(), 130);
    t.deepEqual(await survivors(below, 0), []);
    t.like(cut.lines.at(-1), { type: "summary", experiment: "mnist-2", status: "interrupted", model: null });

    const rest = demo(t, dir);
    t.is(await rest.status(), 0);
    t.regex(
      rest
        .of("notice")
        .map((n) => n.text)
        .join("\n"),
      /^resuming mnist-2 at round [234] of 4$/m,
    );
    t.is(rest.of("round").at(-1)!.round, 4);
    t.true(rest.of("round")[0]!.round > 1, "what was shown is not shown again");
    const summary = rest.of("summary")[0]!;
    t.like(summary, { experiment: "mnist-2", status: "finished", rounds: 4, accuracy });
    t.deepEqual(
      await readFile(join(summary.model!, "weights.bin")),
      await readFile(join(model!, "weights.bin")),
      "as if nothing had happened",
    );
  },
);

test.serial("for people: what it does, a line a round, the result and where the model is", async (t) => {
  const dir = await temporaryDir(t);
  const cli = new Cli(t, ["demo", ...small, "--rounds", "2", "--dir", dir]);
  t.is(await cli.status(), 0);
  const said = cli.text.join("\n");
  t.regex(said, /MNIST +30,000 images each, 320 of them a round/);
  t.regex(said, /^round 1\/2 {2}accuracy +\d+\.\d\d % {2}loss \d\.\d{4} {2}\d+\.\d s$/m);
  t.regex(said, /^\d\d\.\d\d % of the 10,000 test images after 2 rounds, in \d+\.\d s\.$/m);
  t.true(said.includes(join(dir, "models", "mnist-1")));
  t.false(said.includes("\u001b"), "no control sequences outside a terminal");
});
