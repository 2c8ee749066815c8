/**
 * An envoy's signs of life, with its machine's report in each.
 *
 * H1 A beat is due a period after the one before it was, whatever that one waited for; never two at a time.
 * H2 The period is the one that the Director dictated last, from the next beat on.
 * H3 No monitor holds a beat back: a report that takes long, or fails, is missing in it. A report under way is waited for by the
 *    next beat too, not asked for again.
 * H4 A Director that does not answer is no end: the next beat will find it, however long it was away.
 */
import { asFlError } from "../../src/errors.ts";
import type { Monitor } from "../../src/parts/monitor.ts";
import type { Clock, Log, Ports } from "../../src/ports.ts";
import type { DeviceReport, Heartbeat } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";

/** how long an answer may take: a period, within these bounds */
const LEAST_MS = 1_000;
const REQUEST_MS = 5_000;
/** how long a beat waits for its report at most; half a period if that is less */
const REPORT_MS = 4_000;

export type Beating = {
  readonly wire: Wire;
  readonly envoy: string;
  readonly instance: string;
  readonly monitor: Monitor;
  readonly periodMs: number;
  readonly running: () => Heartbeat["running"];
  /** the Director does not know this envoy */
  readonly unknown: () => void;
};

/** Beats until the returned function is called. */
export function startHeartbeats({ wire, envoy, instance, monitor, periodMs, running, unknown }: Beating): () => void {
  const { clock, log } = wire.ports;
  const reports = new Reports(wire.ports, monitor);
  let period = periodMs;
  let cancel = (): void => {};
  const ends = new AbortController();
  const beat = async (): Promise<void> => {
    const began = clock.now();
    try {
      const report = await reports.next(Math.min(REPORT_MS, period / 2));
      if (ends.signal.aborted) return;
      const payload: Heartbeat = { v: 1, instance, report, running: running() };
      const options = { timeoutMs: Math.min(REQUEST_MS, Math.max(LEAST_MS, period)), signal: ends.signal };
      const { known, period_ms, error } = await wire.request(subjects.heartbeat, { envoy }, payload, options);
      period = period_ms; // H2
      if (error !== undefined) log.warn({ code: error.code, error }, "heartbeat refused");
      else if (!known) unknown();
    } catch (e) {
      if (ends.signal.aborted) return;
      log.debug({ code: asFlError(e).code }, "heartbeat not answered"); // H4
    }
    if (!ends.signal.aborted) cancel = clock.after(Math.max(0, began + period - clock.now()), () => void beat()); // H1
  };
  void beat();
  return () => {
    ends.abort();
    cancel();
  };
}

/** H3 */
class Reports {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #monitor: Monitor;
  #underWay: Promise<DeviceReport | null> | undefined;

  constructor({ clock, log }: Ports, monitor: Monitor) {
    this.#clock = clock;
    this.#log = log;
    this.#monitor = monitor;
  }

  /** null if there is none in time. Never rejects. */
  next(limitMs: number): Promise<DeviceReport | null> {
    this.#underWay ??= this.#report().finally(() => {
      this.#underWay = undefined;
    });
    const underWay = this.#underWay;
    return new Promise((resolve) => {
      const cancel = this.#clock.after(limitMs, () => {
        this.#log.warn({ monitor: this.#monitor.name, limit_ms: limitMs }, "device monitor takes too long");
        resolve(null);
      });
      underWay.then((report) => {
        cancel();
        resolve(report);
      });
    });
  }

  async #report(): Promise<DeviceReport | null> {
    try {
      return await this.#monitor.report();
    } catch (e) {
      this.#log.warn({ err: e }, "device monitor failed"); // the beat says that the envoy lives all the same
      return null;
    }
  }
}
