/**
 * Random groups: each round everybody is drawn into one group, each group a share of all.
 *
 * RG1 Everybody is in exactly one group, whatever their number: sizes are the shares' whole parts, and the places that are
 *     left go to the largest remainders (largest-remainder rule; of equal ones to the earlier group).
 * RG2 The draw depends on the seed and the round only, and on the order of names.
 */
import { defineAssigner } from "../../src/parts/assigner.ts";
import { randomGroups } from "../../src/plan/assigning.ts";
import { percent } from "../../src/plan/forms.ts";
import { tasksOf } from "./groups.ts";

export const random_groups = defineAssigner({
  name: "random_groups",
  options: randomGroups,
  assign({ collaborators, tasks, random }, { groups }) {
    const order = random.permutation(collaborators.length);
    const sizes = sizesOf(
      collaborators.length,
      groups.map((g) => percent(g.share)!),
    );
    const assignment: Record<string, string[]> = {};
    let from = 0;
    for (const [i, group] of groups.entries()) {
      const to = from + sizes[i]!;
      for (const at of order.subarray(from, to)) assignment[collaborators[at]!.name] = tasksOf(group, tasks);
      from = to;
    }
    return assignment;
  },
});

/** How many of `n` each share gets (RG1). */
export function sizesOf(n: number, shares: readonly number[]): number[] {
  const whole = shares.map((s) => Math.round(s * 1e6)); // whole numbers: remainders compare exactly
  const sum = whole.reduce((a, b) => a + b, 0);
  const sizes = whole.map((w) => Math.floor((n * w) / sum));
  const left = n - sizes.reduce((a, b) => a + b, 0);
  const byRemainder = whole.map((w, i) => ({ i, rest: (n * w) % sum })).sort((a, b) => b.rest - a.rest || a.i - b.i);
  for (const { i } of byRemainder.slice(0, left)) sizes[i]!++;
  return sizes;
}
