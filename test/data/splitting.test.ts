/** Dealing data out by a splitter's name: SP1–SP3 of src/data/splitting.ts, and what each splitter promises. */
import { readFileSync } from "node:fs";
import test from "ava";
import fc from "fast-check";
import mnistShard from "../../src/data/mnist-shard.ts";
import { loadShard } from "../../src/data/shard.ts";
import { type PartitionOptions, partition, type Splitting, splitters } from "../../src/data/splitting.ts";
import { apportioned } from "../../src/data/uneven.ts";
import { FlError } from "../../src/errors.ts";

const min = fc.integer({ min: 0, max: 12 });
const sigma = fc.double({ min: 0, max: 100, noNaN: true });
const alpha = fc.double({ min: 1e-4, max: 1e3, noNaN: true });
const splits: fc.Arbitrary<Splitting> = fc.oneof(
  fc.constant<Splitting>("equal"),
  fc.record({ min }).map((options) => ({ use: "random" as const, options })),
  fc.record({ sigma, min }).map((options) => ({ use: "lognormal" as const, options })),
  fc
    .record({ sigma, min, classes: fc.integer({ min: 1, max: 7 }) })
    .map((options) => ({ use: "lognormal" as const, options })),
  fc.record({ alpha, min }).map((options) => ({ use: "dirichlet" as const, options })),
  fc.record({ alpha }).map(({ alpha }) => ({ use: "dirichlet" as const, options: { alpha, sizes: "equal" as const } })),
  fc.record({ each: fc.integer({ min: 1, max: 4 }) }).map((options) => ({ use: "shards" as const, options })),
);
const cases = fc.record({
  labels: fc.oneof(fc.array(fc.nat(6), { maxLength: 20 }), {
    weight: 3,
    arbitrary: fc.array(fc.nat(6), { minLength: 100, maxLength: 200 }),
  }),
  parts: fc.integer({ min: 1, max: 12 }),
  seed: fc.maxSafeNat(),
  split: splits,
});

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
/** Ten classes of 500, in turn. */
const labels = Uint8Array.from({ length: 5_000 }, (_, i) => i % 10);
const classesOf = (part: Uint32Array): Set<number> => new Set([...part].map((i) => labels[i]!));
const sizes = (parts: Uint32Array[]): number[] => parts.map((part) => part.length);

test("C39 every splitter gives each sample to exactly one part, none fewer than asked, and the same for the same seed", (t) => {
  let dealt = 0;
  fc.assert(
    fc.property(cases, ({ labels, parts, seed, split }) => {
      let out: Uint32Array[];
      try {
        out = partition(labels, { parts, seed, split });
      } catch (e) {
        t.is(e instanceof FlError ? e.code : e, "FL_SHARD_INVALID"); // too few samples, or classes, for what is asked
        return;
      }
      dealt++;
      t.is(out.length, parts);
      t.deepEqual(
        out.flatMap((part) => [...part]).sort((a, b) => a - b),
        upTo(labels.length),
      );
      const least = typeof split === "object" && "min" in split.options! ? Number(split.options.min) : 1;
      t.true(Math.min(...sizes(out)) >= least, JSON.stringify(split));
      t.deepEqual(partition(labels, { parts, seed, split }), out);
    }),
    { numRuns: 1_000 },
  );
  t.true(dealt > 400, `${dealt} were dealt`);
});

test("C39 another seed deals otherwise, and every part is in random order", (t) => {
  for (const use of Object.keys(splitters) as (keyof typeof splitters)[]) {
    const deal = (seed: number): Uint32Array[] => partition(labels, { parts: 10, seed, split: use });
    t.notDeepEqual(deal(1), deal(2), use);
    for (const part of deal(1)) {
      const first = part.subarray(0, part.length / 2);
      const mean = (of: Uint32Array): number => of.reduce((a, b) => a + labels[b]!, 0) / of.length;
      if (part.length >= 200) t.true(Math.abs(mean(first) - mean(part)) < 1.2, use);
    }
  }
});

test("C39 equal parts differ by one at most, random ones by much", (t) => {
  t.deepEqual(sizes(partition(5_003, { parts: 4, seed: 1 })), [1251, 1251, 1251, 1250]);
  const uneven = sizes(partition(5_000, { parts: 10, seed: 1, split: "random" }));
  t.true(Math.max(...uneven) > 3 * Math.min(...uneven), uneven.join());
});

test("C39 lognormal: sigma 0 is equal, a larger one less so; with classes each part has exactly so many", (t) => {
  const deal = (sigma: number, more = {}): Uint32Array[] =>
    partition(labels, { parts: 20, seed: 3, split: { use: "lognormal", options: { sigma, ...more } } });
  t.deepEqual(new Set(sizes(deal(0))), new Set([250]));
  const ratio = (parts: Uint32Array[]): number => Math.max(...sizes(parts)) / Math.min(...sizes(parts));
  t.true(ratio(deal(0.3)) > 1.5 && ratio(deal(2)) > 3 * ratio(deal(0.3)));
  for (const [i, part] of deal(2, { classes: 2, min: 5 }).entries()) {
    t.deepEqual([...classesOf(part)].sort(), [i % 10, (i + 1) % 10].sort());
    t.true(part.length >= 10);
  }
});

test("C39 Dirichlet: a large alpha gives the mix of the whole, a small one few classes; none below its minimum", (t) => {
  const deal = (alpha: number, more = {}, parts = 10): Uint32Array[] =>
    partition(labels, { parts, seed: 3, split: { use: "dirichlet", options: { alpha, ...more } } });
  /** the largest class's share of a part, in the mean */
  const largest = (parts: Uint32Array[]): number => {
    const shares = parts.map((part) => {
      const counts = new Array<number>(10).fill(0);
      for (const i of part) counts[labels[i]!]!++;
      return Math.max(...counts) / part.length;
    });
    return shares.reduce((a, b) => a + b, 0) / shares.length;
  };
  t.true(largest(deal(10_000)) < 0.15);
  t.true(largest(deal(0.1)) > 0.4);
  t.true(Math.max(...sizes(deal(10_000))) < 550);
  const hard = deal(0.001, { min: 100 }, 30);
  t.is(Math.min(...sizes(hard)), 100, "no draw gives that: it was taken from the largest");
  t.deepEqual(new Set(sizes(deal(0.1, { sizes: "equal" }))), new Set([500]));
});

test("C39 label shards: each part has as many shards of one label as asked, of equal size", (t) => {
  const parts = partition(labels, { parts: 100, seed: 1, split: "shards" });
  t.deepEqual(new Set(sizes(parts)), new Set([50]));
  t.true(parts.every((part) => classesOf(part).size <= 2));
  t.true(parts.filter((part) => classesOf(part).size === 2).length > 70);
});

test("C39 what cannot be dealt is refused with the reason", (t) => {
  const refused = (says: RegExp, split: unknown, data: number | number[] = [0, 1, 2, 3], parts = 2): void => {
    const options = { parts, seed: 1, split } as PartitionOptions;
    const e = t.throws(() => partition(data, options), { code: "FL_SHARD_INVALID" });
    t.regex(e!.message, says);
  };
  refused(/split: use must be one of equal, .*did you mean dirichlet/, "dirichlt");
  refused(/options of split dirichlet: alphas is not a key; did you mean alpha/, {
    use: "dirichlet",
    options: { alphas: 1 },
  });
  refused(/options of split equal: min is not a key/, { use: "equal", options: { min: 1 } });
  refused(/4 samples cannot fill 2 parts of at least 10/, "dirichlet");
  refused(/dirichlet needs the labels/, { use: "dirichlet", options: { min: 0 } }, 4);
  refused(/shards needs the labels/, "shards", 4);
  refused(/leave some of the 4 classes to nobody/, { use: "lognormal", options: { classes: 1 } });
  refused(/parts of 5 classes, but there are 4/, { use: "lognormal", options: { classes: 5 } });
  refused(/class of 1 samples cannot give at least 1 to each of 2/, { use: "lognormal", options: { classes: 4 } });
  refused(/label 1 is 0.5, not a class id/, "shards", [0, 0.5]);
  refused(/parts is 0/, "equal", 4, 0);
});

test("C39 an envoy's settings choose the splitter of its shard", async (t) => {
  const load = (part: number, more: object) => {
    const params = { part, parts: 50, ...more };
    return loadShard(mnistShard, { name: "a", params, seed: 1, signal: new AbortController().signal });
  };
  const { train } = await load(7, { split: { use: "shards", options: { each: 1 } } });
  t.is(train.size, 1_200);
  t.true(new Set(train.targets).size <= 2);
  const short = await load(7, { split: "shards" });
  t.true(new Set(short.train.targets).size <= 4);
  const [by, name] = await Promise.all([
    load(7, { alpha: 0.5 }),
    load(7, { split: { use: "dirichlet", options: { alpha: 0.5, sizes: "equal" } } }),
  ]);
  t.deepEqual(by.train.targets, name.train.targets);
  const both = await t.throwsAsync(load(0, { alpha: 1, split: "equal" }), { code: "FL_SHARD_INVALID" });
  t.regex(both!.message, /split must not stand beside alpha/);
  await t.throwsAsync(load(0, { split: "shrads" }), { code: "FL_SHARD_INVALID" });
});

test("shares of a whole add up to it", (t) => {
  const weights = fc.array(fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(0)), { minLength: 1 });
  fc.assert(
    fc.property(fc.nat(100_000), weights, fc.nat(5), (rest, weights, min) => {
      const total = rest + min * weights.length;
      const sizes = apportioned(total, weights, min);
      t.is(
        sizes.reduce((a, b) => a + b, 0),
        total,
      );
      t.true(sizes.every((size) => size >= min && Number.isInteger(size)));
    }),
  );
});

test("docs/data.md has every splitter and each of its options", (t) => {
  const page = readFileSync("docs/data.md", "utf8");
  for (const [name, schema] of Object.entries(splitters)) {
    const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\` |`));
    for (const key of Object.keys(schema.shape)) t.true(row?.includes(`\`${key}\``), `${name}: ${key}`);
    t.truthy(row);
  }
});
