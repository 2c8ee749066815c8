/**
 * From a placement, as a user writes it, to a device monitor: built in, a module on this machine, or a process on the bus.
 *
 * RM1 All three are held to the same contract (src/parts/monitor.ts): a remote report is checked like any other.
 */
import { FlError, fromWire, type WireError } from "../../src/errors.ts";
import { nearest } from "../../src/nearest.ts";
import { loadModule } from "../../src/parts/module.ts";
import { defineMonitor, type Monitor, type MonitorSpec } from "../../src/parts/monitor.ts";
import { parsePlacement } from "../../src/parts/placement.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { monitors } from "./builtin.ts";

/** well below a heartbeat's patience; the next one asks again */
const REPORT_MS = 3_000;

export type MonitorPlace = {
  readonly wire: Wire;
  /** whose machine is reported on */
  readonly envoy: string;
  /** the folder a module's relative path starts from. @default the current one */
  readonly from?: string;
};

/** @throws FL_PART_UNKNOWN, FL_PART_FAILED when the module is no monitor */
export async function resolveMonitor(text: string, { wire, envoy, from = "." }: MonitorPlace): Promise<Monitor> {
  const placement = parsePlacement(text);
  if (placement.kind === "nats") return remoteMonitor(wire, envoy, placement.name);
  return localMonitor(text, from);
}

/** A monitor that runs in this process. @throws FL_PART_UNKNOWN, FL_PART_FAILED */
export async function localMonitor(text: string, from: string): Promise<Monitor> {
  const placement = parsePlacement(text);
  switch (placement.kind) {
    case "builtin": {
      const make = Object.hasOwn(monitors, placement.name) ? monitors[placement.name] : undefined;
      if (make !== undefined) return make();
      const names = Object.keys(monitors);
      const near = nearest(placement.name, names);
      const hint = near === undefined ? `there is: ${names.join(", ")}` : `did you mean ${near}?`;
      const reason = `no device monitor is named ${placement.name}; ${hint}`;
      throw new FlError("FL_PART_UNKNOWN", { part: text, reason });
    }
    case "module":
      return defineMonitor((await loadModule(placement.path, { from })) as MonitorSpec);
    case "nats":
      throw new FlError("FL_PART_UNKNOWN", { part: text, reason: `${text} does not run in this process` });
  }
}

function remoteMonitor(wire: Wire, envoy: string, name: string): Monitor {
  return defineMonitor({
    name,
    async report() {
      const reply = await wire.request(subjects.report, { envoy, name }, {}, { timeoutMs: REPORT_MS });
      if (reply.error !== undefined) throw fromWire(reply.error as WireError);
      if (reply.report !== undefined) return reply.report;
      throw new FlError("FL_PART_FAILED", { part: name, reason: `device monitor ${name} answered without a report` });
    },
  });
}
