/**
 * What a program starts an experiment from: a plan and a workspace, each in the forms that a program has them in.
 *
 * SO1 A workspace that is a folder is what src/workspace/sources.ts finds in it and, unless a plan is given, its `plan.yaml`.
 * SO2 A plan's own `workspace` counts before one that was only found beside it.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { FlError } from "../errors.ts";
import { loadPlan } from "../plan/load.ts";
import type { PlanInput } from "../plan/plan.ts";
import { workspaceSources } from "../workspace/sources.ts";
import type { ExperimentSource } from "./prepare.ts";

export type SourceOptions = {
  /** @default the plan's, or else the workspace folder's, or the plan file's */
  readonly name?: string | undefined;
  /** a YAML file, or the plan itself. @default plan.yaml of the workspace's folder */
  readonly plan?: string | PlanInput | undefined;
  /** the workspace's module, or a folder with a workspace.ts, a workspace.py or both in it. @default what the plan names */
  readonly workspace?: string | undefined;
};

const PLANS = ["plan.yaml", "plan.yml"];

/** @throws FL_PLAN_INVALID, FL_WORKSPACE_INVALID */
export async function experimentSource({ name, plan, workspace }: SourceOptions): Promise<ExperimentSource> {
  if (workspace !== undefined && typeof workspace !== "string") {
    const reason = "workspace is the path of a module: what is defined in a running program cannot travel";
    throw new FlError("FL_WORKSPACE_INVALID", { reason });
  }
  const folder = workspace !== undefined && (await stat(workspace).catch(() => undefined))?.isDirectory();
  const files = folder ? await readdir(workspace) : [];
  const found = (names: readonly string[]): string | undefined => {
    const file = names.find((n) => files.includes(n));
    return file === undefined ? undefined : join(workspace!, file);
  };
  const planFile = typeof plan === "string" ? plan : plan === undefined ? found(PLANS) : undefined;
  if (plan === undefined && planFile === undefined) {
    const where = folder
      ? `there is no plan.yaml in ${workspace}`
      : "neither plan nor a folder with plan.yaml is given";
    throw new FlError("FL_PLAN_INVALID", { reason: `it is needed: ${where}` });
  }
  const written = typeof plan === "object" ? plan : await loadPlan(planFile!);
  const own = folder && written.workspace !== undefined; // SO2
  const modules = folder && !own ? Object.values(await workspaceSources(workspace)) : [];
  const named = name ?? (folder ? (written.name ?? basename(resolve(workspace))) : undefined);
  return {
    name: named,
    planFile,
    plan: written as Record<string, unknown>,
    workspace: own ? undefined : modules.length === 1 ? modules[0] : workspace,
  };
}
