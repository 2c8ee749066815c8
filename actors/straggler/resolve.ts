/** From a plan's `stragglers` to what decides: built in, or a module. */
import { FlError } from "../../src/errors.ts";
import { parsePlacement } from "../../src/parts/placement.ts";
import type { StragglerPart, StragglerPolicy } from "../../src/parts/straggler.ts";
import { definedPart } from "../part.ts";
import { policies } from "./builtin.ts";

/** Undefined for the one that never decides. @throws FL_PART_UNKNOWN, FL_PART_FAILED, FL_PLAN_INVALID when the options are not the policy's */
export async function resolveStragglers(
  { use, options }: { readonly use: string; readonly options: Record<string, unknown> },
  archiveDir?: string,
): Promise<StragglerPolicy | undefined> {
  const placement = parsePlacement(use);
  if (placement.kind === "module") {
    return (await definedPart<StragglerPart>(placement.path, archiveDir, "defineStragglers")).create(options);
  }
  if (use === "deadline") return undefined;
  const part = placement.kind === "builtin" ? policies[placement.name] : undefined;
  if (part === undefined)
    throw new FlError("FL_PART_UNKNOWN", { part: use, reason: `no straggler policy is named ${use}` });
  return part.create(options);
}
