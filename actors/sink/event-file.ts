/**
 * TensorBoard's event files, as far as scalars need them: TFRecords of `Event` protocol buffers.
 *
 *   record    u64 length · u32 masked CRC-32C of it · data · u32 masked CRC-32C of the data, all little-endian
 *   masked    the CRC rotated right by 15 bits, plus 0xa282ead8
 *   first     Event { 1: wall_time f64 (seconds), 3: file_version "brain.Event:2" }
 *   a scalar  Event { 1: wall_time, 2: step i64, 5: Summary { 1: Value { 1: tag, 2: simple_value f32 } }, SEQ: u64 }
 *
 * EF1 SEQ is a field of ours, of a number that TensorFlow does not use: readers pass over a field they do not know. It keeps the
 *     metric's place in its stream inside the record of the metric, so that both are there or neither.
 * EF2 parseRecord tells a record that is not whole yet from one whose checksums do not hold.
 * The formats: tensorflow/core/lib/io/record_writer.h, core/util/event.proto, core/framework/summary.proto.
 */

/** a field number that belongs to no message of TensorFlow's */
const SEQ = 15_000;
const VERSION = "brain.Event:2";
const HEADER_BYTES = 12;
const FOOTER_BYTES = 4;

export type Scalar = {
  readonly tag: string;
  readonly step: number;
  readonly value: number;
  /** milliseconds since the epoch */
  readonly at: number;
  readonly seq: number;
};

/** The record that a file begins with. */
export const versionRecord = (at: number): Buffer =>
  record(Buffer.concat([double(1, at / 1_000), delimited(3, Buffer.from(VERSION))]));

export function scalarRecord({ tag, step, value, at, seq }: Scalar): Buffer {
  const summaryValue = Buffer.concat([delimited(1, Buffer.from(tag)), float(2, value)]);
  const summary = delimited(1, summaryValue);
  return record(Buffer.concat([double(1, at / 1_000), integer(2, step), delimited(5, summary), integer(SEQ, seq)]));
}

/** The place that a scalar's record keeps; undefined for another one. @throws Error for what is no protocol buffer */
export function placeIn(data: Buffer): { seq: number; at: number } | undefined {
  let seq: number | undefined;
  let seconds: number | undefined;
  for (let at = 0; at < data.length; ) {
    const key = varint(data, at);
    at = key.end;
    const [field, wire] = [Math.floor(key.value / 8), key.value % 8];
    if (wire === 1) {
      if (field === 1) seconds = data.readDoubleLE(at);
      at += 8;
    } else if (wire === 5) at += 4;
    else {
      const { value, end } = varint(data, at);
      if (wire !== 0 && wire !== 2) throw new Error(`a field of kind ${wire}`);
      if (wire === 0 && field === SEQ) seq = value;
      at = wire === 2 ? end + value : end;
    }
  }
  return seq === undefined || seconds === undefined ? undefined : { seq, at: Math.round(seconds * 1_000) };
}

/** The record that these bytes begin with; undefined when it is not whole yet. @throws Error (EF2) */
export function parseRecord(bytes: Buffer): { data: Buffer; length: number } | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  if (bytes.readUInt32LE(8) !== masked(bytes.subarray(0, 8))) throw new Error("the checksum of a length is wrong");
  const size = Number(bytes.readBigUInt64LE(0));
  const length = HEADER_BYTES + size + FOOTER_BYTES;
  if (bytes.length < length) return undefined;
  const data = bytes.subarray(HEADER_BYTES, HEADER_BYTES + size);
  if (bytes.readUInt32LE(HEADER_BYTES + size) !== masked(data)) throw new Error("the checksum of a record is wrong");
  return { data, length };
}

function record(data: Buffer): Buffer {
  const out = Buffer.allocUnsafe(HEADER_BYTES + data.length + FOOTER_BYTES);
  out.writeBigUInt64LE(BigInt(data.length), 0);
  out.writeUInt32LE(masked(out.subarray(0, 8)), 8);
  out.set(data, HEADER_BYTES);
  out.writeUInt32LE(masked(data), HEADER_BYTES + data.length);
  return out;
}

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  return crc;
});

/** CRC-32C (Castagnoli), which node:zlib does not have. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}

function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

// protocol buffers: a key is the field's number and the kind of its value, 0 varint, 1 eight bytes, 2 delimited, 5 four bytes

function integer(field: number, value: number): Buffer {
  return Buffer.concat([unsigned(field * 8), unsigned(value)]);
}

function double(field: number, value: number): Buffer {
  const out = Buffer.allocUnsafe(8);
  out.writeDoubleLE(value);
  return Buffer.concat([unsigned(field * 8 + 1), out]);
}

function float(field: number, value: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeFloatLE(value);
  return Buffer.concat([unsigned(field * 8 + 5), out]);
}

function delimited(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([unsigned(field * 8 + 2), unsigned(bytes.length), bytes]);
}

/** Seven bits a byte, the low ones first. */
function unsigned(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function varint(data: Buffer, from: number): { value: number; end: number } {
  let value = 0;
  for (let at = from, scale = 1; ; at++, scale *= 128) {
    const byte = data[at];
    if (byte === undefined) throw new Error("a number is cut short");
    value += (byte % 128) * scale;
    if (byte < 128) return { value, end: at + 1 };
  }
}
