/** The geometric median against RFA's Algorithm 2, written down once more, and against what a geometric median is. */
import test from "ava";
import fc from "fast-check";
import { geometricMedian } from "../../actors/aggregation/geometric-median.ts";
import type { Update } from "../../src/parts/aggregation.ts";
import { aggregate, aggregationContract, updatesOf } from "../contract/aggregation.ts";
import { normals, updatesFrom, vectorOf } from "../support/updates.ts";

aggregationContract(test, "geometric_median", () => geometricMedian);

async function resultOf(updates: readonly Update[], options = {}): Promise<number[]> {
  const rule = geometricMedian.create(options);
  try {
    return [...(await aggregate(rule, updates, vectorOf(updates[0]!.values.length)))];
  } finally {
    await rule.dispose?.();
  }
}

/** Algorithm 2, v held as a whole; α never changes. */
function weiszfeld(updates: readonly Update[], steps: number, smoothing = 1e-6): number[] {
  const n = updates.reduce((sum, u) => sum + u.weight, 0);
  const alphas = updates.map((u) => u.weight / n);
  const mix = (shares: readonly number[]): number[] => {
    const sum = shares.reduce((a, b) => a + b, 0);
    return [...updates[0]!.values].map((_, j) => updates.reduce((s, u, k) => s + shares[k]! * u.values[j]!, 0) / sum);
  };
  let v = mix(alphas);
  for (let r = 0; r < steps; r++) {
    v = mix(alphas.map((a, k) => a / Math.max(smoothing, Math.hypot(...v.map((x, j) => x - updates[k]!.values[j]!)))));
  }
  return v;
}
const near = (got: readonly number[], want: readonly number[], slack: number): boolean =>
  got.every((x, j) => Math.abs(x - want[j]!) <= slack * Math.max(1, Math.abs(want[j]!)));

test("C04 it is smoothed Weiszfeld over whole models: three steps from the mean, weights never compounded", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(5), fc.constantFrom(undefined, 1, 8), async (updates, iterations) => {
      const out = await resultOf(updates, iterations === undefined ? {} : { iterations });
      const want = weiszfeld(updates, iterations ?? 3);
      t.true(near(out, want, 1e-5), `${out} is not ${want}`);
    }),
    { numRuns: 200 },
  ));

test("C04 it comes to the point that a geometric median is: in the plane, the one of 120° to a triangle's corners", async (t) => {
  // Fermat's point of (0,0), (4,0), (2, 2√3) is its centre; of a triangle with a corner of 120° or more it is that corner
  const corners = [
    [0, 0],
    [4, 0],
    [2, 2 * Math.sqrt(3)],
  ] as const;
  t.true(near(await resultOf(updatesFrom(corners), { iterations: 1000 }), [2, 2 / Math.sqrt(3)], 1e-4));
  const blunt = updatesFrom([
    [-10, 1],
    [0, 0],
    [10, 1],
  ]);
  t.true(near(await resultOf(blunt, { iterations: 1000 }), [0, 0], 1e-3));
  // twice the weight is two of them: here the corner wins
  const heavy = updatesFrom(corners, [2, 1, 1]);
  t.true(near(await resultOf(heavy, { iterations: 1000 }), [0, 0], 1e-3));
});

test("moved and scaled updates have their geometric median moved and scaled", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(3), fc.integer({ min: -100, max: 100 }), async (given, by) => {
      const updates = given.map((u) => ({ ...u, values: u.values.map(Math.round) }));
      const moved = updates.map((u) => ({ ...u, values: u.values.map((x) => 2 * x + by) }));
      const want = (await resultOf(updates)).map((x) => 2 * x + by);
      t.true(near(await resultOf(moved, { smoothing: 2e-6 }), want, 1e-4));
    }),
    { numRuns: 50 },
  ));

test("hostile updates of less than half of the weight do not carry it off, wherever they lie", async (t) => {
  const honest = Array.from({ length: 7 }, (_, k) => normals(k, 8, 0.1, 1));
  for (const at of [10, 1e4, 1e9]) {
    const hostile = Array.from({ length: 4 }, () => Array<number>(8).fill(at));
    const out = await resultOf(updatesFrom([...honest, ...hostile]), { iterations: 200 });
    // ‖v − c‖ ≤ 2 (1 − α) / (1 − 2 α) · r, all honest ones within r of c (Lopuhaä and Rousseeuw 1991)
    const r = Math.max(...honest.map((row) => Math.hypot(...row.map((x) => x - 1))));
    const far = Math.hypot(...out.map((x) => x - 1));
    t.true(far <= ((2 * (7 / 11)) / (3 / 11)) * r, `${far} with hostile ones at ${at}`);
  }
});
