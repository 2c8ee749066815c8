/** The shard of examples/mixed in TypeScript. */
import { defineShard } from "entente";

const CENTRES = [
  [0, 1],
  [-1, -1],
  [1, -1],
] as const;

export default defineShard({
  description: "made-up points around three centres",
  sampleShape: [2],
  targetShape: [3],
  async load({ params }) {
    const points = (size: number) => ({
      size,
      samples: Float32Array.from(
        { length: 2 * size },
        (_, i) => CENTRES[(i >> 1) % 3]![i % 2]! + 0.3 * Math.sin(7 * i),
      ),
      targets: Int32Array.from({ length: size }, (_, i) => i % 3),
    });
    return { train: points(Number(params.samples)), validation: points(30) };
  },
});
