/**
 * Who does what in a round, as a plan says it: the assigner's name, and the groups of the built-in ones. The rules that turn
 * them into assignments are in actors/assigner.
 *
 * GR1 Shares add up to 100 %; what rounding takes or adds (33.3% three times) is let pass, up to 1 %.
 * GR2 Nobody is in two groups; and where it is known who takes part, everybody is in one.
 * GR3 A group without `tasks` does all of the plan's; with `[]` it rests.
 */
import { z } from "zod";
import { nearest } from "../nearest.ts";
import { localPart, percent, share, token } from "./forms.ts";

const tasks = z.array(token).optional();
const named = <S extends z.ZodRawShape>(shape: S) => z.strictObject({ name: token, ...shape, tasks });
const unique = (groups: readonly { readonly name: string }[]): boolean =>
  new Set(groups.map((g) => g.name)).size === groups.length;

export const randomGroups = z.strictObject({
  groups: z
    .array(named({ share }))
    .min(1)
    .refine(unique, "must not name two groups alike")
    .superRefine((groups, ctx) => {
      const sum = groups.reduce((n, g) => n + percent(g.share)!, 0);
      if (Math.abs(sum - 100) <= 1) return; // GR1
      const message = `must have shares of 100% in all, got ${Number(sum.toFixed(3))}%; a group with tasks: [] rests`;
      ctx.addIssue({ code: "custom", message, params: { whole: true } });
    }),
});
export type RandomGroups = z.output<typeof randomGroups>;

export const staticGroups = z.strictObject({
  groups: z
    .array(named({ collaborators: z.array(token).min(1) }))
    .min(1)
    .refine(unique, "must not name two groups alike")
    .superRefine((groups, ctx) => {
      const seen = new Map<string, string>();
      for (const [i, { name, collaborators }] of groups.entries()) {
        for (const [j, collaborator] of collaborators.entries()) {
          const before = seen.get(collaborator);
          seen.set(collaborator, name);
          if (before === undefined) continue;
          const message = `must not be in two groups: ${collaborator} is in ${before} already`; // GR2
          ctx.addIssue({ code: "custom", path: [i, "collaborators", j], message, params: { whole: true } });
        }
      }
    }),
});
export type StaticGroups = z.output<typeof staticGroups>;

export const assigner = localPart(
  { all: z.strictObject({}), random_groups: randomGroups, groups: staticGroups },
  "all",
  "assigner",
);
export type PlanAssigner = z.output<typeof assigner>;

type Known = {
  readonly labels: readonly string[];
  readonly collaborators: "all" | readonly string[];
  readonly join: boolean;
};
type Found = { readonly path: readonly PropertyKey[]; readonly says: string };

/** What does not fit the rest of the plan, each at its path within `assigner`. */
export function assignerProblems({ use, options }: PlanAssigner, { labels, collaborators, join }: Known): Found[] {
  if (use !== "random_groups" && use !== "groups") return [];
  const { groups } = options as unknown as RandomGroups | StaticGroups;
  const strange = groups.flatMap(({ tasks: given = [] }, i) =>
    given.flatMap((label, j): Found[] => {
      if (labels.includes(label)) return [];
      const near = nearest(label, labels);
      const hint = near === undefined ? labels.join(", ") : `did you mean ${near}?`;
      return [{ path: ["options", "groups", i, "tasks", j], says: `must be the label of a task (${hint})` }];
    }),
  );
  if (use === "random_groups") return strange;
  const grouped = (options as unknown as StaticGroups).groups.flatMap((g) => g.collaborators);
  if (collaborators === "all") {
    if (!join) return strange;
    const says = "must not be groups with join: whoever comes later is in none; list the collaborators";
    return [...strange, { path: ["use"], says }];
  }
  const [missing, unknown] = uncovered(grouped, collaborators);
  const problems = [
    ...(missing.length > 0 ? [`must have everyone in a group: ${missing.join(", ")} is in none`] : []),
    ...(unknown.length > 0 ? [`must be of collaborators of the plan: ${unknown.join(", ")} is none`] : []),
  ];
  return [...strange, ...problems.map((says) => ({ path: ["options", "groups"], says }))]; // GR2
}

/** Who takes part and is in no group, and who is in a group and takes no part. */
export function uncovered(grouped: readonly string[], collaborators: readonly string[]): [string[], string[]] {
  return [collaborators.filter((c) => !grouped.includes(c)), grouped.filter((c) => !collaborators.includes(c))];
}
