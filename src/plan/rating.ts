/**
 * What metrics decide: which model is the best, and when it is time to stop.
 *
 * RA1 A metric is compared by its mode: as the plan says, else by what it is compared with, else `min` for a loss or an error.
 * RA2 A plateau counts the closed rounds since the metric last got better by more than `delta`. A round without that metric
 *     does not count.
 */
import { z } from "zod";
import { metric } from "./forms.ts";

const mode = z
  .enum(["max", "min"])
  .optional()
  .describe("Whether more or less is better.")
  .meta({ default: "`min` for a loss or an error, else `max`" });

export const best = z.strictObject({
  metric: metric.describe("`<task label>.<metric>`, averaged over collaborators by `weight`."),
  mode,
});

export const stop = z
  .strictObject({
    metric: metric.describe("`<task label>.<metric>`, as for `best`."),
    atLeast: z.number().optional().describe("Stop once the metric is this or more."),
    atMost: z.number().optional().describe("Stop once the metric is this or less."),
    patience: z.int().min(1).optional().describe("Stop once so many rounds have brought nothing better."),
    delta: z.number().min(0).default(0).describe("By how much better it must be, for `patience`."),
    mode: mode.meta({ default: "`max` with `atLeast`, `min` with `atMost`, else as for `best`" }),
  })
  .refine((s) => s.atLeast === undefined || s.atMost === undefined, "must not have both atLeast and atMost")
  .refine(
    (s) => s.atLeast !== undefined || s.atMost !== undefined || s.patience !== undefined,
    "must have either atLeast or atMost, or patience",
  )
  .refine(
    (s) => !(s.atLeast !== undefined && s.mode === "min") && !(s.atMost !== undefined && s.mode === "max"),
    "must not have a mode against its target: atLeast is max, atMost is min",
  );

export type Mode = "max" | "min";
export type PlanBest = { metric: string; mode: Mode };
export type PlanStop = Omit<z.output<typeof stop>, "mode"> & { mode: Mode };
/** The best value so far, and for how many rounds nothing was better. */
export type Plateau = { readonly value: number; readonly rounds: number };

const modeOf = (name: string): Mode => (/loss|error/i.test(name) ? "min" : "max");

export const resolvedBest = (written: z.output<typeof best>): PlanBest => ({
  metric: written.metric,
  mode: written.mode ?? modeOf(written.metric), // RA1
});

export function resolvedStop(written: z.output<typeof stop>): PlanStop {
  const compared = written.atLeast !== undefined ? "max" : written.atMost !== undefined ? "min" : undefined;
  return { ...written, mode: written.mode ?? compared ?? modeOf(written.metric) }; // RA1
}

export const isBetter = (mode: Mode, value: number, than: number, by = 0): boolean =>
  mode === "max" ? value > than + by : value < than - by;

/** RA2. `value` is undefined where the round did not measure it. */
export function plateauAfter(stop: PlanStop, before: Plateau | null, value: number | undefined): Plateau | null {
  if (value === undefined || Number.isNaN(value)) return before;
  if (before === null || isBetter(stop.mode, value, before.value, stop.delta)) return { value, rounds: 0 };
  return { value: before.value, rounds: before.rounds + 1 };
}

/** Whether it is time to stop, after a round whose metric was `value`. */
export function isTimeToStop(stop: PlanStop, plateau: Plateau | null, value: number | undefined): boolean {
  if (value !== undefined && stop.atLeast !== undefined && value >= stop.atLeast) return true;
  if (value !== undefined && stop.atMost !== undefined && value <= stop.atMost) return true;
  return stop.patience !== undefined && plateau !== null && plateau.rounds >= stop.patience;
}
