import test from "ava";
import fc from "fast-check";
import { aggregations } from "../../actors/aggregation/builtin.ts";
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { aggregate, aggregationContract, updatesOf } from "../contract/aggregation.ts";

aggregationContract(test, "fedavg", () => fedavg);

test("a plan may name it", (t) => t.is(aggregations.fedavg, fedavg));

test("C04 golden: three updates, worked out by hand", async (t) => {
  // (10·1 + 30·2 + 60·4) / 100 = 3.1;  (10·-1 + 30·0.5 + 60·0) / 100 = 0.05
  const updates = [
    { collaborator: "a", weight: 10, values: Float32Array.of(1, -1, 0, 1e-8, 1e6) },
    { collaborator: "b", weight: 30, values: Float32Array.of(2, 0.5, 0, 1e-8, 1e6) },
    { collaborator: "c", weight: 60, values: Float32Array.of(4, 0, 0, 1e-8, 1e6) },
  ];
  t.deepEqual([...(await aggregate(fedavg.create(), updates))], [3.1, 0.05, 0, 1e-8, 1e6].map(Math.fround));
});

test("the result is the weighted average, as a slow implementation on big integers has it", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(5, 20), async (given) => {
      // weights in multiples of 2^-20 are integers here
      const updates = given.map((u) => ({
        ...u,
        weight: Math.max(2 ** -20, Math.round(u.weight * 2 ** 20) / 2 ** 20),
      }));
      const out = await aggregate(fedavg.create(), updates);
      const total = updates.reduce((sum, u) => sum + BigInt(u.weight * 2 ** 20), 0n);
      const size = updates.reduce((sum, u) => sum + Math.max(...u.values.map(Math.abs)) * u.weight, 0);
      const allowed = 2 ** -54 + (size / (Number(total) / 2 ** 20)) * 2 ** -50;
      for (let j = 0; j < 5; j++) {
        const sum = updates.reduce(
          (s, u) => s + BigInt((u.values[j] as number) * 2 ** 149) * BigInt(u.weight * 2 ** 20),
          0n,
        );
        // the quotient to 60 bits more than f32 holds, as a double
        const exact = Number((sum * 2n ** 60n) / total) / 2 ** 60 / 2 ** 149;
        const ulp = Math.max(2 ** -149, Math.abs(exact) * 2 ** -23);
        t.true(Math.abs((out[j] as number) - exact) <= ulp / 2 + allowed, `${out[j]} is not ${exact}`);
      }
    }),
    { numRuns: 200 },
  ));
