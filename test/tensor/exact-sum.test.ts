/** The laws of the exact sum, against sums of big integers: those are exact by nature, and far too slow for anything else. */
import test from "ava";
import fc from "fast-check";
import { FlError } from "../../src/errors.ts";
import { ExactSum, MAX_UPDATES, MAX_WEIGHT, MIN_WEIGHT, STEP } from "../../src/tensor/exact-sum.ts";
import { VALUE_LIMIT } from "../../src/tensor/range.ts";

type Given = { values: Float32Array; weight: number };

const LENGTH = 6;
const magnitude = fc.double({ min: -30, max: 9, noNaN: true }).map((e) => 10 ** e);
const value = fc.oneof(
  fc.tuple(magnitude, fc.constantFrom(1, -1)).map(([m, sign]) => m * sign),
  fc.constantFrom(0, -0, 1, -1, 0.1, VALUE_LIMIT, -VALUE_LIMIT, 2 ** -12, 3 * 2 ** -12, 2 ** -64, 1.4e-45),
);
const values = fc.array(value, { minLength: LENGTH, maxLength: LENGTH }).map((v) => Float32Array.from(v));
// multiples of 2^-20, so that big integers hold them
const weight = fc.oneof(
  fc.integer({ min: 1, max: 1_000_000 }),
  fc.integer({ min: 1, max: 2 ** 20 }).map((n) => n / 2 ** 20),
);
const updates = fc.array(fc.record({ values, weight }), { minLength: 1, maxLength: 40 });
/** the same updates in another order */
const shuffled = updates.chain((given) =>
  fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length, maxLength: given.length })),
);

function sumOf(given: readonly Given[], room?: number): ExactSum {
  const sum = new ExactSum(LENGTH);
  sum.reset(room);
  for (const u of given) sum.add(u.values, u.weight);
  return sum;
}

function bits(sum: ExactSum): string {
  const out = new Float32Array(sum.length);
  sum.mean(out);
  return Buffer.from(out.buffer).toString("hex");
}

/** x · 2^169, exact for every f32 and for the weights above */
const big = (x: number): bigint => BigInt(x * 2 ** 169);
const abs = (x: bigint): bigint => (x < 0n ? -x : x);

test("every order gives the same bits (X1)", (t) => {
  fc.assert(
    fc.property(shuffled, ([given, other]) => {
      t.is(bits(sumOf(other)), bits(sumOf(given)));
    }),
    { numRuns: 500 },
  );
});

test("all 720 orders of six ill-conditioned updates give the same bits (X1)", (t) => {
  const given = [1e9, -1e9, 1e-12, 3.3e-7, -0.1, 123456.79].map((x, i) => ({
    values: Float32Array.from({ length: LENGTH }, (_, j) => (j % 2 === 0 ? x : -x / (i + 1))),
    weight: 1 / (i + 1),
  }));
  const permute = <T>(a: readonly T[]): T[][] =>
    a.length < 2 ? [[...a]] : a.flatMap((x, i) => permute(a.toSpliced(i, 1)).map((rest) => [x, ...rest]));
  const orders = permute(given);
  t.is(orders.length, 720);
  t.is(new Set(orders.map((order) => bits(sumOf(order)))).size, 1);
});

test("partial sums merge to the same bits, however they are grouped (X1)", (t) => {
  fc.assert(
    fc.property(shuffled, fc.array(fc.nat(40), { maxLength: 4 }), ([given, other], cuts) => {
      const edges = [0, ...cuts.map((c) => c % other.length).sort((a, b) => a - b), other.length];
      const parts = edges.slice(1).map((to, i) => sumOf(other.slice(edges[i], to)));
      const tree = parts.reduceRight((right, left) => {
        left.merge(right);
        return left;
      });
      const flat = sumOf(given);
      t.is(bits(tree), bits(flat));
      t.is(tree.weight, flat.weight);
    }),
    { numRuns: 300 },
  );
});

test("the mean is within the stated bound of the exact mean (X3)", (t) => {
  fc.assert(
    fc.property(updates, fc.constantFrom(1, 2, 16), (given, room) => {
      const sum = sumOf(given, room * MAX_UPDATES);
      const mean = new Float32Array(LENGTH);
      sum.mean(mean);
      const weights = given.map((u) => big(u.weight));
      const total = weights.reduce((a, b) => a + b);
      const plain = given.reduce((a, u) => a + u.weight, 0);
      for (let j = 0; j < LENGTH; j++) {
        const exact = given.reduce((a, u, i) => a + big(u.values[j] as number) * (weights[i] as bigint), 0n);
        const around = given.reduce((a, u) => a + Math.abs(u.values[j] as number) * u.weight, 0);
        const m = mean[j] as number;
        const ulp = m === 0 ? 2 ** -149 : Math.max(2 ** -149, 2 ** (Math.floor(Math.log2(Math.abs(m))) - 23));
        const allowed = ulp / 2 + (2 ** -50 * around) / plain + 2 ** -54 * room;
        const error = abs(big(m) * total - exact);
        t.true(error <= (BigInt(Math.ceil(allowed * (1 + 1e-9) * 2 ** 169)) + 1n) * total, `element ${j}`);
      }
    }),
    { numRuns: 500 },
  );
});

test("4096 updates of the largest weight and value fit, and not one more (X2, X5)", (t) => {
  const top = 2 ** 16; // the largest of its class
  const sum = new ExactSum(2);
  for (let i = 0; i < MAX_UPDATES; i++) sum.add(Float32Array.of(VALUE_LIMIT, i % 2 === 0 ? -VALUE_LIMIT : 1e-6), top);
  t.is(t.throws(() => sum.add(Float32Array.of(1, 1), top), { instanceOf: FlError })?.code, "FL_STATE");
  const mean = new Float32Array(2);
  sum.mean(mean);
  t.is(mean[0], VALUE_LIMIT);
  t.is(mean[1], Math.fround((-VALUE_LIMIT + Math.fround(1e-6)) / 2));
  t.is(sum.weight, MAX_UPDATES * top);

  sum.add(Float32Array.of(VALUE_LIMIT, 0), 1); // another class has room of its own
  const half = new ExactSum(2);
  half.add(Float32Array.of(1, 1), top);
  const weight = sum.weight;
  t.is(t.throws(() => sum.merge(half), { instanceOf: FlError })?.code, "FL_STATE");
  t.is(sum.weight, weight);

  const more = new ExactSum(1);
  more.reset(3 * MAX_UPDATES);
  for (let i = 0; i < 3 * MAX_UPDATES; i++) more.add(Float32Array.of(1), top);
  t.is(more.weight, 3 * MAX_UPDATES * top);
});

for (const weight of [MIN_WEIGHT, 1e-6, 1e-3, 1, 64, 65, 600, 65_536, 1e6, 2 ** 28, MAX_WEIGHT]) {
  test(`a thousand updates of weight ${weight} keep the precision of 1e-8 (X3)`, (t) => {
    const sum = new ExactSum(3);
    for (let i = 0; i < 1000; i++) sum.add(Float32Array.of(1e-8, -3e-8, 1 + i / 1000), weight);
    const mean = new Float32Array(3);
    sum.mean(mean);
    t.deepEqual([...mean], [Math.fround(1e-8), Math.fround(-3e-8), 1.4995].map(Math.fround));
    t.is(sum.weight, weight * 1000);
  });
}

for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.1e9, -3e38]) {
  test(`an update with ${bad} in it is refused and leaves no trace (X4)`, (t) => {
    fc.assert(
      fc.property(updates, values, fc.nat(LENGTH - 1), (given, other, at) => {
        const sum = sumOf(given);
        const before = bits(sum);
        const broken = other.slice();
        broken[at] = bad;
        const e = t.throws(() => sum.add(broken, 5), { instanceOf: FlError });
        t.is(e?.code, "FL_UPDATE_RANGE");
        t.is(e?.detail.index, at);
        t.is(bits(sum), before);
        t.is(sum.weight, sumOf(given).weight);
        sum.add(other, 5);
        t.is(bits(sum), bits(sumOf([...given, { values: other, weight: 5 }])));
      }),
      { numRuns: 50 },
    );
  });
}

test("steps of several updates interleave, and one that is refused at its end leaves no trace (X4)", (t) => {
  const length = 2 * STEP + 3;
  const a = Float32Array.from({ length }, (_, i) => Math.sin(i));
  const b = Float32Array.from({ length }, (_, i) => Math.cos(i) * 1e6);
  const bad = a.slice();
  bad[length - 1] = Number.NaN;
  const sum = new ExactSum(length);
  let running = [sum.adding(a, 1), sum.adding(bad, 4), sum.adding(b, 3)];
  let refused = 0;
  while (running.length > 0) {
    running = running.filter((steps) => {
      try {
        return steps.next().done !== true;
      } catch {
        refused++;
        return false;
      }
    });
  }
  t.is(refused, 1);
  const plain = new ExactSum(length);
  plain.add(b, 3);
  plain.add(a, 1);
  const [x, y] = [new Float32Array(length), new Float32Array(length)];
  sum.mean(x);
  plain.mean(y);
  t.is(Buffer.compare(new Uint8Array(x.buffer), new Uint8Array(y.buffer)), 0);
});

test("several in one pass give the same bits as one after the other, and the others do not notice one that is refused (X1, X4)", (t) => {
  const length = STEP + 20_001;
  const given = [600, 1, 70_000, 613, 2, 901, 64].map((weight, k) => ({
    values: Float32Array.from({ length }, (_, i) => Math.sin(i * (k + 1)) * (k === 3 ? 1e6 : 0.3)),
    weight,
  }));
  const bad = (at: number): Float32Array => given[0]!.values.with(at, Number.NaN);
  const broken = [
    { values: bad(9_000), weight: 600 },
    { values: bad(length - 1), weight: 605 },
    { values: bad(STEP + 7), weight: 5e7 }, // alone in its class
    { values: new Float32Array(3), weight: 1 },
    { values: given[0]!.values, weight: -1 },
  ];
  const together = new ExactSum(length);
  const all = [...given.slice(0, 2), ...broken, ...given.slice(2)];
  const steps = together.addingAll(all);
  let next = steps.next();
  while (next.done !== true) next = steps.next();
  t.deepEqual(
    next.value.map((refusal) => refusal && [refusal.code, refusal.detail.index]),
    all.map((one) => {
      const k = broken.indexOf(one);
      if (k === -1) return undefined;
      if (k < 3) return ["FL_UPDATE_RANGE", [9_000, length - 1, STEP + 7][k]];
      return [k === 3 ? "FL_LAYOUT_MISMATCH" : "FL_UPDATE_RANGE", undefined];
    }),
  );
  const apart = new ExactSum(length);
  for (const { values, weight } of given) apart.add(values, weight);
  t.is(together.weight, apart.weight);
  t.is(bits(together), bits(apart));
});

test("weights out of range (X6), wrong lengths and means of nothing are refused", (t) => {
  const sum = new ExactSum(1);
  const x = Float32Array.of(1);
  for (const w of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, MIN_WEIGHT / 2, MAX_WEIGHT * 2]) {
    t.is(t.throws(() => sum.add(x, w), { instanceOf: FlError })?.code, "FL_UPDATE_RANGE");
  }
  t.is(t.throws(() => sum.add(new Float32Array(2), 1), { instanceOf: FlError })?.code, "FL_LAYOUT_MISMATCH");
  t.is(t.throws(() => sum.mean(new Float32Array(1)), { instanceOf: FlError })?.code, "FL_STATE");
});

test("after a reset nothing of the last round is left", (t) => {
  const sum = sumOf([{ values: new Float32Array(LENGTH).fill(5), weight: 3 }]);
  sum.reset();
  t.is(sum.weight, 0);
  sum.add(new Float32Array(LENGTH).fill(0.25), 0.5);
  t.is(bits(sum), bits(sumOf([{ values: new Float32Array(LENGTH).fill(0.25), weight: 0.5 }])));
});

test("what a round left is never seen again, also where the next one's only update of that class was refused (X4, X7)", (t) => {
  const length = 2 * STEP + 3;
  const sum = new ExactSum(length);
  const stale = new Float32Array(length).fill(7e8);
  sum.add(stale, 1); // one class
  sum.add(stale, 1e6); // another
  sum.reset();
  const good = Float32Array.from({ length }, (_, i) => Math.sin(i));
  const bad = good.slice();
  bad[STEP + 5] = Number.NaN;
  sum.add(good, 1);
  for (const weight of [1, 1e6]) t.throws(() => sum.add(bad, weight), { instanceOf: FlError });
  const other = new ExactSum(length);
  other.merge(sum);
  for (const one of [sum, other]) {
    const mean = new Float32Array(length);
    one.mean(mean);
    t.is(one.weight, 1);
    t.is(Buffer.compare(new Uint8Array(mean.buffer), new Uint8Array(good.buffer)), 0);
  }
});
