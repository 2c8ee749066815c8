/**
 * Who is asked for what in a round.
 *
 * AG1 Round 0 asks one collaborator for the initial model, the first by name of those who have not failed at it; no assigner
 *     is asked.
 * AG2 The rating round asks for what rates the global model, of whoever was assigned any of it; of everybody, if nobody was:
 *     the final model is always rated.
 * AG3 An assigner that does not answer within ASSIGN_MS has failed: no round waits for it for ever.
 */
import { Random, seedFrom } from "../../src/data/random.ts";
import { FlError } from "../../src/errors.ts";
import type { Assignment } from "../../src/parts/assigner.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { Clock } from "../../src/ports.ts";
import type { ResolvedAssigner } from "../assigner/resolve.ts";
import type { History } from "./history.ts";
import type { Roster } from "./roster.ts";

/** the label under which round 0 asks for the initial model */
export const INITIAL = "initial";
export const ASSIGN_MS = 60_000;

export type Assigning = {
  readonly plan: Plan;
  readonly assigner: ResolvedAssigner;
  readonly roster: Roster;
  readonly history: History;
  readonly clock: Clock;
};

/** @throws FL_PART_FAILED, FL_PLAN_INVALID when the plan's groups are not those who take part */
export async function assign(
  { plan, assigner, roster, history, clock }: Assigning,
  round: number,
  names: readonly string[],
  skip: readonly string[],
): Promise<Assignment> {
  if (round === 0) {
    const first = names.find((name) => !skip.includes(name));
    return first === undefined ? {} : { [first]: [INITIAL] }; // AG1
  }
  const rating = round > plan.rounds;
  const assignment = await within(
    clock,
    assigner.name,
    assigner.assign({
      ...{ round, rounds: plan.rounds, rating, seed: plan.seed },
      tasks: plan.tasks.map(({ label, task, on = null }) => ({ label, task, on })),
      collaborators: await roster.candidates(names, history, assigner.informed),
      history: history.past,
      random: new Random(seedFrom("assigner", plan.seed, round)),
    }),
  );
  return rating ? ratingOf(plan, assignment, names) : assignment;
}

/** AG2 */
function ratingOf(plan: Plan, assignment: Assignment, names: readonly string[]): Assignment {
  const rates = plan.tasks.filter((t) => t.on === "global").map((t) => t.label);
  const asked = Object.entries(assignment)
    .map(([name, labels]) => [name, labels.filter((label) => rates.includes(label))] as const)
    .filter(([, labels]) => labels.length > 0);
  return Object.fromEntries(asked.length > 0 ? asked : names.map((name) => [name, rates]));
}

/** AG3 */
function within<T>(clock: Clock, name: string, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ASSIGN_MS, () => {
      const reason = `assigner ${name} has not answered for ${ASSIGN_MS / 1_000} s`;
      reject(new FlError("FL_PART_FAILED", { part: name, reason }));
    });
    answer.then(resolve, reject).finally(cancel);
  });
}

/** Those of whom an update is expected: their tasks change the weights. */
export function trainersOf({ tasks }: Plan, assigned: Assignment): Set<string> {
  const rates = new Set(tasks.filter((t) => !t.trains).map((t) => t.label));
  const asked = Object.entries(assigned);
  return new Set(asked.filter(([, labels]) => labels.some((label) => !rates.has(label))).map(([name]) => name));
}
