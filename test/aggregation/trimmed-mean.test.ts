/** The built-in trimmed mean, and the example, which keeps to the same contract through the public entry alone. */
import { readFile } from "node:fs/promises";
import test from "ava";
import fc from "fast-check";
import { trimmedMean as builtin } from "../../actors/aggregation/trimmed-mean.ts";
import trimmedMean from "../../examples/trimmed-mean.ts";
import { aggregate, aggregationContract, updatesOf } from "../contract/aggregation.ts";
import { updatesFrom, vectorOf } from "../support/updates.ts";

aggregationContract(test, "trimmed_mean", () => builtin);
aggregationContract(test, "trimmed_mean of halves", () => builtin, { trim: 0.49 });
aggregationContract(test, "trimmed mean", () => trimmedMean, { trim: 0.2 });

test("golden: of five the lowest and the highest are left out", async (t) => {
  const updates = [-1e9, 1, 2, 6, 1e9].map((x, k) => ({
    collaborator: `c${k}`,
    weight: 1,
    values: new Float32Array(5).fill(x),
  }));
  const rule = trimmedMean.create({ trim: 0.2 });
  t.deepEqual([...(await aggregate(rule, updates))], [3, 3, 3, 3, 3]);
  await rule.dispose?.();
});

test("it fits in fewer than 40 lines", async (t) => {
  const source = await readFile("examples/trimmed-mean.ts", "utf8");
  t.true(source.trimEnd().split("\n").length < 40);
});

test("the built-in rule gives what its definition says, of few and of many updates", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(5, 60), fc.constantFrom(0, 0.1, 0.2, 0.29, 0.45), async (updates, trim) => {
      const rule = builtin.create({ trim });
      const out = await aggregate(rule, updates);
      await rule.dispose?.();
      const cut = Math.floor((Math.round(trim * 100) * updates.length) / 100);
      for (let j = 0; j < 5; j++) {
        const sorted = updates.map((u) => u.values[j]!).sort((a, b) => a - b);
        const kept = sorted.slice(cut, sorted.length - cut);
        const want = Math.fround(kept.reduce((sum, x) => sum + x, 0) / kept.length);
        t.is(out[j]! + 0, want + 0); // of the two zeros either will do
      }
    }),
    { numRuns: 200 },
  ));

test("the share that is left out is that of hostile updates which move nothing beyond the others", async (t) => {
  const honest = [0.9, 1, 1.1, 1.2].map((x) => [x, -x]);
  for (const hostile of [
    [1e9, 1e9],
    [-1e9, 1e9],
  ]) {
    const rule = builtin.create();
    const [x, y] = await aggregate(rule, updatesFrom([...honest, hostile]), vectorOf(2));
    t.true(x! >= Math.fround(0.9) && x! <= Math.fround(1.2), `${x}`);
    t.true(y! <= Math.fround(-0.9) && y! >= Math.fround(-1.2), `${y}`);
    await rule.dispose?.();
  }
});
