import test from "ava";
import { chooseBackend, type Importer, tryBackends } from "../../src/engine/backend.ts";
import type { FlError } from "../../src/errors.ts";

const real: Importer = (specifier) => import(specifier);
/** As if only the packages that `has` names were installed. */
const only =
  (...has: string[]): Importer =>
  async (specifier) => {
    if (has.includes(specifier)) return real(specifier);
    throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: "ERR_MODULE_NOT_FOUND" });
  };

test.serial("backend: without native packages wasm is taken, and it is said why (K1)", async (t) => {
  const { tf, backend, considered } = await tryBackends(
    undefined,
    only("@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"),
  );
  t.is(backend, "wasm");
  t.is(tf.getBackend(), "wasm");
  t.deepEqual(
    considered.map((c) => [c.backend, c.available]),
    [
      ["node-gpu", false],
      ["node", false],
      ["wasm", true],
    ],
  );
  t.regex(considered[1]!.why, /@tensorflow\/tfjs-node is not installed/);
});

test.serial(
  "backend: a native package that computes is preferred, one that does not load is passed over (K1)",
  async (t) => {
    const tf = (await import("@tensorflow/tfjs")) as typeof import("@tensorflow/tfjs");
    const native: Importer = async (specifier) => {
      if (specifier === "@tensorflow/tfjs-node-gpu")
        throw new Error("libcudart.so.11.0: cannot open shared object file");
      if (specifier === "@tensorflow/tfjs-node") return { ...tf, setBackend: async () => true };
      return real(specifier);
    };
    const { backend, considered } = await tryBackends(undefined, native);
    t.is(backend, "node");
    t.regex(considered[0]!.why, /libcudart/);
  },
);

test.serial("backend: a GPU package that sees no GPU is passed over", async (t) => {
  const tf = (await import("@tensorflow/tfjs")) as typeof import("@tensorflow/tfjs");
  const blind: Importer = async (specifier) =>
    specifier === "@tensorflow/tfjs-node-gpu" ? { ...tf, setBackend: async () => true } : real(specifier);
  const e = await t.throwsAsync<FlError>(tryBackends("node-gpu", blind), { code: "FL_ENGINE_UNAVAILABLE" });
  t.regex(e.message, /sees no GPU/);
});

test.serial("backend: one that is forced and missing says what to install", async (t) => {
  const e = await t.throwsAsync<FlError>(tryBackends("node", only()), { code: "FL_ENGINE_UNAVAILABLE" });
  t.regex(e.message, /@tensorflow\/tfjs-node is not installed/);
  const unknown = await t.throwsAsync<FlError>(tryBackends("wsm", real), { code: "FL_ENGINE_UNAVAILABLE" });
  t.regex(unknown.message, /wasm/);
});

test.serial("backend: a process has one (K2), and leaves its process-wide listeners alone (K4)", async (t) => {
  const listeners = () => [process.listenerCount("uncaughtException"), process.listenerCount("unhandledRejection")];
  const before = listeners();
  const first = await chooseBackend("wasm");
  t.is(await chooseBackend(), first);
  t.deepEqual(listeners(), before);
  await t.throwsAsync(chooseBackend("cpu"), { code: "FL_ENGINE_UNAVAILABLE" });
});
