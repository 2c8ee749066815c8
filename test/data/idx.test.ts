import { gzipSync } from "node:zlib";
import test from "ava";
import fc from "fast-check";
import { parseIdx, readIdx } from "../../src/data/idx.ts";

const good = Uint8Array.from([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]);

test("idx: reads raw and gzipped files alike", (t) => {
  for (const bytes of [good, gzipSync(good)]) {
    const { shape, values } = parseIdx(bytes);
    t.deepEqual(shape, [2, 3]);
    t.deepEqual([...values], [1, 2, 3, 4, 5, 6]);
  }
});

test("idx: a file that is cut, too long or of another kind is refused (I1)", (t) => {
  const changed = (at: number, value: number) => good.map((b, i) => (i === at ? value : b));
  for (const bytes of [
    good.subarray(0, 0),
    good.subarray(0, 9),
    good.subarray(0, 17),
    Uint8Array.from([...good, 7]),
    changed(0, 1),
    changed(2, 0x0d),
    changed(3, 0),
    changed(3, 200),
    changed(4, 255),
    gzipSync(good).subarray(0, 12),
  ]) {
    t.throws(() => parseIdx(bytes), { code: "FL_SHARD_INVALID" });
  }
});

test("idx: arbitrary bytes give values or FL_SHARD_INVALID, nothing else (I2)", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        t.true(parseIdx(Uint8Array.from([0, 0, 8, ...bytes])).values.length >= 0);
      } catch (e) {
        t.is((e as { code?: string }).code, "FL_SHARD_INVALID");
      }
    }),
  );
  t.pass();
});

test("idx: a file that is not there is refused by its path", async (t) => {
  const e = await t.throwsAsync(readIdx("/nowhere/x-idx1"), { code: "FL_SHARD_INVALID" });
  t.regex(e.message, /nowhere/);
});
