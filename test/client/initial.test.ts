/** The weights that an experiment begins with, in each form, and as arrays by name. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { type InitialModel, initialModel } from "../../src/client/initial.ts";
import { tensorflow } from "../../src/engine/tensorflow.ts";
import { FlError } from "../../src/errors.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { fromNamed, type NamedTensors, namedTensors } from "../../src/tensor/named.ts";
import { parseSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";
import { temporaryDir } from "../support/server.ts";

const layout = layoutOf([
  { name: "1.b", dtype: "f32", shape: [2] },
  { name: "0.a", dtype: "f32", shape: [2, 2] },
]);
const values = Float32Array.of(1, 2, 3, 4, 5, 6);
const named: NamedTensors = {
  "1.b": { shape: [2], values: Float32Array.of(1, 2) },
  "0.a": { shape: [2, 2], values: Float32Array.of(3, 4, 5, 6) },
};

test("arrays by name are the model's own tensors, in its order, both ways (NT1)", (t) => {
  const tensors = namedTensors(layout, values);
  t.deepEqual(tensors, named);
  t.is(tensors["0.a"]!.values.buffer, values.buffer, "views, not copies");
  const back = fromNamed(tensors);
  t.is(back.layout.digest, layout.digest);
  t.deepEqual(back.values, values);
});

test("a file, its bytes, fetched weights and arrays by name are the same safetensors file", async (t) => {
  const bytes = writeSafetensors(layout, values);
  const file = join(await temporaryDir(t), "m.safetensors");
  await writeFile(file, bytes);
  const all = await Promise.all([file, bytes, { layout, values }, named].map((m) => initialModel(m)));
  for (const model of all) t.deepEqual(Buffer.from(model), Buffer.from(bytes));
});

test("a TensorFlow.js model gives its weights under the names that a federation has for them", async (t) => {
  const tf = await tensorflow("cpu");
  const model = tf.sequential({
    layers: [tf.layers.dense({ inputShape: [2], units: 1, weights: undefined as never })],
  });
  model.setWeights([tf.tensor2d([7, 8], [2, 1]), tf.tensor1d([9])]);
  const { layout: found, values: weights } = parseSafetensors(await initialModel(model));
  t.deepEqual(
    found.tensors.map(({ name, shape }) => [name, shape]),
    [
      ["0.kernel", [2, 1]],
      ["1.bias", [1]],
    ],
  );
  t.deepEqual([...weights], [7, 8, 9]);
});

test("what is no model is refused by code", async (t) => {
  const b = { shape: [2], values: Float32Array.of(1) };
  for (const [wrong, code] of [
    ["./no/such.safetensors", "FL_NOT_FOUND"],
    [Buffer.from("nonsense, of some length"), "FL_FRAME_MALFORMED"],
    [{ b }, "FL_LAYOUT_MISMATCH"],
    [{ b: { ...b, values: [1, 2] } }, "FL_LAYOUT_MISMATCH"],
    [{}, "FL_LAYOUT_MISMATCH"],
  ] as const) {
    const e = await t.throwsAsync(initialModel(wrong as InitialModel), { instanceOf: FlError });
    t.is(e?.code, code);
  }
});
