/**
 * Whom an experiment wants, as its plan says.
 *
 * W1 A plan that another release could read may not be one here: its Aggregator says so, as the experiment's failure.
 * W2 Who is in a group of the plan's is waited for, though the plan says `all`: without them its assigner would fail.
 */
import type { StaticGroups } from "../../src/plan/assigning.ts";
import { type Plan, parsePlan } from "../../src/plan/plan.ts";
import type { ExperimentRecord } from "../../src/wire/messages.ts";

export type Wanted = Pick<Plan, "collaborators" | "quorum" | "join">;

const everybody: Wanted = { collaborators: "all", quorum: "all", join: false };

export function wantedOf({ submission }: Pick<ExperimentRecord, "submission">): Wanted {
  try {
    const plan = parsePlan(submission.plan);
    const { collaborators, quorum, join } = plan;
    return { collaborators: collaborators === "all" ? (groupedIn(plan) ?? "all") : collaborators, quorum, join };
  } catch {
    return everybody; // W1
  }
}

/** Who is in a group of the plan's (W2); undefined if it has none. */
export function groupedIn({ assigner: { use, options } }: Pick<Plan, "assigner">): string[] | undefined {
  if (use !== "groups") return undefined;
  return (options as unknown as StaticGroups).groups.flatMap((g) => g.collaborators);
}
