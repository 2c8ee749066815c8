/**
 * Receiver-driven transfer of one buffer: the receiver asks for chunks, a bounded number at a time, and each request is
 * one credit. The sender keeps no state but the buffer itself.
 *
 * X1 At most WINDOW chunks are under way, so a transfer never holds more than WINDOW × 512 KiB in the server, whatever its
 *    default limits and however slow the receiver.
 * X2 A lost or damaged chunk is asked for again; only TRIES failures of the same chunk end the transfer.
 * X3 A sender that is gone ends the transfer at once (FL_NO_RESPONDER); one that stalls, after STALL_MS without a byte.
 *    Liveness, not speed: a slow chunk counts from its own request, of which at most WINDOW queue behind each other.
 * X4 Once the transfer has ended, however it ended, nothing is written to the buffer any more: it may be another's by then.
 */
import { FlError } from "../errors.ts";
import { Assembly } from "../tensor/assembly.ts";
import { decodeFrame, type Frame } from "../tensor/frame.ts";

export const WINDOW = 8;
const TRIES = 3;
/** of one chunk; the retry makes three of it */
export const STALL_MS = 10_000;

export type PullOptions = {
  /** Asks for one chunk; resolves to its frame. `signal` aborts when the transfer has ended without it. */
  request(index: number, signal: AbortSignal): Promise<Uint8Array>;
  /** where the bytes go; its length is the transfer's */
  into: Uint8Array;
  /** called with the bytes that have arrived so far */
  onBytes?: (bytes: number) => void;
  /** how many chunks may be under way now, WINDOW at most and one at least; asked again with every chunk that arrives */
  window?: () => number;
  signal?: AbortSignal | undefined;
};

/** @throws FL_NO_RESPONDER, FL_TIMEOUT, FL_FRAME_MALFORMED, FL_FRAME_CHECKSUM, or the signal's reason */
export async function pullChunks({
  request,
  into,
  onBytes,
  window = () => WINDOW,
  signal,
}: PullOptions): Promise<void> {
  const parts = new Assembly(into.length, into);
  const ended = new AbortController();
  const over = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
  let arrived = 0;
  const take = async (index: number): Promise<void> => {
    for (let tries = 1; ; tries++) {
      over.throwIfAborted();
      try {
        const answer = await request(index, over);
        over.throwIfAborted(); // X4
        // an empty answer: the sender lives but does not hold this buffer any more
        if (answer.length === 0)
          throw new FlError("FL_NO_RESPONDER", { reason: "the sender has let go of the buffer" });
        const frame = decodeFrame(answer);
        if (frame.index !== index) throw new FlError("FL_FRAME_MALFORMED", { reason: "not the chunk asked for" });
        parts.add(frame);
        arrived += frame.data.length;
        onBytes?.(arrived);
        return;
      } catch (e) {
        const again = e instanceof FlError && (e.code === "FL_TIMEOUT" || e.code === "FL_FRAME_CHECKSUM");
        if (over.aborted || !again || tries === TRIES) throw e;
      }
    }
  };
  try {
    await new Promise<void>((resolve, reject) => {
      let next = 0;
      let under = 0;
      const ask = (): void => {
        for (const most = Math.min(WINDOW, Math.max(1, window())); under < most && next < parts.count; under++) {
          take(next++).then(took, reject);
        }
      };
      const took = (): void => {
        under--;
        if (under === 0 && next === parts.count) resolve();
        else ask();
      };
      ask();
    });
  } finally {
    ended.abort(); // the first failure ends the others
  }
}

/** A buffer whose size its first and last frame tell. @returns undefined if the sender has no such thing; for throws see pullChunks */
export async function pullWhole({
  request,
  signal,
}: Pick<PullOptions, "signal"> & {
  request(index: number, signal?: AbortSignal): Promise<Uint8Array>;
}): Promise<Uint8Array | undefined> {
  const frame = async (index: number): Promise<Frame | undefined> => {
    const answer = await request(index, signal);
    return answer.length === 0 ? undefined : decodeFrame(answer);
  };
  const first = await frame(0);
  const last = first === undefined || first.count === 1 ? first : await frame(first.count - 1);
  if (last === undefined) return undefined;
  const into = new Uint8Array(last.offset + last.data.length);
  await pullChunks({ request, into, signal });
  return into;
}
