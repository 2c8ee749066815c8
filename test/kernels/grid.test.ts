/** A grid in WebAssembly SIMD against its twin in plain loops. */
import test from "ava";
import fc from "fast-check";
import { type Grid, gridOf, type Row } from "../../src/kernels/grid.ts";
import { PlainGrid } from "../../src/kernels/plain-grid.ts";
import { WasmGrid } from "../../src/kernels/wasm-grid.ts";
import { VALUE_LIMIT } from "../../src/tensor/range.ts";

const BLOCK = 4096;
const LENGTH = 3 * BLOCK + 5;

/** memories are scarce: one for all runs, emptied by what is `fresh` */
const fast = WasmGrid.create(LENGTH);
const plain = new PlainGrid(LENGTH);

const value = fc.oneof(
  fc.tuple(fc.double({ min: -46, max: 9, noNaN: true }), fc.constantFrom(1, -1)).map(([e, sign]) => sign * 10 ** e),
  fc.constantFrom(0, -0, 1, 0.1, VALUE_LIMIT, -VALUE_LIMIT, 2 ** -12, 3 * 2 ** -12, 2 ** -64, -(2 ** -64), 1.4e-45),
);
const weight = fc.oneof(
  fc.double({ min: 2 ** -10, max: 1, noNaN: true }),
  fc.constantFrom(1, -1, 2 ** -10, 3 * 2 ** -10, -0.3),
);
const length = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3));
/** at the front of an array, and away from any boundary */
const rowOf = (n: number): fc.Arbitrary<Row> =>
  fc.tuple(fc.array(value, { minLength: 1, maxLength: 12 }), weight, fc.nat(3)).map(([some, w, offset]) => {
    const values = new Float32Array(n + offset).subarray(offset);
    for (let i = 0; i < n; i++) values[i] = some[i % some.length]! / (1 + Math.floor(i / some.length));
    return { values, w };
  });
const rows = fc
  .tuple(length, fc.integer({ min: 1, max: 7 }))
  .chain(([n, count]) => fc.array(rowOf(n), { minLength: count, maxLength: count }));

/** hi + lo as an exact integer of 2^-63: how it is split is a grid's own business (GR1) */
function exact(grid: Grid, i: number): bigint {
  const scaled = (x: number): bigint => BigInt(x * 2 ** 63);
  return scaled(grid.hi[i]!) + scaled(grid.lo[i]!);
}

test("the kernels are there: where this fails, the build has left out `npm run kernels`, or there is no SIMD", (t) => {
  t.truthy(fast);
  t.true(gridOf(1 << 15) instanceof WasmGrid);
  t.true(gridOf(10) instanceof PlainGrid);
});

test("kernel and twin hold the same sums, rows together or one by one, and give the same means (GR1)", (t) => {
  fc.assert(
    fc.property(rows, rows, fc.constantFrom(0, BLOCK, 2), (first, second, from) => {
      const n = Math.min(first[0]!.values.length, LENGTH - from);
      const more = second.filter(({ values }) => values.length >= n);
      const cut = (some: readonly Row[]): Row[] => some.map(({ values, w }) => ({ values: values.subarray(0, n), w }));
      t.is(fast!.add(cut(first), from, true), n);
      for (const [k, row] of cut(first).entries()) t.is(plain.add([row], from, k === 0), n);
      if (more.length > 0) for (const grid of [fast!, plain]) t.is(grid.add(cut(more), from, false), n);
      for (let i = from; i < from + n; i++)
        if (exact(fast!, i) !== exact(plain, i)) t.is(exact(fast!, i), exact(plain, i));
      const [a, b] = [new Float32Array(n), new Float32Array(n)];
      fast!.mean(a, from, 65_536, 1234.5);
      plain.mean(b, from, 65_536, 1234.5);
      t.deepEqual(Buffer.from(a.buffer), Buffer.from(b.buffer));
    }),
    { numRuns: 300 },
  );
});

for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.1e9, -3e38]) {
  test(`a block with ${bad} in any row is not touched (GR2)`, (t) => {
    fc.assert(
      fc.property(rows, fc.nat(), fc.nat(), (given, row, at) => {
        const n = given[0]!.values.length;
        for (const grid of [fast!, plain]) {
          grid.add([{ values: new Float32Array(n), w: 1 }], 0, true);
          const some = given.map(({ values, w }) => ({ values: values.slice(), w }));
          some[row % some.length]!.values[at % n] = bad;
          const added = grid.add(some, 0, false);
          t.true(added <= at % n && at % n < added + BLOCK);
          for (let i = added; i < n; i++) if (grid.hi[i] !== 0 || grid.lo[i] !== 0) t.fail(`element ${i}`);
        }
      }),
      { numRuns: 60 },
    );
  });
}
