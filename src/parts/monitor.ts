/**
 * A device monitor: what tells how busy the machine is on which an envoy runs. A swappable part; this is its contract and
 * its definition helper. The built-in one is in actors/device-monitor/, a user's is a module or a process of its own.
 *
 * DM1 What `report` resolves to fits the wire's DeviceReport, with fractions from 0 to 1; anything else is FL_PART_FAILED
 *     that names the monitor and every field at fault.
 * DM2 Only figures leave the machine; a figure that cannot be had is 0, a device that is not there is left out.
 */
import { z } from "zod";
import { asFlError, FlError } from "../errors.ts";
import { parseStrict } from "../validate.ts";
import { type DeviceReport, deviceReport } from "../wire/messages.ts";

/** A report as a monitor gives it: the disk, and a GPU's CUDA version, may be left out. */
export type GivenReport = z.input<typeof deviceReport>;

/** What a user writes. */
export type MonitorSpec = {
  readonly name: string;
  /** Called at each heartbeat, never twice at a time; what it takes long for, it had better keep. */
  report(): GivenReport | Promise<GivenReport>;
  dispose?(): void | Promise<void>;
};

export type Monitor = {
  readonly name: string;
  /** @throws FL_PART_FAILED (DM1); a remote one: FL_NO_RESPONDER, FL_TIMEOUT */
  report(): Promise<DeviceReport>;
  dispose?(): void | Promise<void>;
};

const specSchema = z.object({
  name: z.string().min(1).max(64),
  report: z.custom<MonitorSpec["report"]>((f) => typeof f === "function", "must be a function"),
  dispose: z
    .custom<NonNullable<MonitorSpec["dispose"]>>(
      (f) => f === undefined || typeof f === "function",
      "must be a function",
    )
    .optional(),
});

const isFraction = (x: number): boolean => x >= 0 && x <= 1;
const fraction = z.number().refine(isFraction, "must be a fraction from 0 to 1");
const { cpu, gpus } = deviceReport.shape;
const strictReport = deviceReport.extend({
  cpu: cpu.extend({ load: fraction }),
  gpus: z.array(gpus.element.extend({ utilisation: fraction })),
});

/** Defines a device monitor. @throws FL_PART_FAILED when `spec` is none */
export function defineMonitor(spec: MonitorSpec): Monitor {
  const { name } = parseStrict(specSchema, spec, { code: "FL_PART_FAILED", what: "device monitor" });
  const what = `report of device monitor ${name}`;
  return {
    name,
    async report() {
      let report: unknown;
      try {
        report = await spec.report(); // called on `spec`: it may be a class
      } catch (e) {
        if (e instanceof FlError) throw e;
        const { message } = asFlError(e);
        throw new FlError("FL_PART_FAILED", { part: name, reason: `device monitor ${name}: ${message}` }, { cause: e });
      }
      return parseStrict(strictReport, report, { code: "FL_PART_FAILED", what }); // DM1
    },
    async dispose() {
      await spec.dispose?.();
    },
  };
}
