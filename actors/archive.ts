/**
 * The workspace archive of an experiment that this envoy is assigned, from the Director, a chunk at a time.
 *
 * A1 Without a Director it waits for one: there is no round without it either.
 */
import { asFlError } from "../src/errors.ts";
import { pullChunks, STALL_MS } from "../src/transfer/pull.ts";
import type { Uploaded } from "../src/wire/messages.ts";
import { subjects } from "../src/wire/table.ts";
import type { Wire } from "../src/wire/wire.ts";
import { LIMITS } from "../src/workspace/archive.ts";
import { insist } from "./insist.ts";

export type ArchivePlace = { readonly envoy: string; readonly experiment: string; readonly archive: Uploaded };

/** What came has the announced length; whoever opens it checks its digest. @throws the signal's reason */
export async function fetchArchive(
  wire: Wire,
  { envoy, experiment, archive }: ArchivePlace,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const into = new Uint8Array(Math.min(archive.bytes, LIMITS.packedBytes));
  return insist(signal, async () => {
    try {
      await pullChunks({
        request: (index, within) =>
          wire.request(subjects.archive, { envoy }, { experiment, index }, { timeoutMs: STALL_MS, signal: within }),
        into,
        signal,
      });
      return into;
    } catch (e) {
      wire.ports.log.warn({ experiment, code: asFlError(e).code }, "workspace archive not here yet");
      throw e; // A1: what is retryable is asked for again
    }
  });
}
