/**
 * An envoy's word to an experiment's Aggregator: its collaborator cannot run here.
 *
 * F1 It is repeated for as long as it is so. An Aggregator that was started since has not heard it; to one that has, it is
 *    no news.
 */
import type { FlError } from "../../src/errors.ts";
import type { Clock } from "../../src/ports.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { insist } from "../insist.ts";

const REQUEST_MS = 5_000;
export const REPEAT_MS = 5_000;

export type Report = {
  readonly wire: Wire;
  readonly envoy: string;
  readonly experiment: string;
  readonly error: FlError;
};

/** Resolves when the signal aborts: the assignment is gone, or the envoy leaves. */
export async function reportFailure({ wire, envoy, experiment, error }: Report, signal: AbortSignal): Promise<void> {
  const { clock, log } = wire.ports;
  log.error({ experiment, code: error.code, err: error }, "collaborator failed");
  const payload = { error: error.toJSON() };
  const options = { timeoutMs: REQUEST_MS, signal };
  try {
    for (;;) {
      // The Aggregator may be away for a moment, or for good: then the assignment goes too, and with it this report.
      await insist(signal, async () => {
        const { ok } = await wire.request(subjects.envoyFailed, { envoy, exp: experiment }, payload, options);
        return ok ? true : undefined;
      });
      await rest(clock, signal);
    }
  } catch (e) {
    if (!signal.aborted) log.warn({ experiment, err: e }, "failure not reported");
  }
}

/** Until the next time is due. @throws the signal's reason */
async function rest(clock: Clock, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(REPEAT_MS, end);
    signal.addEventListener("abort", end, { once: true });
  });
  signal.throwIfAborted();
}
