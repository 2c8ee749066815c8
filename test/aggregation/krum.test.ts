/** Krum, Multi-Krum and Bulyan against their definitions, written down once more over plain arrays. */
import test from "ava";
import fc from "fast-check";
import { bulyan } from "../../actors/aggregation/bulyan.ts";
import { krum } from "../../actors/aggregation/krum.ts";
import { multiKrum } from "../../actors/aggregation/multi-krum.ts";
import type { AggregationPart, Update } from "../../src/parts/aggregation.ts";
import { aggregate, aggregationContract, updatesOf } from "../contract/aggregation.ts";
import { normals, updatesFrom, vectorOf } from "../support/updates.ts";

aggregationContract(test, "krum", () => krum);
aggregationContract(test, "multi_krum", () => multiKrum);
aggregationContract(test, "bulyan", () => bulyan);

async function resultOf(part: AggregationPart, updates: readonly Update[], options = {}): Promise<number[]> {
  const rule = part.create(options);
  try {
    return [...(await aggregate(rule, updates, vectorOf(updates[0]!.values.length)))];
  } finally {
    await rule.dispose?.();
  }
}

// --- by the definitions ---------------------------------------------------------------------------------------------

const square = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, j) => sum + (x - b[j]!) ** 2, 0);

function score(i: Update, among: readonly Update[], nearest: number): number {
  const squares = among.filter((j) => j !== i).map((j) => square(i.values, j.values));
  return squares
    .sort((a, b) => a - b)
    .slice(0, Math.max(1, nearest))
    .reduce((sum, x) => sum + x, 0);
}
/** Of equal scores, the one that is closer to all comes first; what ties then is told apart by no definition. */
function ranked(among: readonly Update[], f: number): { order: Update[]; told: boolean } {
  const rated = among.map((update) => ({
    update,
    by: [score(update, among, among.length - f - 2), score(update, among, among.length)] as const,
  }));
  rated.sort((a, b) => a.by[0] - b.by[0] || a.by[1] - b.by[1]);
  const told = rated.every(({ by }, i) => i === 0 || by.join() !== rated[i - 1]!.by.join());
  return { order: rated.map((r) => r.update), told };
}

const meanOf = (updates: readonly Update[], j: number): number =>
  Math.fround(updates.reduce((sum, u) => sum + u.values[j]!, 0) / updates.length);

function slowBulyan(updates: readonly Update[], f: number): { chosen: Update[]; out: number[]; told: boolean } {
  let left = [...updates];
  const chosen: Update[] = [];
  let told = true;
  while (chosen.length < updates.length - 2 * f) {
    const { order, told: now } = ranked(left, f);
    told &&= now;
    chosen.push(order[0]!);
    left = left.filter((u) => u !== order[0]);
  }
  const out = [...updates[0]!.values].map((_, j) => {
    const values = chosen.map((u) => u.values[j]!).sort((a, b) => a - b);
    const median = (values[(values.length - 1) >> 1]! + values[values.length >> 1]!) / 2;
    const closest = values.toSorted((a, b) => Math.abs(a - median) - Math.abs(b - median));
    const kept = closest.slice(0, values.length - 2 * f);
    return kept.reduce((sum, x) => sum + x, 0) / kept.length;
  });
  return { chosen, out, told };
}

/** whole numbers, so that no sum depends on its order */
const whole = (least: number, most: number) =>
  updatesOf(4, most)
    .filter((u) => u.length >= least)
    .map((updates) => updates.map((u) => ({ ...u, values: u.values.map(Math.round) })));

test("C04 krum is the update of the least score, multi_krum the mean of the m least", (t) =>
  fc.assert(
    fc.asyncProperty(whole(5, 12), fc.nat(4), async (updates, more) => {
      const f = Math.min(more, Math.floor((updates.length - 3) / 2));
      const { order, told } = ranked(updates, f);
      fc.pre(told);
      t.deepEqual(await resultOf(krum, updates, { byzantine: f }), [...order[0]!.values]);
      for (const select of [1, 2, undefined]) {
        const best = order.slice(0, select ?? updates.length - f);
        const out = await resultOf(multiKrum, updates, { byzantine: f, ...(select === undefined ? {} : { select }) });
        t.deepEqual(
          out,
          [0, 1, 2, 3].map((j) => meanOf(best, j)),
        );
      }
    }),
    { numRuns: 200 },
  ));

test("C04 bulyan is what its paper says, its scores worked out anew after each choice", (t) =>
  fc.assert(
    fc.asyncProperty(whole(7, 16), async (updates) => {
      const f = Math.floor((updates.length - 3) / 4);
      const { out, told } = slowBulyan(updates, f);
      fc.pre(told);
      for (const [j, x] of (await resultOf(bulyan, updates)).entries()) {
        t.true(Math.abs(x - out[j]!) <= 1e-6 * Math.max(1, Math.abs(out[j]!)), `${x} is not ${out[j]}`);
      }
    }),
    { numRuns: 100 },
  ));

test("C04 bulyan's choices, one after the other, are not those of the best scores at once", async (t) => {
  // seven on a line, f = 1: five are chosen. At once 0, 1, 2, 3, 4, whose middle three are 1, 2, 3; one by one 1, 2, 3, 4, 9
  const updates = updatesFrom([0, 1, 2, 3, 4, 9, 10].map((x) => [x]));
  const values = (all: readonly Update[]): number[] => all.map((u) => u.values[0]!).sort((a, b) => a - b);
  t.deepEqual(values(ranked(updates, 1).order.slice(0, 5)), [0, 1, 2, 3, 4]);
  t.deepEqual(values(slowBulyan(updates, 1).chosen), [1, 2, 3, 4, 9]);
  t.deepEqual(await resultOf(bulyan, updates, { byzantine: 1 }), [3]);
});

test("krum golden: four near each other and one far away, worked out by hand", async (t) => {
  // f = 1: the two nearest count. 0: 1+9; 1: 1+4; 3: 4+9 (of 1, 0; 6 is as far as 0); 6: 9+25; 100 has the others far off
  const updates = updatesFrom([[0], [1], [3], [6], [100]]);
  t.deepEqual(await resultOf(krum, updates, { byzantine: 1 }), [1]);
  t.deepEqual(await resultOf(multiKrum, updates, { byzantine: 1, select: 2 }), [0.5]);
  t.deepEqual(await resultOf(multiKrum, updates, { byzantine: 1 }), [2.5]);
});

test("late in training krum takes the update that an f64 oracle takes: distances are of differences, not of squares", async (t) => {
  const length = 20_000;
  const model = normals(1, length, 0.05).map(Math.fround);
  for (const sigma of [1e-4, 1e-5, 1e-6]) {
    const updates = updatesFrom(
      Array.from({ length: 10 }, (_, k) => {
        const step = normals(100 + k, length, sigma * (1 + k / 20));
        return model.map((w, j) => w + step[j]!);
      }),
    );
    const want = ranked(updates, 2).order[0]!;
    t.deepEqual(await resultOf(krum, updates, { byzantine: 2 }), [...want.values], `σ = ${sigma}`);
  }
});

test("as many hostile updates as f says do not get into krum, nor move multi_krum and bulyan beyond the others", async (t) => {
  const honest = (n: number) => Array.from({ length: n }, (_, k) => normals(k, 6, 0.1, 1));
  const within = (out: readonly number[], n: number): boolean =>
    out.every((x, j) => {
      const all = honest(n).map((row) => Math.fround(row[j]!));
      return x >= Math.min(...all) && x <= Math.max(...all);
    });
  for (const hostile of [1e9, -1e6, 50]) {
    const bad = (f: number) => Array.from({ length: f }, () => Array<number>(6).fill(hostile));
    for (const [part, n, f] of [
      [krum, 5, 2],
      [multiKrum, 5, 2],
      [bulyan, 9, 2],
    ] as const) {
      t.true(within(await resultOf(part, updatesFrom([...honest(n), ...bad(f)]), { byzantine: f }), n), part.name);
      t.true(within(await resultOf(part, updatesFrom([...honest(n), ...bad(f)])), n), `${part.name} by itself`);
    }
  }
});

test("one element far off, in an update near the others otherwise, does not get through bulyan", async (t) => {
  const rows = Array.from({ length: 7 }, (_, k) => normals(k, 10_000, 1));
  rows[3]![5] = 60; // within the noise of ‖·‖, which krum goes by
  const updates = updatesFrom(rows);
  const out = await resultOf(bulyan, updates, { byzantine: 1 });
  t.true(Math.abs(out[5]!) < 3, `${out[5]}`);
});

test("moved updates are chosen as they were", (t) =>
  fc.assert(
    fc.asyncProperty(whole(5, 9), fc.integer({ min: -64, max: 64 }), async (updates, by) => {
      fc.pre(ranked(updates, 1).told);
      const moved = updates.map((u) => ({ ...u, values: u.values.map((x) => x + by) }));
      const here = await resultOf(krum, updates, { byzantine: 1 });
      t.deepEqual(
        await resultOf(krum, moved, { byzantine: 1 }),
        here.map((x) => x + by),
      );
    }),
    { numRuns: 50 },
  ));

test("fewer updates than f needs make no model, and the reason says how many do", async (t) => {
  const four = updatesFrom([[1], [2], [3], [4]]);
  await t.throwsAsync(resultOf(krum, four, { byzantine: 1 }), {
    code: "FL_PART_FAILED",
    message: /krum needs 5 updates with these options, there are 4; give the plan a quorum of 5/,
  });
  await t.throwsAsync(resultOf(bulyan, four, { byzantine: 1 }), { message: /needs 7 updates/ });
  await t.throwsAsync(resultOf(multiKrum, four, { select: 5 }), { message: /needs 5 updates/ });
  t.is((await resultOf(krum, four)).length, 1, "f follows from their number unless it is given");
});
