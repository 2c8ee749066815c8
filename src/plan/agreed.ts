/**
 * That all parties of an experiment read its plan alike, before work starts: what each makes of it has one digest (PL5 of
 * plan.ts). Its owner sends what it makes, the Director records what it makes, and whoever works compares: envoys in their
 * reviews, the Aggregator and the Collaborators as they start.
 */
import { FlError } from "../errors.ts";
import { type Plan, planDigest } from "./plan.ts";

/** `digest`: what another party makes of it; one that does not say cannot disagree. @throws FL_PLAN_DISAGREED */
export function agreePlan(plan: Plan, digest: string | undefined, party: string): void {
  const own = planDigest(plan);
  if (digest === undefined || digest === own) return;
  const reason = `here it is ${own.slice(0, 12)}, for ${party} ${digest.slice(0, 12)}`;
  throw new FlError("FL_PLAN_DISAGREED", { reason, expected: digest, got: own });
}
