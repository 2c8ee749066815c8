/**
 * The aggregations a plan can name without a path. A new rule is a new file here and a line below; a user's rule is neither.
 */
import { FlError } from "../../src/errors.ts";
import { nearest } from "../../src/nearest.ts";
import type { AggregationPart } from "../../src/parts/aggregation.ts";
import { parsePlacement } from "../../src/parts/placement.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { bulyan } from "./bulyan.ts";
import { centeredClipping } from "./centered-clipping.ts";
import { fedadagrad } from "./fedadagrad.ts";
import { fedadam } from "./fedadam.ts";
import { fedavg } from "./fedavg.ts";
import { fedavgm } from "./fedavgm.ts";
import { fedcurv } from "./fedcurv.ts";
import { feddyn } from "./feddyn.ts";
import { fednova } from "./fednova.ts";
import { fedyogi } from "./fedyogi.ts";
import { geometricMedian } from "./geometric-median.ts";
import { krum } from "./krum.ts";
import { median } from "./median.ts";
import { multiKrum } from "./multi-krum.ts";
import { normClipped } from "./norm-clipped.ts";
import { qFedavg } from "./q-fedavg.ts";
import { scaffold } from "./scaffold.ts";
import { trimmedMean } from "./trimmed-mean.ts";

export const aggregations: Readonly<Record<string, AggregationPart>> = {
  fedavg,
  fedavgm,
  fedadagrad,
  fedadam,
  fedyogi,
  fednova,
  q_fedavg: qFedavg,
  scaffold,
  feddyn,
  fedcurv,
  median,
  trimmed_mean: trimmedMean,
  geometric_median: geometricMedian,
  krum,
  multi_krum: multiKrum,
  bulyan,
  norm_clipped: normClipped,
  centered_clipping: centeredClipping,
};

/** @throws FL_PART_UNKNOWN with the nearest name */
export function builtinAggregation(name: string): AggregationPart {
  const part = Object.hasOwn(aggregations, name) ? aggregations[name] : undefined;
  if (part !== undefined) return part;
  const names = Object.keys(aggregations);
  const near = nearest(name, names);
  const hint = near === undefined ? `there are: ${names.join(", ")}` : `did you mean ${near}?`;
  throw new FlError("FL_PART_UNKNOWN", { part: name, reason: `no aggregation is named ${name}; ${hint}` });
}

/** What can be said of a plan's aggregation wherever the plan is read. @throws FL_PART_UNKNOWN, FL_PLAN_INVALID */
export function checkBuiltin(
  aggregation: Plan["aggregation"],
  { collaborators, quorum }: Partial<Pick<Plan, "collaborators" | "quorum">> = {},
): void {
  const named = Array.isArray(collaborators) ? collaborators.length : Number.POSITIVE_INFINITY;
  const counted = typeof quorum === "number" ? quorum : named;
  for (const { use, options } of [aggregation, ...(aggregation.tensors ?? [])]) {
    const placement = parsePlacement(use);
    if (placement.kind !== "builtin") continue;
    const part = builtinAggregation(placement.name);
    part.create(options);
    const least = part.least?.(options) ?? 1;
    if (Math.min(named, counted) >= least) continue;
    const reason = `aggregation ${use} needs ${least} updates with these options, and a round may count with ${Math.min(named, counted)}`;
    throw new FlError("FL_PLAN_INVALID", { reason });
  }
}
