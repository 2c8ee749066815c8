/**
 * From a plan file and a workspace to something that can be submitted.
 *
 * Q1 Paths in the plan start from the plan file's folder; a path given by the caller is taken as it is.
 * Q2 A part that the plan names by path travels with the workspace, under the name the plan gives it.
 * Q3 What can be known to be wrong is refused here, before anything is sent: names of built-in parts and of tasks, their
 *    options and arguments (src/client/check.ts).
 */
import { basename, dirname, extname, resolve } from "node:path";
import { checkBuiltin } from "../../actors/aggregation/builtin.ts";
import { FlError } from "../errors.ts";
import { loadPlan } from "../plan/load.ts";
import { modulesOf, type Plan, parsePlan } from "../plan/plan.ts";
import { bundleWorkspace } from "../workspace/bundle.ts";
import { checkAgainst } from "./check.ts";

export type ExperimentSource = {
  /** a YAML file … */
  readonly planFile?: string | undefined;
  /** … or the plan itself; with both, this one counts and the file says where paths start */
  readonly plan?: Plan | Record<string, unknown> | undefined;
  /** the workspace's source; @default the plan's `workspace` */
  readonly workspace?: string | undefined;
  /** @default the plan's name, or else the plan file's */
  readonly name?: string | undefined;
};

export type PreparedExperiment = {
  readonly name: string;
  readonly plan: Plan;
  readonly archive: Uint8Array;
  /** SHA-256 of the archive */
  readonly digest: string;
  /** packages that sites are to install, and where they are installed here, if they are */
  readonly installed: Readonly<Record<string, string>>;
};

/**
 * @throws FL_PLAN_INVALID, FL_WORKSPACE_INVALID, FL_TASK_UNKNOWN, FL_PART_UNKNOWN, FL_PART_FAILED, FL_ARCHIVE_INVALID, FL_USAGE
 *   when there is no workspace or no name
 */
export async function prepareExperiment(source: ExperimentSource): Promise<PreparedExperiment> {
  const { planFile } = source;
  if (source.plan === undefined && planFile === undefined)
    throw new FlError("FL_USAGE", { reason: "a plan is needed" });
  const plan = source.plan === undefined ? await loadPlan(planFile!) : parsePlan(source.plan);
  const folder = planFile === undefined ? process.cwd() : dirname(resolve(planFile));
  const workspace = source.workspace ?? (plan.workspace === undefined ? undefined : resolve(folder, plan.workspace)); // Q1
  if (workspace === undefined) {
    const reason = "neither the plan nor the caller says where the workspace is (workspace: ./workspace.ts)";
    throw new FlError("FL_USAGE", { reason });
  }
  const name = source.name ?? plan.name ?? (planFile === undefined ? undefined : basename(planFile, extname(planFile)));
  if (name === undefined) throw new FlError("FL_USAGE", { reason: "the experiment needs a name" });
  checkBuiltin(plan.aggregation, plan); // Q3
  const parts = Object.fromEntries(modulesOf(plan).map((path) => [path, resolve(folder, path)])); // Q2
  const bundle = await bundleWorkspace(workspace, { parts });
  await checkAgainst(plan, bundle);
  const { archive, digest, installed } = bundle;
  const { workspace: _, ...sent } = plan; // a path of this machine means nothing elsewhere
  return { name, plan: sent, archive, digest, installed };
}
