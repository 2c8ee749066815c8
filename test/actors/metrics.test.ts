import test from "ava";
import fc from "fast-check";
import { averaged, byTask } from "../../actors/aggregator/metrics.ts";
import type { Contribution } from "../../actors/aggregator/workbench.ts";

const one = (weight: number, task: string, values: Record<string, number>): Contribution => ({
  weight,
  metrics: [{ task, values }],
});

test("a metric is averaged by the weight of its collaborator", (t) => {
  t.deepEqual(averaged([one(1, "train", { loss: 4 }), one(3, "train", { loss: 8 })]), { "train.loss": 7 });
});

test("where a task says over how many samples, it is averaged by them, and they add up", (t) => {
  const contributions = [
    one(1000, "validate", { accuracy: 0.5, samples: 10 }),
    one(1, "validate", { accuracy: 1, samples: 30 }),
  ];
  t.deepEqual(averaged(contributions), { "validate.accuracy": 0.875, "validate.samples": 40 });
});

test("a task without samples counts by weight, beside one with them", (t) => {
  const contributions = [
    one(2, "validate", { accuracy: 0, samples: 0 }),
    one(2, "validate", { accuracy: 1, samples: 2 }),
  ];
  t.deepEqual(averaged(contributions), { "validate.accuracy": 0.5, "validate.samples": 2 });
});

test("who did not report a metric has no part in it", (t) => {
  t.deepEqual(averaged([one(1, "train", { loss: 2 }), one(9, "train", { accuracy: 1 })]), {
    "train.loss": 2,
    "train.accuracy": 1,
  });
  t.deepEqual(averaged([]), {});
});

test("a mean lies between the least and the most that was reported", (t) => {
  const contribution = fc.record({
    weight: fc.integer({ min: 1, max: 1e6 }),
    value: fc.double({ min: -1e3, max: 1e3, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(contribution, { minLength: 1, maxLength: 20 }), (all) => {
      const mean = averaged(all.map((c) => one(c.weight, "t", { m: c.value })))["t.m"]!;
      const values = all.map((c) => c.value);
      const slack = 1e-9;
      t.true(mean >= Math.min(...values) - slack && mean <= Math.max(...values) + slack);
    }),
  );
});

test("byTask takes names apart again, metrics with dots included", (t) => {
  const means = { "train.loss": 1, "train.top.5": 2, "validate.loss": 3 };
  t.deepEqual(
    [...byTask(means)],
    [
      ["train", { loss: 1, "top.5": 2 }],
      ["validate", { loss: 3 }],
    ],
  );
});
