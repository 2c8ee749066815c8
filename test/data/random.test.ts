import test from "ava";
import fc from "fast-check";
import { Random, seedFrom } from "../../src/data/random.ts";

test("seedFrom: known values stay, across releases (R1)", (t) => {
  t.deepEqual([seedFrom(), seedFrom("a", 1), seedFrom(42)], [5946306953645214, 4454579347946089, 1568165516620750]);
  const random = new Random(seedFrom("a", 1));
  t.deepEqual([random.uint32(), random.uint32(), random.uint32()], [3575141665, 2360128097, 945131125]);
});

test("seedFrom: type and split of the parts count (R2)", (t) => {
  const seeds = [seedFrom("a", 1), seedFrom("a1"), seedFrom("a", "1"), seedFrom("a", 1, "")];
  t.is(new Set(seeds).size, seeds.length);
});

test("random: both halves of a seed matter", (t) => {
  const first = (seed: number) => {
    const random = new Random(seed);
    return [random.uint32(), random.uint32(), random.uint32(), random.uint32()].join();
  };
  t.not(first(1), first(2));
  t.not(first(1), first(1 + 2 ** 32));
});

test("random: a permutation has every index once", (t) => {
  fc.assert(
    fc.property(fc.nat(500), fc.maxSafeNat(), (n, seed) => {
      const list = new Random(seed).permutation(n);
      t.deepEqual(
        [...list].sort((a, b) => a - b),
        Array.from({ length: n }, (_, i) => i),
      );
    }),
    { numRuns: 50 },
  );
});

test("random: floats, normals and gammas have the moments they should", (t) => {
  const random = new Random(7);
  const n = 20_000;
  const mean = (draw: () => number) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += draw();
    return sum / n;
  };
  t.true(Math.abs(mean(() => random.float()) - 0.5) < 0.01);
  t.true(Math.abs(mean(() => random.below(10)) - 4.5) < 0.1);
  t.true(Math.abs(mean(() => random.normal())) < 0.03);
  t.true(Math.abs(mean(() => random.normal() ** 2) - 1) < 0.05);
  t.true(Math.abs(mean(() => Math.exp(random.logGamma(3))) - 3) < 0.06);
  t.true(Math.abs(mean(() => Math.exp(random.logGamma(0.5))) - 0.5) < 0.03);
});

test("random: a dirichlet draw is a point of the simplex, however small its weights", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 1e-6, max: 100, noNaN: true }), { minLength: 1, maxLength: 12 }),
      fc.nat(),
      (weights, seed) => {
        const shares = new Random(seed).dirichlet(weights);
        t.true(shares.every((s) => s >= 0 && s <= 1));
        t.true(Math.abs(shares.reduce((a, b) => a + b, 0) - 1) < 1e-9);
      },
    ),
    { numRuns: 100 },
  );
});
