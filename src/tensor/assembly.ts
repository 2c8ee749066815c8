/**
 * An assembly is a buffer being put together from frames that come in any order, more than once, or not at all.
 *
 * Owns the buffer and which chunks of it have arrived; does not ask for the missing ones.
 * A1 The buffer is whole exactly when every index was added once; how often and in which order does not matter.
 * A2 A frame that does not belong to a buffer of this size is refused (FL_FRAME_MALFORMED) and changes nothing.
 * A3 The buffer may be lent (`into`), so that a receiver of many models touches fresh memory once.
 */
import { FlError } from "../errors.ts";
import { chunkBytes, chunkCount, type Frame } from "./frame.ts";

export class Assembly {
  readonly buffer: Uint8Array;
  readonly count: number;
  readonly #have: Uint8Array;
  #left: number;

  constructor(bytes: number, into: Uint8Array = new Uint8Array(bytes)) {
    if (into.length !== bytes) {
      throw new FlError("FL_INTERNAL", { reason: `a buffer of ${into.length} bytes lent for ${bytes}` });
    }
    this.buffer = into;
    this.count = chunkCount(bytes);
    this.#have = new Uint8Array(this.count);
    this.#left = this.count;
  }

  /** Copies the frame's data in (F3). True if it was missing, false if it had already come. @throws FL_FRAME_MALFORMED (A2) */
  add(frame: Frame): boolean {
    const { index, count, offset, data } = frame;
    // decodeFrame holds offset and index together, so here only the size of the whole is left to judge (F4)
    if (count !== this.count || index >= count || data.length !== chunkBytes(this.buffer.length, index)) {
      throw new FlError("FL_FRAME_MALFORMED", {
        reason: `chunk ${index} of ${count} with ${data.length} bytes does not fit a buffer of ${this.buffer.length}`,
        index,
        count,
      });
    }
    if (this.#have[index] === 1) return false;
    this.buffer.set(data, offset);
    this.#have[index] = 1;
    this.#left--;
    return true;
  }

  has(index: number): boolean {
    return this.#have[index] === 1;
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  /** How many chunks have not come. */
  get left(): number {
    return this.#left;
  }

  /** The lowest missing indices, at most `limit`. */
  missing(limit: number = this.count): number[] {
    const out: number[] = [];
    for (let i = this.#have.indexOf(0); i !== -1 && out.length < limit; i = this.#have.indexOf(0, i + 1)) out.push(i);
    return out;
  }

  /** Forgets what has come, for the next buffer of the same size; the bytes stay until they are overwritten. */
  reset(): void {
    this.#have.fill(0);
    this.#left = this.count;
  }
}
