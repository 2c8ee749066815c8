/**
 * What can be known of an experiment before it is handed in: whether its plan fits its workspace.
 *
 * K1 The workspace is imported, where it was written, as every collaborator will. Nothing of it is called, but the `create` of
 *    the parts that travel with it: the plan's options are theirs to judge.
 *    One in Python is, too, if there is a Python here and it has the modules that the workspace imports; every engine that an
 *    experiment has must have its tasks.
 * K2 What a workspace's task makes of its arguments, and what an actor on the bus is, is not known here.
 */
import { join } from "node:path";
import { checkAggregation } from "../../actors/aggregation/guarded.ts";
import { resolveAssigner } from "../../actors/assigner/resolve.ts";
import { resolveStragglers } from "../../actors/straggler/resolve.ts";
import { checkTask } from "../engine/arguments.ts";
import { pythonWorker } from "../engine/python.ts";
import { isOfWorker, WorkerChannel } from "../engine/worker-channel.ts";
import { inspected } from "../engine/worker-messages.ts";
import { FlError } from "../errors.ts";
import { parsePlacement } from "../parts/placement.ts";
import type { Plan } from "../plan/plan.ts";
import { scratchFolder } from "../scratch.ts";
import type { WorkspaceBundle } from "../workspace/bundle.ts";
import { checkExperiment } from "../workspace/define.ts";
import { entriesOf } from "../workspace/engines.ts";
import { importPart, importWorkspace, linkPackages, openArchive } from "../workspace/open.ts";

/** @throws FL_WORKSPACE_INVALID, FL_TASK_UNKNOWN, FL_PLAN_INVALID, FL_PART_FAILED */
export async function checkAgainst(
  { tasks, assigner, stragglers, aggregation: { use, options } }: Plan,
  { archive, digest, installed }: Pick<WorkspaceBundle, "archive" | "digest" | "installed">,
): Promise<void> {
  const folder = await scratchFolder("check");
  try {
    const { dir, manifest } = await openArchive(archive, digest, join(folder.dir, "workspace"));
    await linkPackages(dir, installed);
    const entries = entriesOf(manifest);
    const known = [
      ...(entries.has("tfjs") ? [Object.keys(checkExperiment(await importWorkspace(dir)).tasks)] : []), // K1
      ...(entries.has("python") ? await inspectPython(dir, entries.get("python")!) : []),
    ];
    for (const own of known) for (const { task, arguments: given } of tasks) checkTask(task, given, own);
    await Promise.all([resolveAssigner(assigner, dir), resolveStragglers(stragglers, dir)]);
    if (parsePlacement(use).kind !== "module") return;
    const rule = checkAggregation(await importPart(dir, use), use).create(options);
    await rule.dispose?.();
  } finally {
    await folder.close();
  }
}

/** The tasks of a Python workspace; nothing where it cannot be imported for want of Python or of a package. @throws FL_WORKSPACE_INVALID */
async function inspectPython(dir: string, entry: string): Promise<string[][]> {
  const channel = new WorkerChannel(pythonWorker(undefined, dir));
  try {
    return [(await channel.request({ type: "inspect", dir, entry }, inspected)).own];
  } catch (e) {
    if (isOfWorker(e) || (e instanceof FlError && e.detail.missing !== undefined)) return [];
    throw e;
  } finally {
    channel.close();
    await channel.process.ended; // it is at home in the folder
  }
}
