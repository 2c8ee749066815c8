/**
 * The built-in tasks' names and arguments, as a plan gives them.
 *
 * A1 Schemas are strict: an unknown key is FL_PLAN_INVALID and comes with the nearest valid one.
 */
import { z } from "zod";
import { FlError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { parseStrict } from "../validate.ts";

export const trainArguments = z.strictObject({
  epochs: z.int().positive().default(1),
  batchSize: z.int().positive().default(32),
  learningRate: z.number().positive().default(0.1),
  optimizer: z.enum(["sgd", "momentum", "adam"]).default("sgd"),
  /** used by the optimizer of that name only */
  momentum: z.number().min(0).lt(1).default(0.9),
  /** μ of FedProx: how strongly the model that entered the round holds training back (src/engine/pull.ts) */
  proximal: z.number().min(0).default(0),
  /** at most so many samples a round, another window of the shard each round; absent: the whole shard */
  samples: z.int().positive().optional(),
});
export type TrainArguments = z.output<typeof trainArguments>;

export const validateArguments = z.strictObject({
  batchSize: z.int().positive().default(500),
  split: z.enum(["validation", "train"]).default("validation"),
});
export type ValidateArguments = z.output<typeof validateArguments>;

/** @throws FL_PLAN_INVALID naming every problem */
export const parseArguments = <S extends z.ZodObject>(schema: S, task: string, given: unknown): z.output<S> =>
  parseStrict(schema, given, { code: "FL_PLAN_INVALID", what: `arguments of task ${task}` });

const builtin = { train: trainArguments, validate: validateArguments } as const;
export const BUILT_IN = Object.keys(builtin) as readonly (keyof typeof builtin)[];

/**
 * Whether a task of a plan can be run, as far as that is known without running it. `own`: the workspace's tasks, which check
 * their arguments themselves, and replace built-in ones of their name.
 * @throws FL_TASK_UNKNOWN, FL_PLAN_INVALID
 */
export function checkTask(task: string, given: unknown, own: readonly string[]): void {
  if (own.includes(task)) return;
  if (!Object.hasOwn(builtin, task)) throw unknownTask(task, [...BUILT_IN, ...own]);
  parseArguments(builtin[task as keyof typeof builtin], task, given);
}

/** The arguments of a built-in task, whole and valid. */
export const builtinArguments = (task: string, given: unknown): Record<string, unknown> =>
  parseArguments(builtin[task as keyof typeof builtin], task, given);

export function unknownTask(task: string, known: readonly string[]): FlError {
  const near = nearest(task, known);
  const hint = near === undefined ? `the tasks are ${known.join(", ")}` : `did you mean ${near}?`;
  return new FlError("FL_TASK_UNKNOWN", { task, reason: `${task}; ${hint}`, known: [...known] });
}
