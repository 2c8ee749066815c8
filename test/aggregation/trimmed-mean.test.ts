/** The example keeps to the contract that built-in rules keep to, through the public entry alone. */
import { readFile } from "node:fs/promises";
import test from "ava";
import trimmedMean from "../../examples/trimmed-mean.ts";
import { aggregate, aggregationContract } from "../contract/aggregation.ts";

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
