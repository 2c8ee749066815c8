import { createHash } from "node:crypto";
import test from "ava";
import { CHUNK_BYTES } from "../../src/tensor/frame.ts";
import { readChunk, readUpload, upload } from "../../src/transfer/upload.ts";
import { subjects } from "../../src/wire/table.ts";
import { testWorld } from "../support/ports.ts";

const bytesOf = (length: number, seed = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * seed) % 253);

test("what was uploaded is read back, whole or by the chunk, whatever its size (U1)", async (t) => {
  const wire = testWorld().wire("ann");
  const journal = await wire.journal("uploads");
  for (const length of [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 3]) {
    const bytes = bytesOf(length);
    const ref = await upload(wire, "ann", bytes);
    t.deepEqual(ref, { digest: createHash("sha256").update(bytes).digest("hex"), bytes: length });
    t.is(Buffer.compare(await readUpload(wire, "ann", ref), bytes), 0);
    t.is((await readChunk(wire, journal, "ann", ref, 0)).length, Math.min(length, CHUNK_BYTES));
  }
});

test("uploading again leaves one copy (U1)", async (t) => {
  const wire = testWorld().wire("ann");
  const journal = await wire.journal("uploads");
  const ref = await upload(wire, "ann", bytesOf(10));
  t.deepEqual(await upload(wire, "ann", bytesOf(10)), ref);
  t.is(await journal.read(1), undefined);
  t.is((await journal.read(2))?.data.length, 10);
});

test("what is another's, not all there, of another length or of other bytes is not handed out (U1, U2)", async (t) => {
  const wire = testWorld().wire("ann");
  const journal = await wire.journal("uploads");
  const ref = await upload(wire, "ann", bytesOf(2 * CHUNK_BYTES));
  await t.throwsAsync(readUpload(wire, "bob", ref), { code: "FL_NOT_FOUND" });
  await t.throwsAsync(readUpload(wire, "ann", { ...ref, bytes: ref.bytes + 1 }), { code: "FL_NOT_FOUND" });
  await t.throwsAsync(readUpload(wire, "ann", { ...ref, bytes: Number.MAX_SAFE_INTEGER }), { code: "FL_NOT_FOUND" });
  const second = wire.subject(subjects.uploadChunk, { owner: "ann", digest: ref.digest, index: 1 });
  await journal.append(second, bytesOf(CHUNK_BYTES, 7));
  await t.throwsAsync(readUpload(wire, "ann", ref), { code: "FL_DIGEST_MISMATCH" });
  await journal.purge(second);
  await t.throwsAsync(readUpload(wire, "ann", ref), { code: "FL_NOT_FOUND" });
});
