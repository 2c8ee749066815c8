/**
 * Experiments' own deadlines: what has not ended by then is told.
 *
 * T1 A deadline is a point in time in the record, so it survives restarts; one that passed while no Director ran is told at once.
 * T2 Whoever is told looks at the record again: it may have been moved, or have ended.
 */
import type { ExperimentRecord } from "../../src/wire/messages.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { hasEnded } from "./lifecycle.ts";
import type { Records } from "./records.ts";

/** a timer's delay overflows at 2^31 ms; a deadline further away is looked at again */
const LONGEST_MS = 2 ** 30;

/** Watches until the returned function is called. */
export function watchDeadlines(wire: Wire, records: Records, passed: (name: string) => void): () => void {
  const { clock, log } = wire.ports;
  const timers = new Map<string, () => void>();
  const arm = (name: string, record: ExperimentRecord | undefined): void => {
    timers.get(name)?.();
    timers.delete(name);
    if (record === undefined || hasEnded(record) || record.deadline_at === null) return;
    const left = record.deadline_at - clock.now();
    const ring = (): void => (left > LONGEST_MS ? arm(name, record) : passed(name));
    timers.set(name, clock.after(Math.max(0, Math.min(left, LONGEST_MS)), ring));
  };
  const end = records.onChange(arm);
  records.list().then(
    (all) => {
      for (const record of all) if (!timers.has(record.name)) arm(record.name, record);
    },
    (e) => log.error({ err: e }, "deadlines not read"),
  );
  return () => {
    end();
    for (const cancel of timers.values()) cancel();
  };
}
