/** Answers envoys with the reports of a device monitor. It keeps nothing between two questions, so there is no machine here. */
import type { Monitor } from "../../src/parts/monitor.ts";
import type { ReportReply } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";

export type MonitorService = {
  readonly wire: Wire;
  readonly monitor: Monitor;
  /** the name behind `nats:` */
  readonly name: string;
  /** the envoy on this machine; every envoy that asks when left out */
  readonly envoy?: string | undefined;
};

/** Returns what ends it. */
export function serveMonitor({ wire, monitor, name, envoy }: MonitorService): () => void {
  let running: Promise<ReportReply> | undefined;
  return wire.serve(
    subjects.report,
    envoy === undefined ? { name } : { name, envoy },
    () => {
      // envoys that ask at once share one report: a monitor is not called twice at a time
      running ??= monitor
        .report()
        .then((report): ReportReply => ({ report }))
        .finally(() => {
          running = undefined;
        });
      return running;
    },
    (error) => ({ error: error.toJSON() }),
  );
}
