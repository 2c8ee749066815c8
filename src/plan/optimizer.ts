/**
 * What becomes, from round to round, of what the optimizer of `train` remembers (momentum, moments).
 *
 * OP1 What is kept or combined is of one optimizer: every `train` of the plan names the same, one that remembers something.
 */
import { z } from "zod";
import type { Remembering } from "../tensor/slots.ts";

export const optimizer = z.enum(["reset", "local", "global"]);

type Known = {
  readonly optimizer: z.output<typeof optimizer>;
  readonly tasks: readonly { readonly task: string; readonly arguments: Readonly<Record<string, unknown>> }[];
};

const named = ({ tasks }: Known): unknown[] => [
  ...new Set(tasks.filter((t) => t.task === "train").map((t) => t.arguments.optimizer ?? "sgd")),
];

/** The optimizer of whose memory something lasts, if any does. */
export function remembering(plan: Known): Remembering | undefined {
  const [kind] = plan.optimizer === "reset" ? [] : named(plan);
  return kind as Remembering | undefined;
}

/** What does not fit the plan's tasks, as a predicate of `optimizer`. */
export function optimizerProblem(plan: Known): string | undefined {
  if (plan.optimizer === "reset") return undefined;
  const kinds = named(plan);
  if (kinds.length > 1)
    return `must be reset while tasks train with different optimizers (${kinds.join(", ")}): there is one memory`; // OP1
  if (kinds[0] === "momentum" || kinds[0] === "adam") return undefined;
  return `must be reset: no task of the plan trains with an optimizer that remembers; give train the argument optimizer: momentum or adam`;
}
