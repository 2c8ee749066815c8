import test from "ava";
import fc from "fast-check";
import { aggregations } from "../../actors/aggregation/builtin.ts";
import { median } from "../../actors/aggregation/median.ts";
import type { Update } from "../../src/parts/aggregation.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { aggregate, aggregationContract, updatesOf } from "../contract/aggregation.ts";

aggregationContract(test, "median", () => median);

test("a plan may name it", (t) => t.is(aggregations.median, median));

async function medianOf(updates: readonly Update[]): Promise<number[]> {
  const rule = median.create();
  const out = await aggregate(rule, updates);
  await rule.dispose?.();
  return [...out];
}

/** the median by its definition, one element at a time */
const slow = (updates: readonly Update[], length: number): number[] =>
  Array.from({ length }, (_, j) => {
    const sorted = updates.map((u) => u.values[j] as number).sort((a, b) => a - b);
    const n = sorted.length;
    return Math.fround(((sorted[(n - 1) >> 1] as number) + (sorted[n >> 1] as number)) / 2);
  });

test("C04 golden: odd and even numbers of updates, worked out by hand", async (t) => {
  const of = (collaborator: string, ...v: number[]): Update => ({
    collaborator,
    weight: 1,
    values: Float32Array.from(v),
  });
  const three = [of("a", 1, -5, 0, 7, 1e9), of("b", 2, -6, 0, 8, -1e9), of("c", 9, 4, 0, 7, 3)];
  t.deepEqual(await medianOf(three), [2, -5, 0, 7, 3]);
  t.deepEqual(await medianOf([...three, of("d", 3, -5.5, 1, 9, 4)]), [2.5, -5.25, 0, 7.5, 3.5]);
});

test("any number of updates gives the median of each element", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(5, 60), async (updates) => {
      t.deepEqual(await medianOf(updates), slow(updates, 5));
    }),
    { numRuns: 100 },
  ));

test("1 to 40 updates of many elements give the median of each element", async (t) => {
  const length = 1500;
  const layout = layoutOf([{ name: "w", dtype: "f32", shape: [length] }]);
  const rule = median.create();
  const all = Array.from({ length: 40 }, (_, k) => ({
    collaborator: `c${k}`,
    weight: k + 1,
    values: Float32Array.from(
      { length },
      (_, i) => Math.fround(Math.sin(i * 17 + k * k * 101) * 10 ** ((i % 17) - 8)) + 0,
    ),
  }));
  for (let n = 1; n <= 40; n++) {
    const updates = all.slice(0, n);
    t.deepEqual([...(await aggregate(rule, updates, layout))], slow(updates, length), `${n} updates`);
  }
  await rule.dispose?.();
});

test("less than half of the collaborators cannot move an element beyond the others", async (t) => {
  const honest = [0.9, 1, 1.1].map((x, k) => ({
    collaborator: `h${k}`,
    weight: 1,
    values: new Float32Array(5).fill(x),
  }));
  const hostile = [1e9, 1e9].map((x, k) => ({
    collaborator: `x${k}`,
    weight: 1_000_000,
    values: new Float32Array(5).fill(x),
  }));
  const out = await medianOf([...honest, ...hostile]);
  t.true(out.every((x) => x >= Math.fround(0.9) && x <= Math.fround(1.1)));
});
