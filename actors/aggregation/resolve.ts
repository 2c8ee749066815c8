/**
 * From a plan's `aggregation` to the object that combines: built in, a module, or a process on the bus.
 *
 * RA1 A module's path is looked up in the workspace's archive first. Only an absolute path is looked for on this machine.
 */
import { isAbsolute } from "node:path";
import { asFlError, FlError } from "../../src/errors.ts";
import type { Aggregation, AggregationPart } from "../../src/parts/aggregation.ts";
import { loadModule } from "../../src/parts/module.ts";
import { parsePlacement } from "../../src/parts/placement.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { importPart } from "../../src/workspace/open.ts";
import { builtinAggregation } from "./builtin.ts";
import { checkAggregation } from "./guarded.ts";
import { PartedAggregation, type Rule } from "./parted.ts";
import { RemoteAggregation } from "./remote.ts";

export type AggregationPlace = {
  readonly wire: Wire;
  readonly exp: string;
  /** the opened workspace archive */
  readonly archiveDir?: string;
};

/** The plan's: one rule, or one for each group of tensors. @throws what `resolveAggregation` throws */
export async function planAggregation(
  { use, options, tensors = [] }: Plan["aggregation"],
  place: AggregationPlace,
): Promise<Aggregation> {
  const rest = resolveAggregation(use, options, place);
  if (tensors.length === 0) return rest;
  const rules = [
    ...tensors.map(async (t) => rule(t.names, resolveAggregation(t.use, t.options, place))),
    rule(undefined, rest),
  ];
  return new PartedAggregation(await Promise.all(rules));
}

const rule = async (names: Rule["names"], aggregation: Promise<Aggregation>): Promise<Rule> => ({
  names,
  aggregation: await aggregation,
});

/** @throws FL_PART_UNKNOWN, FL_PART_FAILED, FL_PLAN_INVALID when the options are not the rule's */
export async function resolveAggregation(
  use: string,
  options: Record<string, unknown>,
  { wire, exp, archiveDir }: AggregationPlace,
): Promise<Aggregation> {
  const placement = parsePlacement(use);
  switch (placement.kind) {
    case "builtin":
      return builtinAggregation(placement.name).create(options);
    case "module":
      return (await modulePart(placement.path, archiveDir)).create(options);
    case "nats":
      return new RemoteAggregation({ wire, exp, name: placement.name, options });
  }
}

/** A part to be run in this process; a module's path starts from the folder `from`. @throws FL_PART_UNKNOWN, FL_PART_FAILED */
export async function localAggregation(use: string, from: string): Promise<AggregationPart> {
  const placement = parsePlacement(use);
  switch (placement.kind) {
    case "builtin":
      return builtinAggregation(placement.name);
    case "module":
      return checkAggregation(await loadModule(placement.path, { from }), use);
    case "nats":
      throw new FlError("FL_PART_UNKNOWN", { part: use, reason: `${use} does not run in this process` });
  }
}

async function modulePart(path: string, archiveDir: string | undefined): Promise<AggregationPart> {
  if (archiveDir !== undefined) {
    try {
      return checkAggregation(await importPart(archiveDir, path), path);
    } catch (e) {
      const elsewhere = asFlError(e).code === "FL_PART_UNKNOWN" && isAbsolute(path);
      if (!elsewhere) throw e;
    }
  }
  if (isAbsolute(path)) return checkAggregation(await loadModule(path), path); // RA1
  throw new FlError("FL_PART_UNKNOWN", { part: path, reason: `${path} needs the workspace it came with` });
}
