import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { FlError } from "../../src/errors.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { parseSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";

/** names that are integers are left to the test below: JSON reorders them (S3) */
const name = fc
  .string({ minLength: 1, maxLength: 12, unit: "binary" })
  .filter((s) => s !== "__metadata__" && !/^\d+$/.test(s));
const layout = fc
  .uniqueArray(name, { minLength: 1, maxLength: 6 })
  .chain((names) => fc.tuple(...names.map((n) => fc.tuple(fc.constant(n), fc.array(fc.nat(5), { maxLength: 3 })))))
  .map((specs) => layoutOf(specs.map(([n, shape]) => ({ name: n, dtype: "f32", shape }))));
const metadata = fc.dictionary(
  fc.string({ maxLength: 8 }).filter((s) => s !== "__proto__"),
  fc.string({ maxLength: 8 }),
  {
    noNullPrototype: true,
  },
);

const one = layoutOf([{ name: "w", dtype: "f32", shape: [2, 2] }]);
const oneFile = writeSafetensors(one, Float32Array.of(1, -2, 0.5, 3), { format: "pt" });

/** a file of any header and data */
function file(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([size, json, data]);
}

function refusal(t: ExecutionContext, bytes: Uint8Array): string {
  try {
    parseSafetensors(bytes);
    return "parsed";
  } catch (e) {
    if (!(e instanceof FlError)) throw e;
    t.true(e.code === "FL_FRAME_MALFORMED" || e.code === "FL_LAYOUT_MISMATCH", e.code);
    return e.code;
  }
}

test("what is written is read back: layout, bits, metadata (S1)", (t) => {
  fc.assert(
    fc.property(layout, metadata, fc.integer(), (given, meta, seed) => {
      const words = Uint32Array.from({ length: given.length }, (_, i) => Math.imul(seed ^ i, 0x9e3779b1));
      const values = new Float32Array(words.buffer);
      const back = parseSafetensors(writeSafetensors(given, values, meta));
      t.is(back.layout.digest, given.digest);
      t.deepEqual({ ...back.metadata }, { ...meta });
      const got = new Uint8Array(back.values.buffer, back.values.byteOffset, back.values.byteLength);
      t.is(Buffer.compare(got, new Uint8Array(words.buffer)), 0);
    }),
  );
});

test("golden: the bytes of a file", (t) => {
  const text = Buffer.from(oneFile).toString("latin1");
  const header = '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}';
  t.is(oneFile.length, 8 + header.length + 16);
  t.is(oneFile[0], header.length);
  t.is(text.slice(8, 8 + header.length), header);
  t.is(Buffer.from(oneFile.subarray(-16)).toString("hex"), "0000803f000000c00000003f00004040");
});

test("the data begins at a multiple of 8, padded with spaces", (t) => {
  for (const n of ["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh"]) {
    const bytes = writeSafetensors(layoutOf([{ name: n, dtype: "f32", shape: [1] }]), Float32Array.of(1));
    t.is((bytes.length - 4) % 8, 0);
    t.deepEqual([...parseSafetensors(bytes).values], [1]);
  }
});

test("values are read at every alignment (S4)", (t) => {
  for (let shift = 0; shift < 8; shift++) {
    const bytes = new Uint8Array(oneFile.length + 8).subarray(shift, shift + oneFile.length);
    bytes.set(oneFile);
    const { values } = parseSafetensors(bytes);
    t.deepEqual([...values], [1, -2, 0.5, 3]);
    t.is(values.buffer === bytes.buffer, shift % 4 === 0);
  }
});

test("the layout follows the data, not the header; names that are integers keep their order (S3)", (t) => {
  const data = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
  const { layout: got } = parseSafetensors(
    file(
      { b: { dtype: "F32", shape: [2], data_offsets: [4, 12] }, a: { dtype: "F32", shape: [], data_offsets: [0, 4] } },
      data,
    ),
  );
  t.deepEqual(
    got.tensors.map((x) => x.name),
    ["a", "b"],
  );
  const given = layoutOf(["7", "2", "__proto__", "0"].map((n) => ({ name: n, dtype: "f32", shape: [1] })));
  t.is(parseSafetensors(writeSafetensors(given, new Float32Array(4))).layout.digest, given.digest);
});

const entry = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
const four = new Uint8Array(4);
for (const [what, bytes, code] of [
  ["an empty file", new Uint8Array(0), "FL_FRAME_MALFORMED"],
  ["a header longer than the file", Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 123), "FL_FRAME_MALFORMED"],
  ["a header that is not JSON", file("{nonsense"), "FL_FRAME_MALFORMED"],
  ["a header that is not UTF-8", Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0x7d), "FL_FRAME_MALFORMED"],
  ["a header that is a list", file([]), "FL_FRAME_MALFORMED"],
  ["a header after blanks", file(" {}"), "FL_FRAME_MALFORMED"],
  ["no tensors", file({}), "FL_LAYOUT_MISMATCH"],
  ["another dtype", file({ a: { ...entry, dtype: "F16" } }, four), "FL_LAYOUT_MISMATCH"],
  ["no dtype", file({ a: { shape: [1], data_offsets: [0, 4] } }, four), "FL_FRAME_MALFORMED"],
  ["a tensor that is null", file({ a: null }, four), "FL_FRAME_MALFORMED"],
  ["a negative dimension", file({ a: { ...entry, shape: [-1] } }, four), "FL_FRAME_MALFORMED"],
  ["a shape that does not make its bytes", file({ a: { ...entry, shape: [2] } }, four), "FL_FRAME_MALFORMED"],
  ["a huge shape", file({ a: { ...entry, shape: [2 ** 52, 2 ** 52, 2 ** 52] } }, four), "FL_FRAME_MALFORMED"],
  ["offsets that are one number", file({ a: { ...entry, data_offsets: [0] } }, four), "FL_FRAME_MALFORMED"],
  ["offsets that run backwards", file({ a: { ...entry, data_offsets: [4, 0] } }, four), "FL_FRAME_MALFORMED"],
  ["a gap", file({ a: { ...entry, data_offsets: [4, 8] } }, new Uint8Array(8)), "FL_FRAME_MALFORMED"],
  ["an overlap", file({ a: entry, b: entry }, new Uint8Array(8)), "FL_FRAME_MALFORMED"],
  ["data missing", file({ a: entry }), "FL_FRAME_MALFORMED"],
  ["data left over", file({ a: entry }, new Uint8Array(5)), "FL_FRAME_MALFORMED"],
  ["metadata that is not text", file({ __metadata__: { a: 1 }, a: entry }, four), "FL_FRAME_MALFORMED"],
  ["metadata that is a list", file({ __metadata__: [], a: entry }, four), "FL_FRAME_MALFORMED"],
] as const) {
  test(`refused: ${what} (S2)`, (t) => {
    t.is(refusal(t, bytes), code);
  });
}

test("every truncation is malformed (S2)", (t) => {
  for (let n = 0; n < oneFile.length; n++) t.is(refusal(t, oneFile.subarray(0, n)), "FL_FRAME_MALFORMED");
});

test("no damage does anything but parse or be refused (S2)", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(oneFile.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (damage) => {
        const bytes = Uint8Array.from(oneFile);
        for (const [at, byte] of damage) bytes[at] = byte;
        t.truthy(refusal(t, bytes));
      },
    ),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.json(), fc.uint8Array({ maxLength: 8 }), (json, data) =>
      t.not(refusal(t, file(json, data)), "parsed"),
    ),
  );
});

test("what cannot be written is refused", (t) => {
  t.is(t.throws(() => writeSafetensors(one, new Float32Array(3)), { instanceOf: FlError })?.code, "FL_LAYOUT_MISMATCH");
  const reserved = layoutOf([{ name: "__metadata__", dtype: "f32", shape: [1] }]);
  t.is(
    t.throws(() => writeSafetensors(reserved, new Float32Array(1)), { instanceOf: FlError })?.code,
    "FL_LAYOUT_MISMATCH",
  );
});
