/** Each codec is exact or within the bound that its file states. */
import test from "ava";
import fc from "fast-check";
import { codecOf, codecs } from "../../src/codec/registry.ts";
import { Random } from "../../src/data/random.ts";
import { chain, errorOf, normSquared, roundTrip, SLACK, top, vectors } from "./support.ts";

const holds = (property: (values: Float32Array, seed: number) => void): void =>
  fc.assert(fc.property(vectors(), fc.nat(), property), { numRuns: 300 });
const normal = (n: number, seed = 5): Float32Array => {
  const random = new Random(seed);
  return Float32Array.from({ length: n }, () => random.normal());
};

test("C26 f16 is within half an ulp of 11 bits of every value, however small or large its block is", (t) => {
  const f16 = chain({ use: "f16" });
  holds((values) => {
    const back = roundTrip(f16, values);
    for (const [i, x] of values.entries()) {
      const bound = Math.max(2 ** -11 * Math.abs(x), 2 ** -39 * top(values)) + 2 ** -150;
      t.true(Math.abs(back[i]! - x) <= bound, `${x} ${back[i]}`);
    }
  });
  t.deepEqual(
    [...roundTrip(f16, Float32Array.of(3e-8, 1e-8))].map((x) => x > 0),
    [true, true],
    "no difference vanishes",
  );
  t.true(Math.abs(roundTrip(f16, Float32Array.of(1e9, 65520))[0]! / 1e9 - 1) <= 2 ** -11, "nothing overflows");
});

test("C26 bf16 is within half an ulp of 8 bits", (t) => {
  const bf16 = chain({ use: "bf16" });
  holds((values) => {
    const back = roundTrip(bf16, values);
    for (const [i, x] of values.entries()) t.true(Math.abs(back[i]! - x) <= 2 ** -8 * Math.abs(x) + 2 ** -134);
  });
  t.deepEqual([...roundTrip(bf16, Float32Array.of(3.4028234e38))], [2 ** 127 * (2 - 2 ** -7)], "never infinite");
});

test("C26 int8 is within half its block's scale by rounding to nearest, and within the scale by chance", (t) => {
  for (const rounding of ["nearest", "stochastic"] as const) {
    const int8 = chain({ use: "int8", block: 32, rounding });
    holds((values, seed) => {
      const back = roundTrip(int8, values, seed);
      for (const [i, x] of values.entries()) {
        const from = i - (i % 32);
        const scale = top(values.subarray(from, from + 32)) / 127;
        const bound = scale * (rounding === "nearest" ? 0.5 : 1) * SLACK + 2 ** -119;
        t.true(Math.abs(back[i]! - x) <= bound, `${x} ${back[i]}`);
      }
    });
  }
});

test("C26 int8 by chance is unbiased", (t) => {
  const int8 = chain({ use: "int8", rounding: "stochastic" });
  const values = Float32Array.of(1, 0.3 / 127, -0.3 / 127);
  const mean = [0, 0, 0];
  for (let seed = 0; seed < 4000; seed++)
    for (const [i, x] of roundTrip(int8, values, seed).entries()) mean[i]! += x / 4000;
  t.true(Math.abs(mean[1]! * 127 - 0.3) < 0.03 && Math.abs(mean[2]! * 127 + 0.3) < 0.03);
  t.is(roundTrip(chain({ use: "int8" }), values)[1], 0, "to nearest it is not");
});

test("C26 topk keeps the largest exactly, of equal ones the first, and loses no more than (1 - k/n) of the norm", (t) => {
  const third = chain({ use: "topk", fraction: 1 / 3 });
  holds((values) => {
    const back = roundTrip(third, values);
    const k = Math.ceil(values.length / 3);
    const order = [...values.keys()].sort((a, b) => Math.abs(values[b]!) - Math.abs(values[a]!) || a - b).slice(0, k);
    const expected = new Float32Array(values.length);
    for (const i of order) expected[i] = values[i]!;
    t.deepEqual(
      [...back].map((x) => x + 0),
      [...expected].map((x) => x + 0),
    );
    t.true(errorOf(values, back) <= (1 - k / values.length) * normSquared(values) * SLACK);
  });
});

test("C26 randomk is unbiased when it is scaled, and repeats its draw by the seed alone", (t) => {
  const scaled = chain({ use: "randomk", fraction: 0.25 });
  const plain = chain({ use: "randomk", fraction: 0.25, feedback: true });
  const values = normal(40);
  const mean = new Float64Array(40);
  let lost = 0;
  for (let seed = 0; seed < 4000; seed++) {
    const back = roundTrip(scaled, values, seed);
    t.is(back.filter((x) => x !== 0).length, 10);
    for (const [i, x] of back.entries()) mean[i]! += x / 4000;
    const kept = roundTrip(plain, values, seed);
    for (const [i, x] of kept.entries()) t.true(x === 0 || x === values[i]);
    lost += errorOf(values, kept) / 4000;
  }
  t.true(mean.every((m, i) => Math.abs(m - values[i]!) < 0.15 * Math.abs(values[i]!) + 0.02));
  t.true(Math.abs(lost / normSquared(values) - 0.75) < 0.02);
  t.is(scaled.encode(values, 3).length, 4 + 40, "no places travel");
});

test("C26 stc sends the mean magnitude of what it chose, not of everything, and its error is what the paper says", (t) => {
  const stc = chain({ use: "stc", fraction: 0.1 });
  const spread = new Float32Array(40);
  spread.set([2, -2.2, 1.9, 2.1]);
  const mean = Math.fround((2 + Math.fround(2.2) + Math.fround(1.9) + Math.fround(2.1)) / 4);
  t.deepEqual([...roundTrip(stc, spread).subarray(0, 5)], [mean, -mean, mean, mean, 0], "not a tenth of it");
  const third = chain({ use: "stc", fraction: 1 / 3 });
  holds((values) => {
    const back = roundTrip(third, values);
    const chosen = back.filter((x) => x !== 0);
    t.true(chosen.every((x) => Math.abs(x) === Math.abs(chosen[0]!)));
    const said = normSquared(values) - normSquared(chosen);
    t.true(Math.abs(errorOf(values, back) - said) <= 1e-5 * normSquared(values) + 1e-80);
  });
});

test("C26 kmeans is exact for as many values as clusters, and never worse than the mean alone", (t) => {
  for (const clusters of [2, 3, 6, 33, 256]) {
    const kmeans = chain({ use: "kmeans", clusters });
    const few = Float32Array.from({ length: 500 }, (_, i) => Math.fround(Math.sin(i % clusters)));
    t.deepEqual(roundTrip(kmeans, few), few);
    holds((values) => {
      const back = roundTrip(kmeans, values);
      t.true(new Set(back).size <= clusters);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const alone = normSquared(values.map((x) => x - mean));
      t.true(errorOf(values, back) <= alone * SLACK + values.length * (top(values) * 2 ** -23) ** 2);
    });
  }
  t.deepEqual([...roundTrip(chain({ use: "kmeans", clusters: 3 }), Float32Array.of(-1, 2, 5))], [-1, 2, 5]);
});

test("C26 kmeans leaves far less than the quantiles of a bell: two clusters keep 64 % of it, sixteen 99 %", (t) => {
  const values = normal(20_000);
  const lost = (clusters: number): number =>
    errorOf(values, roundTrip(chain({ use: "kmeans", clusters }), values)) / normSquared(values);
  t.true(lost(2) < 0.37);
  t.true(lost(16) < 0.0115);
});

test("C26 eden projects onto its vector without bias, exactly, in 1 to 8 bits, for every vector", (t) => {
  for (let bits = 1; bits <= 8; bits++) {
    const eden = chain({ use: "eden", bits });
    fc.assert(
      fc.property(vectors(300), fc.nat(), (values, seed) => {
        const back = roundTrip(eden, values, seed);
        const along = values.reduce((s, x, i) => s + x * back[i]!, 0);
        const size = normSquared(values);
        t.true(Math.abs(along - size) <= 1e-4 * size + 1e-74, `${bits}: ${along} ${size}`);
      }),
      { numRuns: 60 },
    );
  }
});

test("C26 eden's error is that of the best quantizer in 1 to 8 bits, and its mean over draws is the vector", (t) => {
  const distortion = [0.36338, 0.11748, 0.034548, 0.009501, 0.0025047, 0.00064424, 0.00016348, 0.000041185];
  const random = new Random(9);
  const spiky = Float32Array.from({ length: 1024 }, () => random.normal() ** 5);
  const few = new Float32Array(1024).fill(0).map((_, i) => (i < 3 ? i + 1 : 0));
  for (const values of [normal(1024), spiky, few, normal(1500)]) {
    const size = normSquared(values);
    for (const [b, d] of distortion.entries()) {
      const eden = chain({ use: "eden", bits: b + 1 });
      const mean = new Float64Array(values.length);
      let lost = 0;
      const draws = 60;
      for (let seed = 0; seed < draws; seed++) {
        const back = roundTrip(eden, values, seed);
        lost += errorOf(values, back) / size / draws;
        for (const [i, x] of back.entries()) mean[i]! += x / draws;
      }
      t.true(lost <= (d / (1 - d)) * (b < 5 ? 1.08 : 1.4), `${b + 1} bits of ${values.length}: ${lost}`);
      const off = normSquared(mean.map((m, i) => m - values[i]!)) / size;
      t.true(off <= (1.6 * lost) / draws, `${b + 1} bits: the mean of ${draws} is off by ${off}`);
    }
  }
});

test("C26 a chain is no worse than what it chooses and how that is packed", (t) => {
  const both = chain({ use: "topk", fraction: 0.25 }, { use: "int8", block: 16 });
  holds((values) => {
    const chosen = roundTrip(chain({ use: "topk", fraction: 0.25 }), values);
    const back = roundTrip(both, values);
    const bound = (top(values) / 254) * SLACK + 2 ** -119;
    for (const [i, x] of chosen.entries()) t.true(Math.abs(back[i]! - x) <= bound);
  });
  const values = normal(4096);
  const size = (...names: string[]): number => chain(...names.map((use) => ({ use }))).encode(values, 1).length;
  t.true(size("topk", "int8") < size("topk") && size("topk", "eden") < size("topk", "int8"));
  t.true(size("topk") < 0.02 * 4 * 4096);
});

const every = [
  ...Object.keys(codecs).map((use) => [{ use }]),
  [{ use: "topk" }, { use: "int8" }],
  [{ use: "topk", fraction: 0.3 }, { use: "kmeans" }],
  [{ use: "randomk" }, { use: "eden", bits: 3 }],
  [{ use: "stc", fraction: 1 }],
];

test("every codec repeats itself: equal values and seed, equal bytes", (t) => {
  const values = normal(3000);
  for (const entries of every) {
    const codec = chain(...entries);
    t.deepEqual(codec.encode(values, 11), codec.encode(values.slice(), 11), JSON.stringify(entries));
  }
});

test("every codec takes nothing, one value, and all zeros", (t) => {
  for (const entries of every) {
    const codec = chain(...entries);
    for (const n of [0, 1, 2, 65]) {
      const back = roundTrip(codec, new Float32Array(n));
      t.true(
        back.every((x) => x === 0),
        JSON.stringify(entries),
      );
    }
    t.true(
      Math.abs(
        roundTrip(
          chain({ ...entries[0]!, ...(entries[0]!.use === "randomk" ? { feedback: true } : {}) }),
          Float32Array.of(-3),
        )[0]! + 3,
      ) < 0.02,
    );
  }
});

test("no bytes make a decoder throw anything but its own error, or write beyond its values", (t) => {
  for (const entries of every) {
    const codec = chain(...entries);
    const decodes = (bytes: Uint8Array, n: number): void => {
      const around = new Float32Array(n + 8).fill(7);
      try {
        codec.decode(bytes, around.subarray(4, 4 + n), 1);
      } catch (e) {
        t.is((e as { code?: string }).code, "FL_CODEC_MALFORMED", String((e as Error).stack));
      }
      t.true([...around.subarray(0, 4), ...around.subarray(4 + n)].every((x) => x === 7));
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat({ max: 300 }), (bytes, n) => decodes(bytes, n)),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(
        vectors(200),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
        fc.integer({ min: -9, max: 9 }),
        (values, hits, longer) => {
          const good = codec.encode(values, 1);
          const bytes = new Uint8Array(Math.max(0, good.length + longer));
          bytes.set(good.subarray(0, bytes.length));
          for (const [at, to] of hits) if (bytes.length > 0) bytes[at % bytes.length] = to;
          decodes(bytes, values.length);
        },
      ),
      { numRuns: 300 },
    );
  }
});

test("numbers on the wire are each one codec's", (t) => {
  const ids = Object.values(codecs).map((c) => c.id);
  t.is(new Set(ids).size, ids.length);
  for (const [name, codec] of Object.entries(codecs)) t.is(codec.name, name);
  t.throws(() => codecOf("zip"), { code: "FL_INTERNAL" });
});
