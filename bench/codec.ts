/**
 * Suite `codec`: what each chain of codecs makes of an update, and how fast, beside a memory copy of the same update.
 *
 * The update is a normal difference from a model of one tensor, through the pipeline as a collaborator and the Workbench run it:
 * blocks, headers, and the base taken off and added again. Times are the processor's, of the fastest of RUNS, so that
 * other load counts little.
 */

import { Pipeline } from "../src/codec/pipeline.ts";
import { type Chosen, codecOf } from "../src/codec/registry.ts";
import { Random } from "../src/data/random.ts";
import { layoutOf } from "../src/tensor/layout.ts";
import type { Report, Suite } from "./harness.ts";

const RUNS = 9;
const chains: readonly (readonly { use: string; [option: string]: unknown }[])[] = [
  [{ use: "f16" }],
  [{ use: "bf16" }],
  [{ use: "int8" }],
  [{ use: "int8", rounding: "stochastic" }],
  [{ use: "kmeans" }],
  [{ use: "eden", bits: 1 }],
  [{ use: "eden", bits: 4 }],
  [{ use: "eden", bits: 8 }],
  [{ use: "topk" }],
  [{ use: "topk" }, { use: "int8" }],
  [{ use: "randomk" }],
  [{ use: "stc" }],
];

export const codec: Suite = {
  name: "codec",
  doc: "size and time of an update through each chain of codecs, beside a memory copy",
  async run(report, flags) {
    const only = flags.find((f) => f.startsWith("--parameters="))?.slice(13);
    const length = only === undefined ? 4_000_000 : Number(only);
    const layout = layoutOf([{ name: "w", dtype: "f32", shape: [length] }]);
    const random = new Random(1);
    const base = Float32Array.from({ length }, () => random.normal());
    const values = base.map((x) => x + 0.01 * random.normal());
    const out = new Float32Array(length);
    const megabytes = layout.bytes / 1e6;
    const copy = await fastest(() => out.set(values));
    report("copy", "speed", megabytes / copy, "MB/s");
    for (const entries of chains) await one(entries, { layout, base, values, out, megabytes }, report);
  },
};

type Given = {
  readonly layout: ReturnType<typeof layoutOf>;
  readonly base: Float32Array;
  readonly values: Float32Array;
  readonly out: Float32Array;
  readonly megabytes: number;
};

async function one(entries: readonly Chosen[], given: Given, report: Report): Promise<void> {
  const { layout, base, values, out, megabytes } = given;
  const chosen = entries.map(({ use, ...options }) => ({
    use,
    ...(codecOf(use).options.parse(options) as Record<string, unknown>),
  }));
  const name = entries.map(({ use, bits, rounding }) => [use, bits, rounding].filter(Boolean).join(" ")).join(" + ");
  const pipeline = new Pipeline(chosen, 100, layout);
  const left = pipeline.feedback ? new Float32Array(layout.length) : undefined;
  let packed = new Uint8Array(0);
  const encode = await fastest(async () => {
    packed = new Uint8Array(await pipeline.encode({ values, base, left, seed: 1 }));
  });
  const decode = await fastest(() => pipeline.decode(packed, base, out, 1));
  report(name, "size", (100 * packed.length) / layout.bytes, "%");
  report(name, "encode", megabytes / encode, "MB/s");
  report(name, "decode", megabytes / decode, "MB/s");
}

/** Seconds of processor time, after one run that does not count. */
async function fastest(work: () => unknown): Promise<number> {
  const taken: number[] = [];
  for (let i = 0; i <= RUNS; i++) {
    const from = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(from);
    if (i > 0) taken.push((user + system) / 1e6);
  }
  return Math.min(...taken);
}
