import test from "ava";
import { Random } from "../../src/data/random.ts";
import { chooseBackend } from "../../src/engine/backend.ts";
import { registerWasmConv } from "../../src/engine/wasm-conv.ts";
import { registerWasmMatmul } from "../../src/engine/wasm-matmul.ts";
import type { Tf } from "../../src/workspace/define.ts";

const random = new Random(11);
const below = (n: number): number => 1 + random.below(n);
const values = (n: number): Float32Array => Float32Array.from({ length: n }, () => random.normal());

/** The same computation on both backends, from the same arrays. */
async function both(tf: Tf, compute: () => number[] | Float32Array): Promise<[number[], number[]]> {
  const out: number[][] = [];
  for (const backend of ["wasm", "cpu"]) {
    await tf.setBackend(backend);
    const before = tf.memory().numTensors;
    out.push([...tf.tidy(compute)]);
    if (tf.memory().numTensors !== before) throw new Error(`${backend} leaks`);
  }
  await tf.setBackend("wasm");
  return [out[0]!, out[1]!];
}

const near = (a: number[], b: number[]): boolean =>
  a.length === b.length && a.every((x, i) => Math.abs(x - b[i]!) <= 1e-4 * (1 + Math.abs(b[i]!)));

test.serial("wasm: products of transposed matrices agree with the cpu backend (X1, X2)", async (t) => {
  const { tf } = await chooseBackend("wasm");
  registerWasmMatmul(tf); // again: it must not wrap itself
  for (let run = 0; run < 60; run++) {
    const [m, k, n, batch] = [below(20), below(20), below(20), below(3)];
    const transposeA = random.below(2) === 1;
    const transposeB = random.below(2) === 1;
    const outer = random.below(2) === 1 ? [batch] : [];
    const count = outer.length === 0 ? 1 : batch;
    const a = values(count * m * k);
    const b = values(count * k * n);
    const bias = values(n);
    const [wasm, cpu] = await both(tf, () => {
      const left = tf.tensor(a, [...outer, ...(transposeA ? [k, m] : [m, k])]);
      const right = tf.tensor(b, [...outer, ...(transposeB ? [n, k] : [k, n])]);
      const plain = tf.matMul(left, right, transposeA, transposeB).dataSync();
      if (outer.length > 0) return [...plain]; // the stock fused kernel adds a bias to the first of a batch only
      const fused = tf.fused.matMul({
        a: left,
        b: right,
        transposeA,
        transposeB,
        bias: tf.tensor1d(bias),
        activation: "relu",
      });
      return [...plain, ...fused.dataSync()];
    });
    t.true(near(wasm, cpu), JSON.stringify({ m, k, n, outer, transposeA, transposeB }));
  }
});

test.serial("wasm: gradients through a dense layer agree with the cpu backend", async (t) => {
  const { tf } = await chooseBackend("wasm");
  const [x, w, y] = [values(32 * 20), values(20 * 7), values(32 * 7)];
  const [wasm, cpu] = await both(tf, () => {
    const loss = (kernel: import("@tensorflow/tfjs").Tensor) =>
      tf.losses.meanSquaredError(tf.tensor2d(y, [32, 7]), tf.matMul(tf.tensor2d(x, [32, 20]), kernel)).asScalar();
    return tf
      .grad(loss)(tf.tensor2d(w, [20, 7]))
      .dataSync() as Float32Array;
  });
  t.true(near(wasm, cpu));
});

test.serial("wasm: the gradient of a convolution's filter agrees with the cpu backend (Y1, Y2)", async (t) => {
  const { tf } = await chooseBackend("wasm");
  registerWasmConv(tf);
  let tried = 0;
  while (tried < 40) {
    const [n, h, w, c, k] = [below(3), below(9), below(9), below(3), below(4)];
    const [fh, fw, sh, sw] = [below(4), below(4), below(3), below(3)];
    if (fh > h || fw > w || sh > fh || sw > fw) continue; // strides that skip pixels: the stock forward kernel is wrong
    tried++;
    const pad = random.below(2) === 1 ? "same" : "valid";
    const x = values(n * h * w * c);
    const filter = values(fh * fw * c * k);
    const [wasm, cpu] = await both(tf, () => {
      const loss = (f: import("@tensorflow/tfjs").Tensor) =>
        tf
          .conv2d(tf.tensor4d(x, [n, h, w, c]), f as never, [sh, sw], pad)
          .square()
          .sum()
          .asScalar();
      return tf
        .grad(loss)(tf.tensor4d(filter, [fh, fw, c, k]))
        .dataSync() as Float32Array;
    });
    t.true(near(wasm, cpu), JSON.stringify({ n, h, w, c, k, fh, fw, sh, sw, pad }));
  }
});
