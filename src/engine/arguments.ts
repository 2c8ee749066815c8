/**
 * The arguments of the built-in tasks, as a plan gives them.
 *
 * A1 Schemas are strict: an unknown key is FL_PLAN_INVALID and comes with the nearest valid one.
 */
import { z } from "zod";
import { parseStrict } from "../validate.ts";

export const trainArguments = z.strictObject({
  epochs: z.int().positive().default(1),
  batchSize: z.int().positive().default(32),
  learningRate: z.number().positive().default(0.1),
  optimizer: z.enum(["sgd", "momentum", "adam"]).default("sgd"),
  /** used by the optimizer of that name only */
  momentum: z.number().min(0).lt(1).default(0.9),
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
