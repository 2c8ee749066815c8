import test from "ava";
import fc from "fast-check";
import { FlError } from "../../src/errors.ts";
import { Assembly } from "../../src/tensor/assembly.ts";
import { CHUNK_BYTES, chunkCount, decodeFrame, encodeFrame, type Frame } from "../../src/tensor/frame.ts";

const BYTES = 3 * CHUNK_BYTES + 1234;
const source = Uint8Array.from({ length: BYTES }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
const frames = Array.from({ length: chunkCount(BYTES) }, (_, i) => decodeFrame(encodeFrame(source, i)));

test("frames in any order, any number of times, make the buffer whole (A1)", (t) => {
  const into = new Uint8Array(BYTES);
  fc.assert(
    fc.property(fc.array(fc.nat(frames.length - 1), { maxLength: 12 }), (order) => {
      into.fill(0);
      const assembly = new Assembly(BYTES, into);
      const seen = new Set<number>();
      for (const i of [...order, ...frames.keys()]) {
        t.is(assembly.complete, seen.size === frames.length);
        t.is(assembly.add(frames[i] as Frame), !seen.has(i));
        seen.add(i);
        t.true(assembly.has(i));
        t.is(assembly.left, frames.length - seen.size);
        t.deepEqual(
          assembly.missing(),
          [...frames.keys()].filter((k) => !seen.has(k)),
        );
      }
      t.true(assembly.complete);
      t.is(Buffer.compare(assembly.buffer, source), 0);
    }),
    { numRuns: 30 },
  );
});

test("missing gives the lowest, as many as asked for", (t) => {
  const assembly = new Assembly(BYTES);
  assembly.add(frames[1] as Frame);
  t.deepEqual(assembly.missing(2), [0, 2]);
  t.deepEqual(assembly.missing(0), []);
});

test("an empty buffer is one empty chunk", (t) => {
  const assembly = new Assembly(0);
  t.false(assembly.complete);
  t.true(assembly.add(decodeFrame(encodeFrame(new Uint8Array(0), 0))));
  t.true(assembly.complete);
});

test("a frame that does not belong is refused and changes nothing (A2)", (t) => {
  const last = frames.at(-1) as Frame;
  const alien: Frame[] = [
    { ...last, count: last.count + 1 },
    { ...last, count: last.count - 1 },
    { ...last, index: last.count, offset: last.count * CHUNK_BYTES },
    { ...last, data: last.data.subarray(1) },
    { ...last, data: new Uint8Array(last.data.length + 1) },
    { ...(frames[0] as Frame), data: last.data },
  ];
  const assembly = new Assembly(BYTES);
  for (const frame of alien) {
    t.is(t.throws(() => assembly.add(frame), { instanceOf: FlError })?.code, "FL_FRAME_MALFORMED");
  }
  t.is(assembly.left, frames.length);
  t.true(assembly.buffer.every((b) => b === 0));
});

test("a lent buffer is used, and must have the size (A3)", (t) => {
  const into = new Uint8Array(10);
  t.is(new Assembly(10, into).buffer, into);
  t.throws(() => new Assembly(11, into), { instanceOf: FlError });
});

test("after a reset every chunk is missing again", (t) => {
  const assembly = new Assembly(BYTES);
  for (const frame of frames) assembly.add(frame);
  assembly.reset();
  t.is(assembly.missing().length, frames.length);
  t.true(assembly.add(frames[0] as Frame));
});
