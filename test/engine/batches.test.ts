import test from "ava";
import fc from "fast-check";
import type { Split } from "../../src/data/shard.ts";
import { chooseBackend } from "../../src/engine/backend.ts";
import { batches, windowOf } from "../../src/engine/batches.ts";

const shapes = { sampleShape: [2], targetShape: [3] };
const split: Split = {
  size: 5,
  samples: Uint8Array.of(0, 10, 20, 30, 40, 50, 60, 70, 80, 90),
  targets: Uint8Array.of(0, 1, 2, 1, 0),
  scale: 0.1,
};

test("batches: bytes are scaled, classes one-hot encoded, the last batch is smaller, and none outlives its turn (B2)", async (t) => {
  const { tf } = await chooseBackend("wasm");
  const before = tf.memory().numTensors;
  const seen: { size: number; samples: number[]; targets: number[] }[] = [];
  for (const batch of batches(tf, split, shapes, { batchSize: 2, order: [4, 0, 2] })) {
    t.is(tf.memory().numTensors, before + 2);
    t.deepEqual(
      [batch.samples.shape, batch.targets.shape],
      [
        [batch.size, 2],
        [batch.size, 3],
      ],
    );
    t.deepEqual([...batch.targets.dataSync()], [...batch.targetValues]);
    const samples = [...batch.samples.dataSync()].map(Math.round);
    seen.push({ size: batch.size, samples, targets: [...batch.targetValues] });
  }
  t.deepEqual(seen, [
    { size: 2, samples: [8, 9, 0, 1], targets: [1, 0, 0, 1, 0, 0] },
    { size: 1, samples: [4, 5], targets: [0, 0, 1] },
  ]);
  for (const _ of batches(tf, split, shapes)) break;
  t.throws(() => {
    for (const _ of batches(tf, split, shapes)) throw new Error("on the way");
  });
  t.is(tf.memory().numTensors, before);
});

test("windows: successive rounds cover each pass once, whatever their width (B3)", (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 80 }), fc.nat(), (size, samples, seed) => {
      const width = Math.min(samples, size);
      const taken: number[] = [];
      for (let round = 0; taken.length < 3 * size; round++) {
        const window = windowOf(size, samples, round, seed, "anna");
        t.is(window.length, width);
        taken.push(...window);
      }
      for (let pass = 0; pass < 3; pass++) {
        t.is(new Set(taken.slice(pass * size, (pass + 1) * size)).size, size);
      }
    }),
    { numRuns: 100 },
  );
});
