/**
 * Methods that are more than a rule: the rule that the plan names asks something of each collaborator's training as well.
 *
 * ME1 A method is the plan's `aggregation.use`, a built-in one, with its options: the two sides cannot disagree about it.
 * ME2 It goes with one task `train`, the built-in one, and with one rule for all tensors. SCAFFOLD's optimizer is plain SGD;
 *     FedNova knows what steps of SGD and of momentum come to.
 */
import { z } from "zod";
import type { MethodName } from "../tensor/slots.ts";
import { parseStrict } from "../validate.ts";

export const methodOptions = {
  fedcurv: z.strictObject({
    importance: z.number().positive().default(1).describe("λ, how strongly what others have learnt is kept"),
    samples: z.int().positive().default(256).describe("how many samples, at most, a collaborator measures it by"),
  }),
  scaffold: z.strictObject({
    learningRate: z.number().positive().default(1).describe("η_g, the server's step"),
  }),
  feddyn: z.strictObject({
    alpha: z.number().positive().default(0.01).describe("α, how strongly training is held to the common model"),
  }),
  fednova: z.strictObject({}),
  q_fedavg: z.strictObject({
    q: z.number().min(0).max(100).default(1).describe("how much more the worse off count; with 0 all count alike"),
  }),
};

/** What training is asked for; `strength` is the option that weighs it. */
export type Method = { readonly name: MethodName; readonly strength: number; readonly samples: number };

type Known = {
  readonly aggregation: {
    readonly use: string;
    readonly options: Readonly<Record<string, unknown>>;
    readonly tensors?: unknown;
  };
  readonly tasks: readonly { readonly task: string; readonly arguments: Readonly<Record<string, unknown>> }[];
};

const nameOf = ({ aggregation: { use } }: Known): MethodName | undefined =>
  Object.hasOwn(methodOptions, use) ? (use as MethodName) : undefined;

/** The plan's, if it has one. @throws FL_PLAN_INVALID when the options are not the method's */
export function methodOf(plan: Known): Method | undefined {
  const name = nameOf(plan);
  if (name === undefined) return undefined;
  const given = parseStrict<z.ZodType<Record<string, number>>>(methodOptions[name], plan.aggregation.options, {
    code: "FL_PLAN_INVALID",
    what: `options of aggregation ${name}`,
  });
  return { name, strength: given.importance ?? given.alpha ?? 1, samples: given.samples ?? 0 };
}

/** What does not fit the plan's tasks and rules, as a predicate of `aggregation`. */
export function methodProblem(plan: Known): string | undefined {
  const name = nameOf(plan);
  if (name === undefined) return undefined;
  if (plan.aggregation.tensors !== undefined) return `must be ${name} for all tensors, or for none`;
  const training = plan.tasks.filter((t) => t.task === "train");
  if (training.length !== 1) return `must not be ${name} unless there is one task train, whose gradients it corrects`;
  const { optimizer = "sgd" } = training[0]!.arguments;
  if (name === "scaffold" && optimizer !== "sgd") return "must not be scaffold unless train has the optimizer sgd";
  if (name === "fednova" && optimizer === "adam")
    return "must not be fednova unless train has the optimizer sgd or momentum";
  return undefined;
}
