/**
 * A frame is one chunk of a buffer (a model, an update) on the wire. Version 1 is one MessagePack array of six:
 *
 *   v       uint  1
 *   index   uint  which chunk this is, from 0
 *   count   uint  chunks in all, at least 1 (an empty buffer is one empty chunk)
 *   offset  uint  index × CHUNK_BYTES, in bytes: redundant on purpose, it catches a damaged index
 *   crc32   uint  CRC-32 (IEEE, as in zip and PNG) of `data`
 *   data    bin   CHUNK_BYTES bytes, fewer only in the last chunk
 *
 * Any MessagePack encoding of a uint is read (a float64 too, as some JavaScript encoders write large integers so); the
 * shortest is written. The codec is by hand because this is the hot path and the form is fixed: one copy of the payload on
 * the way out, none on the way in, and no input can make it build anything but a frame.
 *
 * F1 decode(encode(buffer, i)).data equals the i-th chunk of the buffer, bit for bit.
 * F2 decode throws FL_FRAME_MALFORMED or FL_FRAME_CHECKSUM for every input that is not a frame, and nothing else.
 * F3 decoded `data` aliases the input: copy it into its buffer (Assembly does) before the input is let go.
 * F4 A count cannot be judged by one frame alone; whoever knows the buffer's size does (Assembly).
 */
import { crc32 } from "node:zlib";
import { FlError } from "../errors.ts";

export const FRAME_VERSION = 1;
export const CHUNK_BYTES = 512 * 1024;

export type Frame = {
  readonly index: number;
  readonly count: number;
  readonly offset: number;
  readonly data: Uint8Array;
};

/** How many chunks a buffer of so many bytes travels in. */
export const chunkCount = (bytes: number): number => Math.max(1, Math.ceil(bytes / CHUNK_BYTES));

/** How many bytes the index-th chunk of a buffer of so many bytes holds. */
export const chunkBytes = (bytes: number, index: number): number =>
  Math.max(0, Math.min(CHUNK_BYTES, bytes - index * CHUNK_BYTES));

/** @throws FL_NOT_FOUND when the buffer has no such chunk */
export function encodeFrame(buffer: Uint8Array, index: number): Uint8Array {
  const count = chunkCount(buffer.length);
  if (!(Number.isInteger(index) && index >= 0 && index < count)) {
    throw new FlError("FL_NOT_FOUND", { reason: `no chunk ${index} of ${count}`, index, count });
  }
  const offset = index * CHUNK_BYTES;
  return encodeChunk(buffer.subarray(offset, offset + CHUNK_BYTES), index, count);
}

/** The frame of one chunk, by whoever has just that. */
export function encodeChunk(data: Uint8Array, index: number, count: number): Uint8Array {
  const offset = index * CHUNK_BYTES;
  const crc = crc32(data);
  const head = 2 + uintBytes(index) + uintBytes(count) + uintBytes(offset) + uintBytes(crc) + binBytes(data.length);
  const out = Buffer.allocUnsafe(head + data.length);
  let at = out.writeUInt8(0x96, 0); // array of 6
  at = out.writeUInt8(FRAME_VERSION, at);
  at = writeUint(out, index, at);
  at = writeUint(out, count, at);
  at = writeUint(out, offset, at);
  at = writeUint(out, crc, at);
  at = writeBin(out, data.length, at);
  out.set(data, at);
  return out;
}

/** @throws FL_FRAME_MALFORMED, FL_FRAME_CHECKSUM (F2) */
export function decodeFrame(bytes: Uint8Array): Frame {
  const input = new Reader(bytes);
  input.array(6);
  const v = input.uint("version");
  if (v !== FRAME_VERSION) throw malformed(`frame version ${v}, expected ${FRAME_VERSION}`);
  const index = input.uint("index");
  const count = input.uint("count");
  const offset = input.uint("offset");
  const crc = input.uint("crc32");
  const data = input.bin();
  input.end();
  if (index >= count) throw malformed(`chunk ${index} of ${count}`);
  if (offset !== index * CHUNK_BYTES) throw malformed(`chunk ${index} at byte ${offset}`);
  const whole = index < count - 1;
  if (whole ? data.length !== CHUNK_BYTES : data.length > CHUNK_BYTES || (data.length === 0 && count > 1)) {
    throw malformed(`chunk ${index} of ${count} holds ${data.length} bytes`);
  }
  if (crc32(data) !== crc) throw new FlError("FL_FRAME_CHECKSUM", { index, count });
  return { index, count, offset, data };
}

const malformed = (reason: string): FlError => new FlError("FL_FRAME_MALFORMED", { reason });

const uintBytes = (n: number): number => (n < 0x80 ? 1 : n <= 0xff ? 2 : n <= 0xffff ? 3 : n <= 0xffff_ffff ? 5 : 9);
const binBytes = (n: number): number => (n <= 0xff ? 2 : n <= 0xffff ? 3 : 5);

function writeUint(out: Buffer, n: number, at: number): number {
  if (n < 0x80) return out.writeUInt8(n, at);
  if (n <= 0xff) return out.writeUInt8(n, out.writeUInt8(0xcc, at));
  if (n <= 0xffff) return out.writeUInt16BE(n, out.writeUInt8(0xcd, at));
  if (n <= 0xffff_ffff) return out.writeUInt32BE(n, out.writeUInt8(0xce, at));
  return out.writeBigUInt64BE(BigInt(n), out.writeUInt8(0xcf, at));
}

function writeBin(out: Buffer, n: number, at: number): number {
  if (n <= 0xff) return out.writeUInt8(n, out.writeUInt8(0xc4, at));
  if (n <= 0xffff) return out.writeUInt16BE(n, out.writeUInt8(0xc5, at));
  return out.writeUInt32BE(n, out.writeUInt8(0xc6, at));
}

/** Reads just the MessagePack that a frame may hold; every step past the end is FL_FRAME_MALFORMED. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** takes n bytes and says where they begin */
  #take(n: number): number {
    const at = this.#at;
    if (at + n > this.#bytes.length) throw malformed("the frame is cut short");
    this.#at = at + n;
    return at;
  }

  #tag(): number {
    return this.#view.getUint8(this.#take(1));
  }

  array(length: number): void {
    const tag = this.#tag();
    const got =
      (tag & 0xf0) === 0x90
        ? tag & 0x0f
        : tag === 0xdc
          ? this.#view.getUint16(this.#take(2))
          : tag === 0xdd
            ? this.#view.getUint32(this.#take(4))
            : -1;
    if (got !== length) throw malformed(`a frame is an array of ${length}`);
  }

  uint(field: string): number {
    const tag = this.#tag();
    const n =
      tag < 0x80
        ? tag
        : tag === 0xcc
          ? this.#view.getUint8(this.#take(1))
          : tag === 0xcd
            ? this.#view.getUint16(this.#take(2))
            : tag === 0xce
              ? this.#view.getUint32(this.#take(4))
              : tag === 0xcf
                ? Number(this.#view.getBigUint64(this.#take(8)))
                : tag === 0xcb
                  ? this.#view.getFloat64(this.#take(8))
                  : -1;
    if (!(Number.isSafeInteger(n) && n >= 0)) throw malformed(`${field} is not an unsigned integer`);
    return n;
  }

  bin(): Uint8Array {
    const tag = this.#tag();
    const length =
      tag === 0xc4
        ? this.#view.getUint8(this.#take(1))
        : tag === 0xc5
          ? this.#view.getUint16(this.#take(2))
          : tag === 0xc6
            ? this.#view.getUint32(this.#take(4))
            : -1;
    if (length < 0) throw malformed("data is not bin");
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed("bytes follow the frame");
  }
}
