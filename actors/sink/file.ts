/**
 * The file of a sink: entries, one after the other, that a later run adds to.
 *
 * SF1 Opened on a file that is there, it reads it once. What is behind its last whole entry was torn off by a killed process: it
 *     is cut, to be written again. A file that does not begin as ours do is left as it is (FL_EXISTS).
 * SF2 What is written is collected; `flush` hands it to the system. A reader sees whole entries, but for a moment's torn one.
 * SF3 One writer: a file that has another length than it was left with, or no name any more, is written to by somebody else, or
 *     gone (FL_FENCED, FL_NOT_FOUND).
 */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { FlError } from "../../src/errors.ts";

const CHUNK_BYTES = 1 << 20;
const COLLECTED_BYTES = 1 << 16;

export type SinkFileForm = {
  /** how every file of this form begins */
  readonly head: Uint8Array;
  /** The length of the entry that these bytes begin with; 0 when it is not whole yet. @throws what is wrong with it, as an Error */
  measure(bytes: Buffer): number;
  /** Is told each whole entry that is there, the first one as number 0. @throws what is wrong with it, as an Error */
  take(entry: Buffer, index: number): void;
};

export class SinkFile {
  readonly path: string;
  readonly #file: FileHandle;
  /** how long it is, all that was flushed included */
  #length: number;
  #collected: Uint8Array[] = [];
  #bytes = 0;

  private constructor(path: string, file: FileHandle, length: number) {
    this.path = path;
    this.#file = file;
    this.#length = length;
  }

  /** Makes it, and the folder it lies in, where it is not there. @throws FL_EXISTS (SF1) */
  static async open(path: string, form: SinkFileForm): Promise<SinkFile> {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      const { size } = await file.stat();
      const whole = await read(file, path, form);
      if (whole < size) await file.truncate(whole);
      return new SinkFile(path, file, whole);
    } catch (e) {
      await file.close();
      throw e;
    }
  }

  /** whether it holds nothing yet */
  get empty(): boolean {
    return this.#length === 0 && this.#bytes === 0;
  }

  async write(entry: Uint8Array): Promise<void> {
    this.#collected.push(entry);
    this.#bytes += entry.length;
    if (this.#bytes >= COLLECTED_BYTES) await this.flush();
  }

  /** @throws FL_FENCED, FL_NOT_FOUND (SF3) */
  async flush(): Promise<void> {
    if (this.#bytes === 0) return;
    const bytes = Buffer.concat(this.#collected);
    [this.#collected, this.#bytes] = [[], 0];
    const { size, nlink } = await this.#file.stat();
    if (nlink === 0) throw new FlError("FL_NOT_FOUND", { reason: `${this.path} was deleted while it was written to` });
    if (size !== this.#length) {
      const reason = `${this.path} has ${size} bytes where ${this.#length} were left: somebody else writes to it`;
      throw new FlError("FL_FENCED", { reason });
    }
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#length);
      at += bytesWritten;
      this.#length += bytesWritten;
    }
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }
}

/** Hands every whole entry to the form. @returns where the last one ends */
async function read(file: FileHandle, path: string, { head, measure, take }: SinkFileForm): Promise<number> {
  const foreign = (why: string): FlError => {
    const hint = "name another file, or delete this one to have it written anew";
    return new FlError("FL_EXISTS", { reason: `${path} is there and ${why}`, path, hint });
  };
  let rest = Buffer.alloc(0);
  let end = 0;
  let index = 0;
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, position);
    if (bytesRead === 0) return end;
    const chunk = buffer.subarray(0, bytesRead);
    if (position === 0) {
      const n = Math.min(head.length, bytesRead);
      if (chunk.compare(head, 0, n, 0, n) !== 0) throw foreign("was not written by this sink"); // SF1
    }
    position += bytesRead;
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    try {
      for (let length = measure(rest); length > 0; length = measure(rest)) {
        take(rest.subarray(0, length), index++);
        rest = rest.subarray(length);
        end += length;
      }
    } catch (e) {
      throw foreign(`is damaged at byte ${end}: ${(e as Error).message}`);
    }
  }
}
