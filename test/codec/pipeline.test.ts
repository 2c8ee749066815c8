import test from "ava";
import fc from "fast-check";
import { Feedback } from "../../src/codec/feedback.ts";
import { BLOCK, Pipeline, pipelineOf, seedOf } from "../../src/codec/pipeline.ts";
import { codecOf, codecs } from "../../src/codec/registry.ts";
import { Random } from "../../src/data/random.ts";
import { type Layout, layoutOf } from "../../src/tensor/layout.ts";
import { errorOf, normSquared } from "./support.ts";

const chosen = (...names: (string | ({ use: string } & Record<string, unknown>))[]) =>
  names.map((entry) => {
    const { use, ...options } = typeof entry === "string" ? { use: entry } : entry;
    return { use, ...(codecOf(use).options.parse(options) as Record<string, unknown>) };
  });
const layoutOfLengths = (...lengths: number[]): Layout =>
  layoutOf(lengths.map((n, i) => ({ name: `t${i}`, dtype: "f32", shape: [n] })));
const normal = (n: number, seed = 1, by = 1): Float32Array => {
  const random = new Random(seed);
  return Float32Array.from({ length: n }, () => random.normal() * by);
};

test("C26 a tensor of fewer elements than exactBelow keeps every bit, one of just as many is compressed, on both sides", async (t) => {
  const layout = layoutOfLengths(99, 100, 101, 0, 1);
  const pipeline = new Pipeline(chosen("eden"), 100, layout);
  const [values, base] = [normal(layout.length, 1), normal(layout.length, 2)];
  values[0] = -0;
  const out = new Float32Array(layout.length);
  await pipeline.decode(await pipeline.encode({ values, base, seed: 3 }), base, out, 3);
  const exact = (from: number, to: number): boolean =>
    Buffer.from(out.slice(from, to).buffer).equals(Buffer.from(values.slice(from, to).buffer));
  t.true(exact(0, 99) && exact(300, 301));
  t.false(exact(99, 199));
  t.false(exact(199, 300));
});

test("C25 nothing of a model is lost where everything is exact, whatever the bits", async (t) => {
  const layout = layoutOfLengths(3, 40);
  const pipeline = new Pipeline(chosen("stc"), 1000, layout);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.float({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 43, maxLength: 43 }),
      async (list) => {
        const values = Float32Array.from(list);
        const out = new Float32Array(43);
        await pipeline.decode(await pipeline.encode({ values, base: normal(43), seed: 1 }), normal(43), out, 1);
        t.deepEqual(Buffer.from(out.buffer), Buffer.from(values.buffer));
      },
    ),
  );
});

test("what an optimizer or a method remembers travels exactly", async (t) => {
  const layout = layoutOf([
    { name: "0.kernel", dtype: "f32", shape: [500] },
    { name: "optimizer/v/0.kernel", dtype: "f32", shape: [250] },
    { name: "scaffold/c/0.kernel", dtype: "f32", shape: [250] },
  ]);
  const pipeline = new Pipeline(chosen("stc"), 1, layout);
  const [values, base] = [normal(1000, 4), normal(1000, 5)];
  const out = new Float32Array(1000);
  await pipeline.decode(await pipeline.encode({ values, base, seed: 1 }), base, out, 1);
  t.deepEqual(out.slice(500), values.slice(500));
  t.notDeepEqual(out.slice(0, 500), values.slice(0, 500));
});

test("a tensor larger than a block is compressed in blocks, each by a seed of its own", async (t) => {
  const layout = layoutOfLengths(7, 2 * BLOCK + 11);
  const pipeline = new Pipeline(chosen({ use: "randomk", fraction: 0.5, feedback: true }), 8, layout);
  const values = new Float32Array(layout.length).fill(1);
  const base = new Float32Array(layout.length);
  const out = new Float32Array(layout.length);
  const packed = await pipeline.encode({ values, base, seed: 3 });
  t.true(packed.length <= pipeline.most);
  await pipeline.decode(packed, base, out, 3);
  const third = (i: number): Float32Array => out.slice(7 + Math.floor((i * (2 * BLOCK + 11)) / 3)).slice(0, 1000);
  t.notDeepEqual(third(0), third(1));
  t.is(Math.round((out.reduce((a, b) => a + b, 0) / layout.length) * 100), 50);
});

test("with feedback what is sent and what is left are the difference and what was left before, round after round", async (t) => {
  for (const names of [["topk"], ["stc"], ["topk", "int8"]]) {
    const layout = layoutOfLengths(5, 400);
    const pipeline = new Pipeline(chosen(...names), 10, layout);
    t.true(pipeline.feedback);
    const feedback = new Feedback(layout.length);
    const base = new Float32Array(layout.length);
    const wanted = new Float64Array(layout.length);
    const got = new Float64Array(layout.length);
    for (let round = 1; round <= 200; round++) {
      const values = normal(layout.length, 1); // the same direction in each round
      const [before, left] = [feedback.before, feedback.begin(round)];
      const packed = await pipeline.encode({ values, base, before, left, seed: round });
      const out = new Float32Array(layout.length);
      await pipeline.decode(packed, base, out, round);
      if (round % 3 === 0) continue; // late: as if it had never been
      feedback.settle(round);
      for (let i = 0; i < layout.length; i++) {
        wanted[i]! += values[i]!;
        got[i]! += out[i]!;
        t.true(Math.abs(wanted[i]! - got[i]! - feedback.before[i]!) < 1e-3);
      }
    }
    // a fixed share of a single update is missing, however many there have been
    const off = errorOf(Float32Array.from(wanted), Float32Array.from(got));
    t.true(off < 0.35 * normSquared(wanted), `${names}: ${off / normSquared(wanted)}`);
  }
});

test("without an update that counts nothing that was left is lost, and no other round settles it (FB1)", (t) => {
  const feedback = new Feedback(2);
  feedback.begin(1).set([1, 2]);
  feedback.settle(2);
  t.deepEqual([...feedback.before], [0, 0]);
  feedback.settle(1);
  t.deepEqual([...feedback.before], [1, 2]);
  feedback.settle(1);
  t.deepEqual([...feedback.before], [1, 2], "once");
});

test("a value that is not finite is not sent, and named by its place", async (t) => {
  const layout = layoutOfLengths(5, 20);
  const pipeline = new Pipeline(chosen("int8"), 10, layout);
  const base = new Float32Array(25);
  for (const [at, value] of [
    [2, Number.NaN],
    [7, Number.POSITIVE_INFINITY],
    [24, 3e38],
  ] as const) {
    const values = new Float32Array(25);
    values[at] = value;
    const error = await t.throwsAsync(pipeline.encode({ values, base, seed: 1 }), { code: "FL_UPDATE_RANGE" });
    t.is((error as unknown as { detail: { index: number } }).detail.index, at);
  }
});

test("bytes of other codecs, of another version, too few, too many, or that claim too much are refused", async (t) => {
  const layout = layoutOfLengths(5, 300, 301);
  const pipeline = new Pipeline(chosen("topk", "int8"), 10, layout);
  const base = new Float32Array(layout.length);
  const packed = await pipeline.encode({ values: normal(layout.length), base, seed: 1 });
  const refused = (bytes: Uint8Array, why: RegExp) =>
    t.throwsAsync(pipeline.decode(bytes, base, new Float32Array(layout.length), 1), {
      code: "FL_CODEC_MALFORMED",
      message: why,
    });
  const changed = (at: number, to: number): Uint8Array => packed.with(at, to);
  await refused(new Uint8Array(0), /version none/);
  await refused(changed(0, 2), /version 2/);
  await refused(changed(1, 1), /packed by codecs/);
  await refused(changed(2, 6), /packed by codecs 6 v1, 3 v1, the plan has 4 v1, 3 v1/);
  await refused(changed(5, 9), /packed by codecs 4 v1, 3 v9/);
  await refused(packed.subarray(0, -1), /cut short/);
  await refused(Buffer.concat([packed, Uint8Array.of(0)]), /1 bytes follow/);
  await refused(changed(6 + 20 + 3, 0xff), /block of \d{9,} bytes for 300 values/);
  await refused(packed.subarray(0, 12), /cut short/);
});

test("whatever bytes come, decoding ends with finite values or with its own error (PI4)", async (t) => {
  const layout = layoutOfLengths(5, 130, 64);
  const base = normal(layout.length, 8);
  const values = normal(layout.length, 9);
  const chains = [...Object.keys(codecs).map((c) => [c]), ["topk", "kmeans"], ["randomk", "eden"]];
  for (const names of chains) {
    const pipeline = new Pipeline(chosen(...names), 10, layout);
    const packed = await pipeline.encode({ values, base, seed: 1 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 5 }),
        async (hits) => {
          const bytes = packed.slice();
          for (const [at, to] of hits) bytes[26 + (at % (bytes.length - 26))] = to;
          const out = new Float32Array(layout.length);
          try {
            await pipeline.decode(bytes, base, out, 1);
            t.true(out.every((x) => Number.isFinite(x)));
          } catch (e) {
            t.is((e as { code?: string }).code, "FL_CODEC_MALFORMED", String((e as Error).stack));
          }
        },
      ),
      { numRuns: 150 },
    );
  }
});

test("a seed is one round's, one sender's and one direction's", (t) => {
  const seeds = [
    seedOf(1, 1, "a"),
    seedOf(1, 2, "a"),
    seedOf(1, 1, "b"),
    seedOf(2, 1, "a"),
    seedOf(1, 1, undefined),
    seedOf(1, 1, ""),
  ];
  t.is(new Set(seeds).size, seeds.length);
  t.is(pipelineOf([{ use: "none" }], 100, layoutOfLengths(1)), undefined);
});
