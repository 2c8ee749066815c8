/** norm_clipped and centered_clipping against their equations. */
import test from "ava";
import fc from "fast-check";
import { centeredClipping } from "../../actors/aggregation/centered-clipping.ts";
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { normClipped } from "../../actors/aggregation/norm-clipped.ts";
import type { Update } from "../../src/parts/aggregation.ts";
import { aggregate, aggregationContract, updatesOf } from "../contract/aggregation.ts";
import { normals, updatesFrom, vectorOf } from "../support/updates.ts";

// longer than any update of the contract's: then one alone is the result
aggregationContract(test, "norm_clipped", () => normClipped, { norm: 1e9 });
aggregationContract(test, "centered_clipping", () => centeredClipping, { radius: 1e9 });
aggregationContract(test, "norm_clipped short", () => normClipped, { norm: 1 }, { one: false });
aggregationContract(test, "centered_clipping short", () => centeredClipping, {}, { one: false });

const minus = (a: ArrayLike<number>, b: ArrayLike<number>): number[] => Array.from(a, (x, j) => x - b[j]!);
const clip = (x: readonly number[], most: number): number[] => x.map((e) => e / Math.max(1, Math.hypot(...x) / most));
const near = (got: ArrayLike<number>, want: readonly number[], slack = 1e-5): boolean =>
  want.every((x, j) => Math.abs(got[j]! - x) <= slack * Math.max(1, Math.abs(x)));
const models = fc
  .array(fc.integer({ min: -50, max: 50 }), { minLength: 5, maxLength: 5 })
  .map((v) => Float32Array.from(v));

test("norm_clipped is the model and the weighted mean of shortened differences", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(5), models, fc.constantFrom(0.1, 5, 700), async (updates, global, norm) => {
      const out = await aggregate(normClipped.create({ norm }), updates, undefined, { global });
      const n = updates.reduce((sum, u) => sum + u.weight, 0);
      const want = [...global].map(
        (w, j) => w + updates.reduce((s, u) => s + (u.weight / n) * clip(minus(u.values, global), norm)[j]!, 0),
      );
      t.true(near(out, want), `${out} is not ${want}`);
    }),
    { numRuns: 200 },
  ));

test("norm_clipped of updates that are all short enough is FedAvg", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(5), async (updates) => {
      const out = await aggregate(normClipped.create({ norm: 1e6 }), updates);
      t.deepEqual(out, await aggregate(fedavg.create(), updates));
    }),
  ));

test("centered_clipping goes on from the step of the round before", (t) =>
  fc.assert(
    fc.asyncProperty(
      fc.array(updatesOf(5, 5), { minLength: 1, maxLength: 4 }),
      fc.constantFrom(1, 10, 1000),
      async (rounds, radius) => {
        const rule = centeredClipping.create({ radius });
        let global: Float32Array = new Float32Array(5);
        let v = [0, 0, 0, 0, 0];
        for (const [k, updates] of rounds.entries()) {
          const from = global;
          const pulls = updates.map((u) => clip(minus(minus(u.values, from), v), radius));
          v = v.map((x, j) => x + pulls.reduce((s, p) => s + p[j]!, 0) / updates.length);
          global = await aggregate(rule, updates, undefined, { round: k + 1, global });
          const want = v.map((x, j) => from[j]! + x);
          t.true(near(global, want, 1e-4), `round ${k + 1}: ${global} is not ${want}`);
        }
      },
    ),
    { numRuns: 100 },
  ));

test("whoever sends whatever moves the model by his share of the bound at most", async (t) => {
  const honest = Array.from({ length: 4 }, (_, k) => normals(k, 8, 0.1, 1));
  const hostile: readonly number[] = normals(9, 8, 1e8);
  const layout = vectorOf(8);
  for (const [part, options] of [
    [normClipped, { norm: 10 }],
    [centeredClipping, { radius: 10 }],
  ] as const) {
    const play = (rows: (readonly number[])[]): Promise<Float32Array> =>
      aggregate(part.create(options), updatesFrom(rows) as Update[], layout);
    const apart = Math.hypot(...minus(await play([...honest, hostile]), await play([...honest, honest[0]!])));
    t.true(apart <= (2 * 10) / 5 + 1e-3, `${part.name}: ${apart}`);
  }
});

test("a model and updates moved by the same are moved by as much", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(5, 4), models, async (given, by) => {
      const updates = given.map((u) => ({ ...u, values: u.values.map(Math.round) }));
      const moved = updates.map((u) => ({ ...u, values: u.values.map((x, j) => x + by[j]!) }));
      for (const part of [normClipped.create({ norm: 3 }), centeredClipping.create()]) {
        const here = await aggregate(part, updates);
        const there = await aggregate(part, moved, undefined, { global: by });
        t.true(
          near(
            there,
            [...here].map((x, j) => x + by[j]!),
            1e-5,
          ),
        );
      }
    }),
    { numRuns: 50 },
  ));

test("a bound there is for no model is to be given", (t) => {
  t.throws(() => normClipped.create(), { code: "FL_PLAN_INVALID", message: /norm/ });
});
