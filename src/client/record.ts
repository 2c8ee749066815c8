/** Experiments' public records, read from where the Director keeps them: there also while no Director runs. */
import { FlError } from "../errors.ts";
import type { ExperimentRecord } from "../wire/messages.ts";
import { buckets } from "../wire/table.ts";
import type { Wire } from "../wire/wire.ts";

export const hasEnded = ({ state }: Pick<ExperimentRecord, "state">): boolean =>
  state === "finished" || state === "failed" || state === "rejected" || state === "cancelled";

/** @throws FL_NOT_FOUND */
export async function readRecord(wire: Wire, experiment: string): Promise<ExperimentRecord> {
  const row = await (await wire.table(buckets.experiments)).get({ exp: experiment });
  if (row !== undefined) return row.value;
  throw new FlError("FL_NOT_FOUND", { reason: `there is no experiment ${experiment}`, experiment });
}

/** All experiments, in the order of submission. */
export async function listRecords(wire: Wire): Promise<ExperimentRecord[]> {
  const rows = await (await wire.table(buckets.experiments)).all();
  return rows.map((r) => r.value).sort((a, b) => a.seq - b.seq);
}

/** Resolves when the experiment has ended; waits for one that is not there yet. @throws the signal's reason */
export const untilEnded = (wire: Wire, experiment: string, signal?: AbortSignal): Promise<ExperimentRecord> =>
  untilRecord(wire, experiment, hasEnded, signal);

/** Resolves when there is a record that satisfies the predicate. @throws the signal's reason */
export async function untilRecord(
  wire: Wire,
  experiment: string,
  holds: (record: ExperimentRecord) => boolean,
  signal?: AbortSignal,
): Promise<ExperimentRecord> {
  const table = await wire.table(buckets.experiments);
  const scope = new AbortController();
  try {
    return await new Promise((resolve, reject) => {
      const leave = (): void => reject(signal?.reason);
      if (signal?.aborted) leave();
      signal?.addEventListener("abort", leave, { once: true, signal: scope.signal });
      const look = ({ value }: { value: ExperimentRecord | undefined }): void => {
        if (value !== undefined && holds(value)) resolve(value);
      };
      table.watch({ exp: experiment }, look, scope.signal).catch(reject);
    });
  } finally {
    scope.abort();
  }
}
