/**
 * How long a round waits for its slowest, as a plan says it: the policy's name, and the options of the built-in ones. The
 * rules are in actors/straggler.
 *
 * SG1 A policy decides when the quorum is enough. It never closes a round without the quorum, so where the quorum is
 *     everybody there is nothing for it to decide.
 */
import { z } from "zod";
import { duration } from "./duration.ts";
import { localPart, percent, share } from "./forms.ts";

export const cutoffOptions = z.strictObject({ after: duration });
export const percentageOptions = z.strictObject({ share });

export const stragglers = localPart(
  {
    deadline: z.strictObject({}),
    cutoff: cutoffOptions,
    quorum: z.strictObject({}),
    percentage: percentageOptions,
  },
  "deadline",
  "policy",
);
export type PlanStragglers = z.output<typeof stragglers>;

type Known = { readonly quorum: "all" | number | `${number}%`; readonly deadline: number | null };

/** Why the policy could never make a difference, as a predicate of `stragglers`; undefined if it can. */
export function stragglersProblem({ use, options }: PlanStragglers, { quorum, deadline }: Known): string | undefined {
  if (use === "deadline") return undefined;
  if (quorum === "all" || quorum === "100%")
    return `must not be ${use} while quorum is all: no round counts before everyone is in; lower the quorum`; // SG1
  const wanted = use === "percentage" ? percent(options.share) : undefined;
  const least = percent(quorum);
  if (wanted !== undefined && least !== undefined && wanted < least)
    return `must not be percentage with a share of ${options.share} below the quorum of ${quorum}: no round counts by then`;
  if (use === "cutoff" && deadline !== null && (options.after as number) >= deadline)
    return "must not be cutoff with a time that is not before the deadline: the round has ended by then";
  return undefined;
}
