/**
 * Which TensorFlow.js backend this process computes on, chosen when it runs.
 *
 * K1 Tried in the order node-gpu, node, wasm, cpu; the first that computes a small product is taken. Naming one tries that
 *    one only.
 *    Where the device is to be the CPU, what computes on a GPU is passed over, and refused by name.
 * K2 A process has one backend: tensors of two cannot be mixed. Asking for another one is refused.
 * K3 wasm computes on one thread, so its results are the same bit for bit from run to run.
 * K4 Nothing is printed and no process-wide listener stays behind.
 */
import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import { FlError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import type { Tf } from "../workspace/define.ts";
import { registerWasmConv } from "./wasm-conv.ts";
import { registerWasmMatmul } from "./wasm-matmul.ts";

export const backendNames = ["node-gpu", "node", "wasm", "cpu"] as const;
export type BackendName = (typeof backendNames)[number];

/** `gpu-preferred`: a GPU where there is one that works, else the CPU */
export const devicePolicies = ["gpu-preferred", "cpu"] as const;
export type DevicePolicy = (typeof devicePolicies)[number];
export type Device = "cpu" | "gpu";
export const deviceOf = (backend: string): Device => (backend === "node-gpu" ? "gpu" : "cpu");

export type Considered = { readonly backend: BackendName; readonly available: boolean; readonly why: string };
export type Chosen = { readonly tf: Tf; readonly backend: BackendName; readonly considered: readonly Considered[] };

/** Loads a package by name; a parameter only so that absent and broken packages can be tried. */
export type Importer = (specifier: string) => Promise<unknown>;
/** Required, not imported: to give an import its names, Node reads through all of TensorFlow.js first, half a second of it. */
const require = createRequire(import.meta.url);
const importer: Importer = async (specifier) => require(specifier);

let chosen: Promise<Chosen> | undefined;

/** @throws FL_ENGINE_UNAVAILABLE saying what is missing */
export async function chooseBackend(forced?: string, device: DevicePolicy = "gpu-preferred"): Promise<Chosen> {
  if (chosen !== undefined) {
    const made = await chosen;
    const fits = device !== "cpu" || deviceOf(made.backend) === "cpu";
    if (fits && (forced === undefined || forced === made.backend)) return made;
    const reason = `this process already computes on ${made.backend}`; // K2
    throw new FlError("FL_ENGINE_UNAVAILABLE", { backend: forced, reason });
  }
  chosen = tryBackends(forced, importer, device);
  chosen.catch(() => {
    chosen = undefined;
  });
  return chosen;
}

/** `chooseBackend` without its memory. */
export async function tryBackends(
  forced: string | undefined,
  load: Importer,
  device: DevicePolicy = "gpu-preferred",
): Promise<Chosen> {
  if (forced !== undefined && !isBackend(forced)) {
    const near = nearest(forced, backendNames);
    const hint = near === undefined ? `the backends are ${backendNames.join(", ")}` : `did you mean ${near}?`;
    const reason = `there is no backend ${forced}; ${hint}`;
    throw new FlError("FL_ENGINE_UNAVAILABLE", { backend: forced, reason, known: [...backendNames] });
  }
  const considered: Considered[] = [];
  for (const backend of forced === undefined ? backendNames : [forced]) {
    if (device === "cpu" && deviceOf(backend) === "gpu") {
      considered.push({ backend, available: false, why: "the device is to be the CPU" });
      continue;
    }
    try {
      const tf = await start(backend, load);
      considered.push({ backend, available: true, why: "works" });
      return { tf, backend, considered };
    } catch (e) {
      considered.push({ backend, available: false, why: e instanceof Error ? e.message.split("\n")[0]! : String(e) });
    }
  }
  const reason = considered.map((c) => `${c.backend}: ${c.why}`).join("; ");
  throw new FlError("FL_ENGINE_UNAVAILABLE", { backend: forced, reason, considered });
}

const isBackend = (name: string): name is BackendName => (backendNames as readonly string[]).includes(name);

async function start(backend: BackendName, load: Importer): Promise<Tf> {
  // The union package, not tfjs-core and tfjs-layers alone: those load about 100 ms sooner, but a workspace that imports
  // @tensorflow/tfjs itself must get the very module it is given.
  const native = backend === "node" || backend === "node-gpu";
  if (native) process.env.TF_CPP_MIN_LOG_LEVEL ??= "2"; // K4: libtensorflow reads it as it loads
  const tf = native ? await loadNative(backend, load) : ((await load("@tensorflow/tfjs")) as Tf);
  tf.enableProdMode(); // K4: no advice to install another backend
  if (backend === "wasm") await prepareWasm(load);
  await quietly(async () => {
    const ready = await tf.setBackend(native ? "tensorflow" : backend);
    if (!ready) throw new Error("the backend does not start");
  });
  if (backend === "node-gpu" && !(tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice) {
    throw new Error("the package is installed, but it sees no GPU");
  }
  if (backend === "wasm") {
    registerWasmMatmul(tf);
    registerWasmConv(tf);
  }
  const product = tf.tidy(() => tf.matMul(tf.tensor2d([1, 2], [1, 2]), tf.tensor2d([3, 4], [2, 1])).dataSync()[0]);
  if (product !== 11) throw new Error("the backend computes wrongly");
  return tf;
}

async function loadNative(backend: "node" | "node-gpu", load: Importer): Promise<Tf> {
  const name = `@tensorflow/tfjs-${backend}`;
  try {
    const loaded = (await load(name)) as Tf | { default: Tf };
    return "setBackend" in loaded ? loaded : loaded.default;
  } catch (e) {
    const { code, message } = e as NodeJS.ErrnoException;
    const absent = (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") && message.includes(name);
    throw new Error(absent ? `the package ${name} is not installed` : `${name} does not load: ${message}`, {
      cause: e,
    });
  }
}

async function prepareWasm(load: Importer): Promise<void> {
  const wasm = (await load("@tensorflow/tfjs-backend-wasm")) as typeof import("@tensorflow/tfjs-backend-wasm");
  const entry = require.resolve("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(dirname(entry) + sep);
  wasm.setThreadsCount(1); // K3
}

/** K4: the wasm loader installs listeners that rethrow whatever reaches them; they would pre-empt the process's own. */
async function quietly(fn: () => Promise<void>): Promise<void> {
  const events = ["uncaughtException", "unhandledRejection"];
  const before = events.map((event) => process.rawListeners(event));
  try {
    await fn();
  } finally {
    events.forEach((event, i) => {
      for (const listener of process.rawListeners(event)) {
        if (!before[i]!.includes(listener)) process.removeListener(event, listener as () => void);
      }
    });
  }
}
