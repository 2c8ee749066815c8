/**
 * What an owner uploads for a submission: bytes in chunks of 512 KiB, each on a subject that names the owner, the SHA-256 of
 * the whole, and the chunk's place.
 *
 * U1 The name is the content: uploading again changes nothing, and what is read has the digest or is not handed out.
 * U2 Only the owner can write there, and nobody but the Director's side can read.
 */
import { createHash } from "node:crypto";
import { FlError } from "../errors.ts";
import type { Journal } from "../ports.ts";
import { CHUNK_BYTES, chunkBytes, chunkCount } from "../tensor/frame.ts";
import type { Uploaded } from "../wire/messages.ts";
import { subjects } from "../wire/table.ts";
import type { Wire } from "../wire/wire.ts";
import { WINDOW } from "./pull.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Resolves when all of it is stored. */
export async function upload(wire: Wire, owner: string, bytes: Uint8Array): Promise<Uploaded> {
  const journal = await wire.journal("uploads");
  const digest = sha256(bytes);
  const chunks = chunkCount(bytes.length);
  let next = 0;
  const append = async (): Promise<void> => {
    while (next < chunks) {
      const index = next++;
      const name = wire.subject(subjects.uploadChunk, { owner, digest, index });
      const at = index * CHUNK_BYTES;
      await journal.append(name, bytes.subarray(at, at + CHUNK_BYTES));
    }
  };
  await Promise.all(Array.from({ length: Math.min(WINDOW, chunks) }, append));
  return { digest, bytes: bytes.length };
}

/** One chunk, as far as its length tells. @throws FL_NOT_FOUND */
export async function readChunk(
  wire: Wire,
  journal: Journal,
  owner: string,
  { digest, bytes }: Uploaded,
  index: number,
): Promise<Uint8Array> {
  const stored = await journal.last(wire.subject(subjects.uploadChunk, { owner, digest, index }));
  if (stored?.data.length === chunkBytes(bytes, index)) return stored.data;
  throw new FlError("FL_NOT_FOUND", { reason: `chunk ${index} of ${digest} was not uploaded by ${owner}` });
}

/** @throws FL_NOT_FOUND, FL_DIGEST_MISMATCH (U1) */
export async function readUpload(wire: Wire, owner: string, ref: Uploaded): Promise<Uint8Array> {
  const journal = await wire.journal("uploads");
  const chunks = chunkCount(ref.bytes);
  const parts: Uint8Array[] = []; // no room is made for what is only claimed
  let next = 0;
  const take = async (): Promise<void> => {
    while (next < chunks) {
      const index = next++;
      parts[index] = (await readChunk(wire, journal, owner, ref, index)).slice();
    }
  };
  await Promise.all(Array.from({ length: Math.min(WINDOW, chunks) }, take));
  const whole = Buffer.concat(parts);
  const got = sha256(whole);
  if (got !== ref.digest) throw new FlError("FL_DIGEST_MISMATCH", { expected: ref.digest, got, owner });
  return whole;
}
