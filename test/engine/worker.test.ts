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
