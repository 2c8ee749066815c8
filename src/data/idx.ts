/**
 * Reading IDX, the format MNIST is published in, gzipped or raw.
 *
 *   u8 0, u8 0, u8 type (only 0x08, unsigned bytes, is read), u8 rank, rank × u32 big-endian sizes, then the bytes row-major
 *
 * I1 A file is accepted only when its length is exactly what its header announces.
 * I2 Every malformed file is FL_SHARD_INVALID, and nothing else is thrown for one.
 */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { FlError } from "../errors.ts";

export type Idx = { readonly shape: readonly number[]; readonly values: Uint8Array };

/** No data set here comes near it; it bounds what a gzip bomb can unpack to. */
const MAX_BYTES = 2 ** 31 - 1;

/** `values` views the bytes given; it is not a copy (unless they were gzipped). */
export function parseIdx(bytes: Uint8Array): Idx {
  const raw = bytes[0] === 0x1f && bytes[1] === 0x8b ? unzip(bytes) : bytes;
  if (raw.length < 4 || raw[0] !== 0 || raw[1] !== 0) refuse("it does not begin with an IDX header");
  if (raw[2] !== 0x08) refuse(`its element type is 0x${raw[2]!.toString(16)}, only unsigned bytes (0x8) are read`);
  const rank = raw[3]!;
  const head = 4 + 4 * rank;
  if (rank === 0 || raw.length < head) refuse("its header is cut short");
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const length = shape.reduce((a, b) => a * b, 1);
  if (raw.length !== head + length) refuse(`it holds ${raw.length - head} bytes, its header announces ${length}`); // I1
  return { shape, values: raw.subarray(head) };
}

/** @throws FL_SHARD_INVALID with the path, also when the file cannot be read */
export async function readIdx(path: string): Promise<Idx> {
  try {
    return parseIdx(await readFile(path));
  } catch (e) {
    const reason = e instanceof FlError ? String(e.detail.reason) : e instanceof Error ? e.message : String(e);
    throw new FlError("FL_SHARD_INVALID", { path, reason: `${path}: ${reason}` }, { cause: e });
  }
}

function unzip(bytes: Uint8Array): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_BYTES });
  } catch (e) {
    throw new FlError("FL_SHARD_INVALID", { reason: `it does not unpack: ${(e as Error).message}` }, { cause: e });
  }
}

function refuse(reason: string): never {
  throw new FlError("FL_SHARD_INVALID", { reason });
}
