import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import fc from "fast-check";
import { FlError } from "../../src/errors.ts";
import { Spill } from "../../src/tensor/spill.ts";

const row = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.fround(seed * 1000 + i));

test("any block of any rows, in any order, is what was appended (P1)", async (t) => {
  const length = 37;
  const spill = await Spill.open(length);
  t.teardown(() => spill.dispose());
  const rows = Array.from({ length: 9 }, (_, k) => row(length, k));
  // all at once: rows written together must not overlap
  const numbers = await Promise.all(rows.map((r) => spill.append(r)));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(8), { maxLength: 12 }), fc.nat(length), fc.nat(length), async (which, a, b) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const got = await spill.read(
        which.map((k) => numbers[k] as number),
        from,
        to,
      );
      t.deepEqual(
        got.map((c) => [...c]),
        which.map((k) => [...(rows[k] as Float32Array).subarray(from, to)]),
      );
    }),
  );
});

test("bits that are no number survive (P1)", async (t) => {
  const spill = await Spill.open(2);
  t.teardown(() => spill.dispose());
  const odd = new Float32Array(Uint32Array.of(0x7fa0_0001, 0x8000_0000).buffer);
  const [got] = await spill.read([await spill.append(odd)], 0, 2);
  const words = new Uint32Array((got as Float32Array).buffer, (got as Float32Array).byteOffset, 2);
  t.deepEqual([...words], [0x7fa0_0001, 0x8000_0000]);
});

test("reads reuse one block of memory (P2)", async (t) => {
  const spill = await Spill.open(100);
  t.teardown(() => spill.dispose());
  const numbers = [await spill.append(row(100, 1)), await spill.append(row(100, 2))];
  const first = (await spill.read(numbers, 0, 50))[0];
  const second = (await spill.read(numbers, 50, 100))[1];
  t.is(first?.buffer, second?.buffer);
});

test("cleared, the file takes new rows in place of the old", async (t) => {
  const spill = await Spill.open(4);
  t.teardown(() => spill.dispose());
  await spill.append(row(4, 1));
  spill.clear();
  const n = await spill.append(row(4, 2));
  t.is(n, 0);
  t.deepEqual([...((await spill.read([n], 0, 4))[0] as Float32Array)], [...row(4, 2)]);
});

test("nothing is left of it, and on POSIX nothing is to be seen while it is open (P3)", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "entente-test-"));
  t.teardown(() => rm(dir, { recursive: true }));
  const spill = await Spill.open(3, dir);
  await spill.append(row(3, 1));
  if (process.platform !== "win32") t.deepEqual(await readdir(dir), []);
  await spill.dispose();
  t.deepEqual(await readdir(dir), []);
});

test("a row of another length and a row that was never written are refused", async (t) => {
  const spill = await Spill.open(3);
  t.teardown(() => spill.dispose());
  t.is((await t.throwsAsync(spill.append(new Float32Array(2)), { instanceOf: FlError }))?.code, "FL_LAYOUT_MISMATCH");
  t.is((await t.throwsAsync(spill.read([0], 0, 3), { instanceOf: FlError }))?.code, "FL_INTERNAL");
});
