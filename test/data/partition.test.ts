import test from "ava";
import fc from "fast-check";
import { partitionDirichlet, partitionIid } from "../../src/data/partition.ts";

const labelled = fc
  .record({
    labels: fc.array(fc.nat(6), { minLength: 1, maxLength: 200 }),
    parts: fc.integer({ min: 1, max: 12 }),
    seed: fc.maxSafeNat(),
  })
  .filter(({ labels, parts }) => labels.length >= parts);
const alphas = fc.double({ min: 1e-4, max: 1e3, noNaN: true });

const whole = (parts: Uint32Array[]): number[] => parts.flatMap((p) => [...p]).sort((a, b) => a - b);
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test("partition: parts are disjoint, cover all, differ in size by at most one, and repeat (P1, P2, P3)", (t) => {
  fc.assert(
    fc.property(labelled, alphas, ({ labels, parts, seed }, alpha) => {
      for (const deal of [
        () => partitionIid(labels, parts, seed),
        () => partitionDirichlet(labels, parts, alpha, seed),
      ]) {
        const out = deal();
        t.is(out.length, parts);
        t.deepEqual(whole(out), upTo(labels.length));
        const sizes = out.map((p) => p.length);
        t.true(Math.min(...sizes) >= 1 && Math.max(...sizes) - Math.min(...sizes) <= 1);
        t.deepEqual(deal(), out);
      }
    }),
    { numRuns: 150 },
  );
});

test("partition: a count stands for that many labels, and another seed deals otherwise", (t) => {
  t.deepEqual(partitionIid(10, 3, 1), partitionIid(new Uint8Array(10), 3, 1));
  t.notDeepEqual(partitionIid(100, 3, 1), partitionIid(100, 3, 2));
});

test("partition: a small alpha gives parts of few classes, a large one the mix of the whole", (t) => {
  const labels = Uint8Array.from({ length: 5000 }, (_, i) => i % 10);
  const largest = (alpha: number) =>
    partitionDirichlet(labels, 5, alpha, 3).map((part) => {
      const counts = new Array<number>(10).fill(0);
      for (const i of part) counts[labels[i]!]!++;
      return Math.max(...counts) / part.length;
    });
  t.true(largest(10_000).every((share) => share < 0.2));
  const skewed = largest(0.1);
  t.true(skewed.reduce((a, b) => a + b, 0) / skewed.length > 0.4, skewed.join());
});

test("partition: what cannot be dealt is refused", (t) => {
  for (const deal of [
    () => partitionIid(2, 3, 1),
    () => partitionIid(2, 0, 1),
    () => partitionDirichlet([0, 1], 1, 0, 1),
    () => partitionDirichlet([0, 1], 1, Number.NaN, 1),
    () => partitionDirichlet([0, -1], 1, 1, 1),
    () => partitionDirichlet([0, 0.5], 1, 1, 1),
  ]) {
    t.throws(deal, { code: "FL_SHARD_INVALID" });
  }
});
