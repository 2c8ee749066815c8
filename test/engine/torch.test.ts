/** PyTorch passes the suite of every engine, with the same model as TensorFlow.js in the same layout. */
import { fileURLToPath } from "node:url";
import test from "ava";
import { pythonWorker } from "../../src/engine/python.ts";
import { engineFor, workerEngine } from "../../src/engine/worker.ts";
import { engineContract, mlp, type Toy } from "../contract/engine.ts";
import { hasTorch, needing, python, residentBytes } from "../support/python.ts";

const dir = fileURLToPath(new URL("../../../test/python", import.meta.url));

const toy: Toy = {
  open: async (kind, options) => {
    const engine = workerEngine(pythonWorker(python));
    const definition = { dir, entry: kind === "noisy" ? "toy.py" : "still.py" };
    return engineFor(engine, definition).open(undefined as never, options);
  },
  outputs: mlp,
  optimizers: ["sgd", "momentum", "adam"],
  own: true,
  bytes: (trainer) => residentBytes((trainer as unknown as { pid: number }).pid),
};

if (hasTorch) engineContract(test, "torch", toy);
else needing(test, "torch")("torch: the contract of engines", () => {});
