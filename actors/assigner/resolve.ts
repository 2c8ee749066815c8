/**
 * From a plan's `assigner` to what assigns: built in, or a module.
 *
 * RS1 Only a module is told more than names: shards and devices are looked up for it, and for no built-in one.
 */
import { FlError } from "../../src/errors.ts";
import type { Assigner, AssignerPart } from "../../src/parts/assigner.ts";
import { parsePlacement } from "../../src/parts/placement.ts";
import { definedPart } from "../part.ts";
import { assigners } from "./builtin.ts";

export type ResolvedAssigner = Assigner & { readonly informed: boolean };

/** @throws FL_PART_UNKNOWN, FL_PART_FAILED, FL_PLAN_INVALID when the options are not the assigner's */
export async function resolveAssigner(
  { use, options }: { readonly use: string; readonly options: Record<string, unknown> },
  archiveDir?: string,
): Promise<ResolvedAssigner> {
  const placement = parsePlacement(use);
  if (placement.kind === "module") {
    const part = await definedPart<AssignerPart>(placement.path, archiveDir, "defineAssigner");
    return { ...part.create(options), informed: true }; // RS1
  }
  const part = placement.kind === "builtin" ? assigners[placement.name] : undefined;
  if (part === undefined) throw new FlError("FL_PART_UNKNOWN", { part: use, reason: `no assigner is named ${use}` });
  return { ...part.create(options), informed: false };
}
