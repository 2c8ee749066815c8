/** The frame on the wire: the round trip, the golden bytes, another encoder's frames, and nonsense of every kind. */
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { FlError } from "../../src/errors.ts";
import { CHUNK_BYTES, chunkBytes, chunkCount, decodeFrame, encodeFrame } from "../../src/tensor/frame.ts";

const packr = new Packr({ useRecords: false });
const random = (bytes: number): Uint8Array => {
  let s = bytes + 1;
  return Uint8Array.from({ length: bytes }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) | 0;
    return s >>> 24;
  });
};
const copy = (b: Uint8Array): Uint8Array => Uint8Array.from(b);

/** decodes, or gives the code of the refusal; anything but a refusal fails the test (F2) */
function attempt(t: ExecutionContext, bytes: Uint8Array): string {
  try {
    decodeFrame(bytes);
    return "decoded";
  } catch (e) {
    if (!(e instanceof FlError)) throw e;
    t.true(e.code === "FL_FRAME_MALFORMED" || e.code === "FL_FRAME_CHECKSUM", e.code);
    return e.code;
  }
}

for (const bytes of [
  0,
  1,
  255,
  256,
  65_535,
  65_536,
  CHUNK_BYTES - 1,
  CHUNK_BYTES,
  CHUNK_BYTES + 1,
  3 * CHUNK_BYTES,
  2_000_003,
]) {
  test(`a buffer of ${bytes} bytes comes back from its frames, bit for bit (F1)`, (t) => {
    const buffer = random(bytes);
    const back = new Uint8Array(bytes);
    const count = chunkCount(bytes);
    t.is(count, Math.max(1, Math.ceil(bytes / CHUNK_BYTES)));
    for (let i = 0; i < count; i++) {
      const frame = decodeFrame(encodeFrame(buffer, i));
      t.is(frame.index, i);
      t.is(frame.count, count);
      t.is(frame.offset, i * CHUNK_BYTES);
      t.is(frame.data.length, chunkBytes(bytes, i));
      back.set(frame.data, frame.offset);
    }
    t.is(Buffer.compare(back, buffer), 0);
  });
}

test("golden: the bytes of a frame of version 1", (t) => {
  const frame = encodeFrame(Uint8Array.of(0xde, 0xad, 0xbe, 0xef), 0);
  t.is(Buffer.from(frame).toString("hex"), "9601000100ce7c9ca35ac404deadbeef");
  const second = encodeFrame(new Uint8Array(CHUNK_BYTES + 2).fill(7), 1);
  t.is(Buffer.from(second).toString("hex"), "96010102ce00080000ce90fc119bc4020707");
});

test("a frame is plain MessagePack: another codec reads ours and writes what we read", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (buffer) => {
      const ours = encodeFrame(buffer, 0);
      const fields = packr.unpack(ours) as unknown[];
      t.deepEqual([...fields.slice(0, 4)], [1, 0, 1, 0]);
      t.is(Buffer.compare(fields[5] as Uint8Array, buffer), 0);
      const theirs = packr.pack([...fields.slice(0, 5), Buffer.from(buffer)]);
      t.deepEqual(copy(decodeFrame(theirs).data), buffer);
    }),
  );
  const big = packr.unpack(encodeFrame(new Uint8Array(2 * CHUNK_BYTES), 1)) as unknown[];
  t.deepEqual(big.slice(0, 4), [1, 1, 2, CHUNK_BYTES]);
});

test("offsets beyond 4 GiB are read, as uint64 and as float64", (t) => {
  const index = 10_000;
  const tail = encodeFrame(Uint8Array.of(1, 2), 0).subarray(5); // crc32 and data
  const head = (offset: Buffer): Uint8Array =>
    Buffer.concat([Buffer.from([0x96, 1, 0xcd, 0x27, 0x10, 0xcd, 0x27, 0x11]), offset, tail]);
  const u64 = Buffer.alloc(9, 0xcf);
  u64.writeBigUInt64BE(BigInt(index * CHUNK_BYTES), 1);
  const f64 = Buffer.alloc(9, 0xcb);
  f64.writeDoubleBE(index * CHUNK_BYTES, 1);
  for (const offset of [u64, f64]) t.is(decodeFrame(head(offset)).offset, index * CHUNK_BYTES);
});

test("decoded data aliases its input (F3)", (t) => {
  const bytes = copy(encodeFrame(Uint8Array.of(1, 2, 3), 0));
  t.is(decodeFrame(bytes).data.buffer, bytes.buffer);
});

test("a chunk that does not exist is not found", (t) => {
  for (const index of [1, -1, 0.5, Number.NaN]) {
    t.is(t.throws(() => encodeFrame(new Uint8Array(10), index), { instanceOf: FlError })?.code, "FL_NOT_FOUND");
  }
});

test("random bytes are refused and nothing else happens (F2)", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      t.not(attempt(t, bytes), "decoded");
      attempt(t, Uint8Array.of(0x96, 1, ...bytes));
    }),
    { numRuns: 5000 },
  );
});

test("every truncation and every addition is malformed (F2)", (t) => {
  for (const buffer of [random(0), random(3), random(300), random(70_000)]) {
    const frame = encodeFrame(buffer, 0);
    for (let n = 0; n < frame.length; n += n < 400 ? 1 : 997)
      t.is(attempt(t, frame.subarray(0, n)), "FL_FRAME_MALFORMED");
    t.is(attempt(t, Buffer.concat([frame, Uint8Array.of(0)])), "FL_FRAME_MALFORMED");
  }
});

test("every flipped bit is noticed, but in the count, which an assembly judges (F2, F4)", (t) => {
  const frame = encodeFrame(random(40), 0);
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const damaged = copy(frame);
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
    const said = attempt(t, damaged);
    if (said === "decoded") t.not(decodeFrame(damaged).count, 1);
    if (bit >= (frame.length - 40) * 8) t.is(said, "FL_FRAME_CHECKSUM");
  }
});

test("any MessagePack that is not a frame is malformed (F2)", (t) => {
  fc.assert(
    fc.property(fc.anything({ withTypedArray: true, withNullPrototype: false, maxDepth: 2 }), (value) => {
      let bytes: Uint8Array;
      try {
        bytes = copy(packr.pack(value));
      } catch {
        return; // not even MessagePack
      }
      t.is(attempt(t, bytes), "FL_FRAME_MALFORMED");
    }),
  );
  const good = packr.unpack(encodeFrame(random(5), 0)) as unknown[];
  for (let field = 0; field < 6; field++) {
    for (const value of [-1, 1.5, 2 ** 53, null, "1", [], {}, Buffer.alloc(3)]) {
      if (field === 5 && value instanceof Buffer) continue;
      t.is(attempt(t, packr.pack(good.with(field, value))), "FL_FRAME_MALFORMED", `${field}: ${value}`);
    }
  }
});
