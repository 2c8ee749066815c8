/** The example of a worker in another language passes the suite of every engine. */
import { fileURLToPath } from "node:url";
import test from "ava";
import { engineFor, workerEngine } from "../../src/engine/worker.ts";
import { engineContract, type Toy } from "../contract/engine.ts";
import { needing, python, residentBytes } from "../support/python.ts";

const example = fileURLToPath(new URL("../../../examples/logistic-regression/worker.py", import.meta.url));
const definition = { dir: ".", entry: "worker.py" };

const toy: Toy = {
  open: async (_, options) => {
    const engine = workerEngine({ command: [python ?? "python3", example] });
    return engineFor(engine, definition).open(undefined as never, options);
  },
  outputs: (values, sample) =>
    [0, 1].map((j) => [0, 1, 2, 3].reduce((sum, i) => sum + sample[i]! * values[2 * i + j]!, values[8 + j]!)),
  optimizers: ["sgd"],
  own: false,
  bytes: (trainer) => residentBytes((trainer as unknown as { pid: number }).pid),
};

if (python === undefined) needing(test, "python")("numpy worker: the contract of engines", () => {});
else engineContract(test, "numpy worker", toy);

needing(test, "python")("numpy worker: what corrects gradients is refused, never left out (WE3)", async (t) => {
  const opening = { seed: 1, sampleShape: [4], targetShape: [2] };
  const method = { name: "scaffold", strength: 1, samples: 0 } as const;
  const why = { code: "FL_PLAN_INVALID", message: /corrects gradients/ } as const;
  await t.throwsAsync(async () => toy.open(undefined as never, { ...opening, method }), why);
  const trainer = await toy.open(undefined as never, opening);
  const split = { size: 1, samples: new Float32Array(4), targets: Uint8Array.of(1) };
  const context = {
    data: { train: split, validation: split },
    round: 1,
    seed: 1,
    collaborator: "a",
    progress: () => {},
  };
  const run = trainer.run("train", { ...context, arguments: { proximal: 0.1 }, signal: new AbortController().signal });
  await t.throwsAsync(run, why);
  trainer.dispose();
});
