/**
 * Models as safetensors files, the form other tools read (https://github.com/huggingface/safetensors):
 *
 *   8 bytes   N, little-endian u64
 *   N bytes   UTF-8 JSON: { name: { dtype: "F32", shape, data_offsets: [begin, end] }, …, __metadata__?: { str: str } },
 *             padded with spaces so that the data begins at a multiple of 8
 *   the rest  the tensors without gaps, elements little-endian; data_offsets count from here
 *
 * S1 parse(write(layout, values, metadata)) has the same layout digest, the same bits and the same metadata.
 * S2 parse throws FL_LAYOUT_MISMATCH for tensors this runtime does not carry (T3), FL_FRAME_MALFORMED for every other input
 *    that is not a whole safetensors file, and nothing else.
 * S3 The layout's order is the order of the data, whatever the order of the header. (Several empty tensors at one place lie in
 *    the header's order, in which JSON puts names that are integers first.)
 * S4 Parsed `values` alias the input when its data is aligned, and are a copy when it is not.
 */
import { FlError } from "../errors.ts";
import { type Layout, layoutOf } from "./layout.ts";

export type Safetensors = { layout: Layout; values: Float32Array; metadata: Record<string, string> };

const METADATA = "__metadata__";
/** as the reference implementation has it */
const MAX_HEADER_BYTES = 100_000_000;

export function writeSafetensors(
  layout: Layout,
  values: Float32Array,
  metadata: Record<string, string> = {},
): Uint8Array {
  if (values.length !== layout.length) {
    throw new FlError("FL_LAYOUT_MISMATCH", { reason: `${values.length} values, expected ${layout.length}` });
  }
  // entries are joined by hand: an object would reorder names that are integers, and swallow "__proto__"
  const entries: string[] = [];
  if (Object.keys(metadata).length > 0) entries.push(`"${METADATA}":${JSON.stringify(metadata)}`);
  for (const { name, shape, offset, length } of layout.tensors) {
    if (name === METADATA) throw new FlError("FL_LAYOUT_MISMATCH", { reason: `no tensor may be named ${METADATA}` });
    const spec = { dtype: "F32", shape, data_offsets: [offset * 4, (offset + length) * 4] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(spec)}`);
  }
  const json = Buffer.from(`{${entries.join(",")}}`);
  const header = Math.ceil(json.length / 8) * 8;
  const out = Buffer.allocUnsafe(8 + header + layout.bytes);
  out.writeBigUInt64LE(BigInt(header), 0);
  out.set(json, 8);
  out.fill(0x20, 8 + json.length, 8 + header);
  out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 8 + header);
  return out;
}

/** @throws FL_FRAME_MALFORMED, FL_LAYOUT_MISMATCH (S2) */
export function parseSafetensors(bytes: Uint8Array): Safetensors {
  if (bytes.length < 8) throw malformed("shorter than its first field");
  const size = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (size > BigInt(Math.min(MAX_HEADER_BYTES, bytes.length - 8))) throw malformed(`a header of ${size} bytes`);
  const start = 8 + Number(size);
  const header = readHeader(bytes.subarray(8, start));
  const found: Found[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA) metadata = readMetadata(value);
    else found.push(readEntry(name, value));
  }
  found.sort((a, b) => a.begin - b.begin || a.end - b.end); // S3
  let at = 0;
  for (const { name, begin, end } of found) {
    if (begin !== at) throw malformed(`tensor ${name} begins at byte ${begin}, expected ${at}`);
    at = end;
  }
  if (at !== bytes.length - start) throw malformed(`${bytes.length - start} bytes of data, expected ${at}`);
  const layout = layoutOf(found.map(({ name, shape }) => ({ name, dtype: "f32", shape })));
  if (layout.bytes !== at) throw malformed(`shapes make ${layout.bytes} bytes, the data has ${at}`);
  return { layout, values: floats(bytes, start, layout.length), metadata };
}

type Found = { name: string; shape: number[]; begin: number; end: number };

const malformed = (reason: string, cause?: unknown): FlError =>
  new FlError("FL_FRAME_MALFORMED", { reason: `safetensors: ${reason}` }, cause === undefined ? undefined : { cause });

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null && !Array.isArray(x);
const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;

function readHeader(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw malformed("the header does not begin with {"); // no blanks, no byte order mark
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (e) {
    throw malformed("the header is not JSON", e);
  }
  if (!isRecord(header)) throw malformed("the header is not an object");
  return header;
}

function readMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value)) throw malformed(`${METADATA} is not an object`);
  const out: [string, string][] = [];
  for (const [k, v] of Object.entries(value)) {
    if (typeof v !== "string") throw malformed(`${METADATA}.${k} is not a string`);
    out.push([k, v]);
  }
  return Object.fromEntries(out);
}

function readEntry(name: string, value: unknown): Found {
  if (!isRecord(value)) throw malformed(`tensor ${name} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string") throw malformed(`tensor ${name} has no dtype`);
  if (dtype !== "F32") throw new FlError("FL_LAYOUT_MISMATCH", { reason: `tensor ${name} is ${dtype}, not F32` });
  if (!Array.isArray(shape) || !shape.every(isCount)) throw malformed(`tensor ${name} has no shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw malformed(`tensor ${name} has no data_offsets`);
  }
  const [begin, end] = offsets as [number, number];
  const elements = shape.reduce((a, b) => a * b, 1);
  if (end - begin !== elements * 4) throw malformed(`tensor ${name} has ${end - begin} bytes, not ${elements * 4}`);
  return { name, shape, begin, end };
}

/** S4: a Float32Array must begin at a multiple of 4 of its ArrayBuffer. */
function floats(bytes: Uint8Array, start: number, length: number): Float32Array {
  const at = bytes.byteOffset + start;
  if (at % 4 === 0) return new Float32Array(bytes.buffer, at, length);
  const values = new Float32Array(length);
  new Uint8Array(values.buffer).set(bytes.subarray(start));
  return values;
}
