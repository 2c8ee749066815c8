/**
 * What can be known of an experiment before its first round: does the plan fit its workspace, the federation's shapes, and who
 * is there? `entente plan check` says it, and changes nothing.
 *
 * PF1 Checks go from the plan outwards; each says whether it holds and why, and one that needs a failed one is left out.
 * PF2 With the federation's shapes the model is built and every task runs once on a few random samples of them: a shape or
 *    task that does not fit fails here as it would at a collaborator.
 */
import { dummyShard } from "../data/dummy-shard.ts";
import { asFlError } from "../errors.ts";
import { type Plan, planDigest, resolveQuorum } from "../plan/plan.ts";
import type { Federation } from "./federation.ts";
import { prepareExperiment } from "./prepare.ts";
import { rehearse } from "./rehearsal.ts";

export type Check = {
  readonly check: "plan" | "workspace" | "shapes" | "collaborators" | "quorum";
  /** null: nobody to ask */
  readonly holds: boolean | null;
  readonly detail: string;
  readonly code: string | null;
};

export type PreflightOptions = { readonly planFile: string; readonly workspace?: string | undefined };

/** samples of the rehearsal's splits: enough for a batch of each task */
const FEW = 32;

/** `federation` undefined: what concerns it is not checked. Never rejects for what is wrong with the plan. */
export async function* preflight(
  plan: Plan,
  { planFile, workspace }: PreflightOptions,
  federation: Federation | undefined,
): AsyncGenerator<Check, void> {
  yield { check: "plan", holds: true, detail: `version ${plan.version}, digest ${planDigest(plan)}`, code: null };
  let fits = true;
  try {
    const { digest } = await prepareExperiment({ planFile, workspace, name: plan.name ?? "check" });
    yield { check: "workspace", holds: true, detail: `archive ${digest}`, code: null };
  } catch (e) {
    fits = false;
    yield refused("workspace", e);
  }
  if (federation === undefined) {
    const detail = "no federation to ask: name one with --nats, or run `entente up`";
    for (const check of ["shapes", "collaborators", "quorum"] as const)
      yield { check, holds: null, detail, code: null };
    return;
  }
  if (fits) yield await shapes(plan, { planFile, workspace }, federation);
  yield* members(plan, federation);
}

async function shapes(plan: Plan, { planFile, workspace }: PreflightOptions, federation: Federation): Promise<Check> {
  try {
    const { sampleShape, targetShape } = await federation.shapes();
    const shard = dummyShard({ sampleShape, targetShape, size: FEW });
    await rehearse({ plan: planFile, workspace, name: plan.name ?? "check", shard });
    const detail = `every task ran on samples [${sampleShape.join(", ")}] with targets [${targetShape.join(", ")}]`;
    return { check: "shapes", holds: true, detail, code: null };
  } catch (e) {
    const unknown = asFlError(e).code === "FL_NOT_FOUND";
    if (unknown) return { check: "shapes", holds: null, detail: "no shard has registered yet", code: null };
    return refused("shapes", e);
  }
}

async function* members(plan: Plan, federation: Federation): AsyncGenerator<Check, void> {
  let envoys: Awaited<ReturnType<Federation["envoys"]>>;
  try {
    envoys = await federation.envoys();
  } catch (e) {
    const detail = `no Director answers (${asFlError(e).code})`;
    for (const check of ["collaborators", "quorum"] as const) yield { check, holds: null, detail, code: null };
    return;
  }
  const wanted = plan.collaborators === "all" ? envoys.map((e) => e.name) : plan.collaborators;
  const online = new Set(envoys.filter((e) => e.online).map((e) => e.name));
  const absent = wanted.filter((name) => !online.has(name));
  const there = wanted.length - absent.length;
  const missing = absent.length === 0 ? "" : `; not online: ${absent.join(", ")}`;
  yield {
    check: "collaborators",
    holds: wanted.length > 0 && absent.length === 0,
    detail: `${there} of ${wanted.length} online${missing}`,
    code: null,
  };
  try {
    const needed = resolveQuorum(plan, wanted.length);
    const detail = `a round counts with ${needed} of ${wanted.length}; ${there} online`;
    yield { check: "quorum", holds: there >= needed, detail, code: null };
  } catch (e) {
    yield refused("quorum", e);
  }
}

function refused(check: Check["check"], e: unknown): Check {
  const { code, message } = asFlError(e);
  return { check, holds: false, detail: message, code };
}
