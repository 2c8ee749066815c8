/** A data owner's folder: an envoy's settings, and the shard that loads its data. */

import { imageFiles } from "./image.ts";
import { type SettingKey, settingsFile, tlsExamples } from "./settings-file.ts";

export type EnvoyFolder = {
  readonly keys: readonly SettingKey[];
  readonly name: string;
  readonly nats: string;
  readonly fed: string;
  /** of the runtime */
  readonly version: string;
};

export const envoyFolder = ({ keys, name, nats, fed, version }: EnvoyFolder): Map<string, string> =>
  new Map([
    [
      "envoy.yaml",
      settingsFile(
        [
          `The settings of the envoy ${name}:`,
          "",
          "  entente envoy --config envoy.yaml",
          "",
          "Paths start from this folder; options of the command count over what is said here. What is commented out shows",
          "its default, or an example.",
        ],
        keys,
        { name, nats, fed, shard: { use: "./shard.ts", params: { samples: 300, noise: 0.3 } } },
        { review: "auto", backend: "wasm", engine: "tfjs", python: "python3", taskLimit: "10m", ...tlsExamples },
      ),
    ],
    ["shard.ts", SHARD],
    ...imageFiles("envoy", version),
    ["README.md", readme(nats)],
  ]);

const SHARD = `/**
 * This site's data. What leaves the site is the description and the two shapes; the data is loaded in the process that trains on
 * it, and stays there. Here it is made up: points around three centres, of three classes. Replace \`load\` with what reads yours.
 */
import { defineShard } from "entente";

const CENTRES = [
  [0, 1],
  [-1, -1],
  [1, -1],
] as const;

export default defineShard({
  description: "made-up points around three centres",
  // Of one sample, and of one target: a class out of three. The whole federation has the same.
  sampleShape: [2],
  targetShape: [3],

  /** \`params\` is what envoy.yaml says under shard; \`name\` is the envoy's. */
  async load({ params, name }) {
    const samples = Number(params.samples ?? 300);
    const noise = Number(params.noise ?? 0.3);
    if (!(samples >= 10) || !(noise >= 0)) throw new Error("params: samples from 10 up, and noise from 0 up");
    const random = seeded(name);
    const make = (size: number) => {
      const points = new Float32Array(size * 2); // row-major: one sample after the other
      const classes = new Int32Array(size); // one class id per sample: one-hot encoded in batches
      for (let i = 0; i < size; i++) {
        const target = i % CENTRES.length;
        classes[i] = target;
        for (const axis of [0, 1] as const) points[i * 2 + axis] = CENTRES[target]![axis] + noise * normal(random);
      }
      return { size, samples: points, targets: classes };
    };
    const held = Math.ceil(samples / 5);
    return { train: make(samples - held), validation: make(held) };
  },
});

/** Numbers from 0 to 1 that are the same each time for the same name, so that a restarted site has the same data. */
function seeded(name: string): () => number {
  let state = [...name].reduce((hash, c) => Math.imul(hash ^ c.charCodeAt(0), 16_777_619), 2_166_136_261);
  return () => {
    state = Math.imul(state ^ (state >>> 15), state | 1);
    state ^= state + Math.imul(state ^ (state >>> 7), state | 61);
    return ((state ^ (state >>> 14)) >>> 0) / 2 ** 32;
  };
}

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
`;

const readme = (nats: string): string => `# An envoy

A data owner's place in a federation. It serves one shard of data, which never leaves this machine.

\`\`\`
entente envoy --config envoy.yaml
\`\`\`
- \`shard.ts\` loads the data: replace what is made up there. Its shapes must be those of the federation.
- With \`review: prompt\` in envoy.yaml nothing runs here before somebody approves it: at the envoy's own terminal, or with
  \`entente review --envoy NAME --nats ${nats}\`, which shows the plan and every file. A policy of your own is a module that says
  \`defineReviewer({ … })\`.
- \`Dockerfile\` makes an image of this folder, without \`data\`: mount that where \`shard.ts\` reads it.
- Experiments run in processes of their own, in a private folder that is gone afterwards.
`;
