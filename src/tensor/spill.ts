/**
 * A spill is a temporary file of rows of f32, all of one length: updates put aside until a rule has them all, so that memory
 * stays bounded however many there are (law L5).
 *
 * Owns the file and which rows are whole; nothing in it outlives the process.
 * P1 read gives what append was given, bit for bit, whatever ran at the same time.
 * P2 Memory is one block of columns, reused from read to read: what read returns is valid until the next read.
 * P3 The file has no name once it is open (where the system allows that), so even kill -9 leaves nothing behind.
 */
import { randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FlError } from "../errors.ts";

/** One system call moves at most this much: a write of 2 GiB or more is cut short. */
const MAX_IO_BYTES = 64 * 1024 * 1024;

export class Spill {
  readonly length: number;
  readonly #file: FileHandle;
  /** still to be removed by dispose; undefined once it has no name (P3) */
  readonly #path: string | undefined;
  #rows = 0;
  #arena = new Float32Array(0);

  private constructor(length: number, file: FileHandle, path: string | undefined) {
    this.length = length;
    this.#file = file;
    this.#path = path;
  }

  static async open(length: number, dir: string = tmpdir()): Promise<Spill> {
    const path = join(dir, `entente-${randomUUID()}.spill`);
    const file = await open(path, "wx+", 0o600);
    try {
      await unlink(path);
      return new Spill(length, file, undefined);
    } catch {
      return new Spill(length, file, path); // Windows keeps the name of an open file
    }
  }

  /** Writes a row and gives its number. `values` must not change until then. */
  async append(values: Float32Array): Promise<number> {
    if (values.length !== this.length) {
      throw new FlError("FL_LAYOUT_MISMATCH", { reason: `${values.length} values, expected ${this.length}` });
    }
    const row = this.#rows++; // taken before the first await, so rows written together do not overlap (P1)
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const start = row * this.length * 4;
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, Math.min(MAX_IO_BYTES, bytes.length - at), start + at);
      at += bytesWritten;
    }
    return row;
  }

  /** Elements [from, to) of each of these rows, in this order; valid until the next read (P2). One read at a time. */
  async read(rows: readonly number[], from: number, to: number): Promise<Float32Array[]> {
    const width = to - from;
    if (this.#arena.length < rows.length * width) this.#arena = new Float32Array(rows.length * width);
    const columns = rows.map((_, k) => this.#arena.subarray(k * width, (k + 1) * width));
    await Promise.all(columns.map((column, k) => this.#fill(column, (rows[k] as number) * this.length + from)));
    return columns;
  }

  /** Forgets all rows, and keeps the file and the memory for the next ones. */
  clear(): void {
    this.#rows = 0;
  }

  async dispose(): Promise<void> {
    this.#arena = new Float32Array(0);
    await this.#file.close();
    if (this.#path !== undefined) await unlink(this.#path);
  }

  async #fill(column: Float32Array, start: number): Promise<void> {
    const bytes = new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await this.#file.read(bytes, at, Math.min(MAX_IO_BYTES, bytes.length - at), start * 4 + at);
      if (bytesRead === 0) throw new FlError("FL_INTERNAL", { reason: "the spill file ends before its last row" });
      at += bytesRead;
    }
  }
}
