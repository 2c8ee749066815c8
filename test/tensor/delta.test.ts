import test from "ava";
import fc from "fast-check";
import { differ, undiffer } from "../../src/tensor/delta.ts";

const f32 = fc.float({ min: -1e6, max: 1e6, noNaN: true });

test("a difference comes back within 2^-24 of itself and its value, and exactly near the model (DE1)", async (t) => {
  await fc.assert(
    fc.asyncProperty(f32, f32, fc.float({ min: 0.5, max: 2, noNaN: true }), async (value, model, factor) => {
      const near = Math.fround(model * factor);
      const [values, models] = [Float32Array.of(value, near), Float32Array.of(model, model)];
      await undiffer(differ(values, models), models);
      const bound = 2 ** -24 * (Math.abs(value - model) + Math.abs(value)) * (1 + 2 ** -20) + 2 ** -149;
      t.true(Math.abs(values[0]! - value) <= bound);
      t.is(values[1]! + 0, near + 0);
    }),
  );
});
