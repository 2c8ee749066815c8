/** Static groups: each collaborator is in the group that names it, in every round. */
import { FlError } from "../../src/errors.ts";
import { type AssignerRound, defineAssigner } from "../../src/parts/assigner.ts";
import { staticGroups, uncovered } from "../../src/plan/assigning.ts";

export const groups = defineAssigner({
  name: "groups",
  options: staticGroups,
  assign({ collaborators, tasks }, { groups: all }) {
    const present = collaborators.map((c) => c.name);
    // the plan may have said `all`: who that is was not known when it was read
    const [missing] = uncovered(
      all.flatMap((g) => g.collaborators),
      present,
    );
    if (missing.length > 0) {
      const reason = `assigner groups: ${missing.join(", ")} is in no group; give it one, if only with tasks: []`;
      throw new FlError("FL_PLAN_INVALID", { reason });
    }
    return Object.fromEntries(
      all.flatMap((group) =>
        group.collaborators.filter((c) => present.includes(c)).map((c) => [c, tasksOf(group, tasks)]),
      ),
    );
  },
});

/** What a group does of what a round asks: all of it, unless it names its tasks. */
export const tasksOf = (
  group: { readonly tasks?: readonly string[] | undefined },
  tasks: AssignerRound["tasks"],
): string[] => tasks.map((t) => t.label).filter((label) => group.tasks?.includes(label) ?? true);
