/**
 * Work that may take so long and no longer.
 *
 * WT1 When the time is over its signal aborts and the caller goes on with FL_TASK_TIMEOUT, whatever the work does.
 * WT2 Work that let no timer fire and comes back after its time has failed all the same.
 */
import { FlError } from "../../src/errors.ts";
import type { Clock } from "../../src/ports.ts";

export type Limit = {
  /** undefined: as long as it takes */
  readonly ms: number | undefined;
  /** the task, as its failure calls it */
  readonly what: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

/** @throws FL_TASK_TIMEOUT, and what the work throws */
export async function withinTime<T>(
  { ms, what, clock, signal }: Limit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (ms === undefined) return work(signal);
  const began = clock.now();
  const late = (): FlError =>
    new FlError("FL_TASK_TIMEOUT", { task: what, reason: `${what} took longer than ${ms} ms`, timeout_ms: ms });
  const stop = new AbortController();
  const follow = (): void => stop.abort(signal.reason);
  signal.addEventListener("abort", follow, { once: true });
  let cancel = (): void => {};
  const over = new Promise<never>((_, reject) => {
    cancel = clock.after(ms, () => {
      stop.abort(late());
      reject(stop.signal.reason); // WT1
    });
  });
  try {
    const came = await Promise.race([work(stop.signal), over]);
    if (clock.now() - began > ms && !signal.aborted) throw late(); // WT2
    return came;
  } finally {
    cancel();
    signal.removeEventListener("abort", follow);
  }
}
