/**
 * A shard of one's own, for a site that keeps its digits as two IDX files. What leaves the site is the description and the
 * two shapes. (For the demo's own split of MNIST, use the built-in shard `mnist`.)
 *
 *   params: { "folder": "/data/digits", "held": 0.1 }
 */
import { join } from "node:path";
import { defineShard, readIdx } from "entente";

export default defineShard({
  description: "handwritten digits, 28 × 28 grey levels, ten classes",
  sampleShape: [784],
  targetShape: [10],
  async load({ params }) {
    const { folder, held = 0.1 } = params;
    if (typeof folder !== "string" || typeof held !== "number") throw new Error("params: folder and held are needed");
    const images = await readIdx(join(folder, "train-images-idx3-ubyte"));
    const labels = await readIdx(join(folder, "train-labels-idx1-ubyte"));
    const size = labels.values.length;
    const kept = Math.round(size * (1 - held));
    const part = (from: number, to: number) => ({
      size: to - from,
      samples: images.values.subarray(from * 784, to * 784), // bytes stay bytes …
      scale: 1 / 255, // … until a batch is made of them
      targets: labels.values.subarray(from, to), // one class id per sample: one-hot encoded in batches
    });
    return { train: part(0, kept), validation: part(kept, size) };
  },
});
