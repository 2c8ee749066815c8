/**
 * Frames between a collaborator and its worker: u32 head length, u32 body length (little-endian), the head (MessagePack), the
 * body (bytes).
 *
 * FR1 A body is copied once, from what the pipe gave to the place that `onHead` names for it.
 * FR2 A length beyond its limit is refused before anything of that length is kept.
 */
import { FlError } from "../errors.ts";
import { encode } from "../wire/codec.ts";

export const CHUNK = 1 << 20;
const HEAD = 1 << 20;
const PREFIX = 8;

/** All of a frame but its body. */
export function headOf(message: Readonly<Record<string, unknown>>, body = 0): Uint8Array {
  const head = encode(message);
  const out = Buffer.allocUnsafe(PREFIX + head.length);
  out.writeUInt32LE(head.length, 0);
  out.writeUInt32LE(body, 4);
  out.set(head, PREFIX);
  return out;
}

export type Receiver = {
  /** A head is here, its body is not: where that belongs, of exactly its length. */
  onHead(head: Uint8Array, body: number): Uint8Array | undefined;
  /** The body is there too. */
  onFrame(): void;
};

/** Takes a stream of bytes apart. What the receiver throws ends it. */
export class FrameReader {
  readonly #receiver: Receiver;
  #gathering = Buffer.allocUnsafe(PREFIX);
  #at = 0;
  #bodyBytes = 0;
  #part: "prefix" | "head" | "body" = "prefix";
  #body: Uint8Array = new Uint8Array(0);

  constructor(receiver: Receiver) {
    this.#receiver = receiver;
  }

  push(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      const into = this.#part === "body" ? this.#body : this.#gathering;
      const size = Math.min(into.length - this.#at, bytes.length - from);
      into.set(bytes.subarray(from, from + size), this.#at);
      this.#at += size;
      from += size;
      if (this.#at === into.length) this.#next();
    }
  }

  /** whether it stands between two frames */
  get isAtRest(): boolean {
    return this.#part === "prefix" && this.#at === 0;
  }

  #next(): void {
    this.#at = 0;
    if (this.#part === "prefix") {
      const head = this.#gathering.readUInt32LE(0);
      this.#bodyBytes = this.#gathering.readUInt32LE(4);
      if (head < 1 || head > HEAD || this.#bodyBytes > CHUNK) {
        throw malformed(`a frame of ${head} and ${this.#bodyBytes} bytes`); // FR2
      }
      this.#part = "head";
      this.#gathering = Buffer.allocUnsafe(head);
      return;
    }
    if (this.#part === "head") {
      const place = this.#receiver.onHead(this.#gathering, this.#bodyBytes);
      if (this.#bodyBytes > 0) {
        if (place?.length !== this.#bodyBytes) throw malformed(`${this.#bodyBytes} bytes that were not asked for`);
        this.#part = "body";
        this.#body = place;
        return;
      }
    }
    this.#part = "prefix";
    this.#gathering = Buffer.allocUnsafe(PREFIX);
    this.#receiver.onFrame();
  }
}

export const malformed = (reason: string, cause?: unknown): FlError =>
  new FlError("FL_WORKER_PROTOCOL", { reason }, cause === undefined ? undefined : { cause });
