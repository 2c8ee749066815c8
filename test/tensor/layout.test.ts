import test from "ava";
import fc from "fast-check";
import { FlError } from "../../src/errors.ts";
import { layoutOf, sameLayout, specsOf } from "../../src/tensor/layout.ts";

const spec = fc.record({ shape: fc.array(fc.nat(20), { maxLength: 4 }) });
const specs = fc
  .array(spec, { minLength: 1, maxLength: 8 })
  .map((all) => all.map(({ shape }, i) => ({ name: `t${i}`, dtype: "f32" as const, shape })));

test("tensors lie in the order given, without gaps (T1)", (t) => {
  fc.assert(
    fc.property(specs, (given) => {
      const layout = layoutOf(given);
      let at = 0;
      for (const [i, tensor] of layout.tensors.entries()) {
        t.is(tensor.name, `t${i}`);
        t.is(tensor.offset, at);
        t.is(
          tensor.length,
          tensor.shape.reduce((a, b) => a * b, 1),
        );
        at += tensor.length;
      }
      t.is(layout.length, at);
      t.is(layout.bytes, at * 4);
    }),
  );
});

test("a layout rebuilt from its specs is the same layout (T2)", (t) => {
  fc.assert(
    fc.property(specs, (given) => {
      const layout = layoutOf(given);
      t.deepEqual(layoutOf(specsOf(layout)), layout);
      t.deepEqual(specsOf(layout), given);
    }),
  );
});

test("names, shapes and order each change the digest (T2)", (t) => {
  const a = { name: "a", dtype: "f32", shape: [2, 3] };
  const b = { name: "b", dtype: "f32", shape: [4] };
  const variants = [
    [a, b],
    [b, a],
    [a],
    [{ ...a, shape: [3, 2] }, b],
    [{ ...a, shape: [6] }, b],
    [{ ...a, name: "c" }, b],
  ];
  t.is(new Set(variants.map((v) => layoutOf(v).digest)).size, variants.length);
});

test("the digest of a known layout stays what it is", (t) => {
  const layout = layoutOf([
    { name: "dense/kernel", dtype: "f32", shape: [784, 10] },
    { name: "dense/bias", dtype: "f32", shape: [10] },
  ]);
  t.is(layout.digest, "b3a6f8a8d81a3389eecd08f1461eff6beaee0ad5b02c06b3a3cb52d64076b609");
});

for (const [what, given] of [
  ["no tensor", []],
  ["a dtype that is not f32 (T3)", [{ name: "a", dtype: "f64", shape: [1] }]],
  ["a negative dimension", [{ name: "a", dtype: "f32", shape: [-1] }]],
  ["a fraction of a dimension", [{ name: "a", dtype: "f32", shape: [1.5] }]],
  ["an empty name", [{ name: "", dtype: "f32", shape: [1] }]],
  ["an unknown key", [{ name: "a", dtype: "f32", shape: [1], offset: 0 }]],
  ["more than 2^31 elements", [{ name: "a", dtype: "f32", shape: [2 ** 16, 2 ** 16] }]],
  [
    "two tensors of one name",
    [
      { name: "a", dtype: "f32", shape: [1] },
      { name: "a", dtype: "f32", shape: [1] },
    ],
  ],
  ["what is no tensor at all", [null]],
] as const) {
  test(`${what} is refused`, (t) => {
    t.is(t.throws(() => layoutOf(given), { instanceOf: FlError })?.code, "FL_LAYOUT_MISMATCH");
  });
}

test("sameLayout names the first difference", (t) => {
  const want = layoutOf([
    { name: "a", dtype: "f32", shape: [2] },
    { name: "b", dtype: "f32", shape: [3] },
  ]);
  t.notThrows(() => sameLayout(want, layoutOf(specsOf(want))));
  const other = layoutOf([
    { name: "a", dtype: "f32", shape: [2] },
    { name: "b", dtype: "f32", shape: [4] },
  ]);
  const e = t.throws(() => sameLayout(want, other), { instanceOf: FlError });
  t.is(e?.code, "FL_LAYOUT_MISMATCH");
  t.is(e?.detail.reason, "tensor 1 is b f32[4], expected b f32[3]");
  const fewer = layoutOf([{ name: "a", dtype: "f32", shape: [2] }]);
  t.is(
    t.throws(() => sameLayout(want, fewer), { instanceOf: FlError })?.detail.reason,
    "tensor 1 is absent, expected b f32[3]",
  );
});
