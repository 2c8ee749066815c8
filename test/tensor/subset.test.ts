import test from "ava";
import { layoutOf } from "../../src/tensor/layout.ts";
import { matches } from "../../src/tensor/pattern.ts";
import { Subset } from "../../src/tensor/subset.ts";

const layout = layoutOf(["a", "b", "c", "d"].map((name, i) => ({ name, dtype: "f32", shape: [i + 1] })));
const whole = Float32Array.from({ length: 10 }, (_, i) => i);

test("a subset keeps names and order; what is outside is neither read nor written (SU1, SU2)", (t) => {
  const subset = new Subset(layout, ({ name }) => name !== "b");
  t.deepEqual(
    subset.layout.tensors.map((x) => [x.name, x.offset, x.length]),
    [
      ["a", 0, 1],
      ["c", 1, 3],
      ["d", 4, 4],
    ],
  );
  const part = subset.take(whole, new Float32Array(8));
  t.deepEqual([...part], [0, 3, 4, 5, 6, 7, 8, 9]);
  t.deepEqual([...subset.lay(part, new Float32Array(10).fill(-1))], [0, -1, -1, 3, 4, 5, 6, 7, 8, 9]);
});

test("a subset of all is the layout itself; one of nothing is refused", (t) => {
  t.is(new Subset(layout, () => true).layout, layout);
  t.true(new Subset(layout, () => true).isWhole);
  t.throws(() => new Subset(layout, () => false), { code: "FL_LAYOUT_MISMATCH" });
});

test("a pattern matches whole names, * any text (PA1)", (t) => {
  for (const [pattern, name] of [
    ["bn*", "bn1/gamma"],
    ["*.gamma", "3.gamma"],
    ["*", ""],
    ["a*b*c", "aXbbYc"],
    ["3.gamma", "3.gamma"],
  ] as const)
    t.true(matches(pattern, name), `${pattern} ${name}`);
  for (const [pattern, name] of [
    ["bn", "bn1"],
    ["3.gamma", "3xgamma"],
    ["*.gamma", "gamma"],
    ["a*b", "abX"],
  ] as const)
    t.false(matches(pattern, name), `${pattern} ${name}`);
});
