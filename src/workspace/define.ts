/**
 * What a workspace exports: a model, its loss and its tasks, typed and validated.
 *
 * Owns the shape of a definition, not how it is run. A workspace module's default export is `defineExperiment({ … })`, or a
 * plain object of the same form.
 *
 * W1 A definition is checked when it is loaded, however it was made: it may come from another copy of this package.
 * W2 An unknown key or a misspelt loss is refused and the nearest valid one is named.
 * W3 A task of the workspace with the name of a built-in one (train, validate) replaces it.
 */
import type * as tfjs from "@tensorflow/tfjs";
import { z } from "zod";
import type { Random } from "../data/random.ts";
import type { Split, Splits } from "../data/shard.ts";
import type { Device } from "../engine/backend.ts";
import type { Batch, BatchOptions } from "../engine/batches.ts";
import { parseStrict } from "../validate.ts";

export type Tf = typeof tfjs;

export type ModelContext = {
  readonly tf: Tf;
  /** for initialisers; those without a seed of their own are seeded by it too */
  readonly seed: number;
  readonly sampleShape: readonly number[];
  readonly targetShape: readonly number[];
};

export type TaskContext = {
  readonly tf: Tf;
  readonly model: tfjs.LayersModel;
  /** what `tf` computes on here */
  readonly device: Device;
  readonly data: Splits;
  /** the task's arguments from the plan, as they are: the task checks them */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Batches of a split. Each is disposed when the next is asked for or the loop ends. */
  batches(split: Split, options?: BatchOptions): Generator<Batch, void>;
  readonly round: number;
  readonly seed: number;
  /** seeded by the experiment, the collaborator, the round and the task's name */
  readonly random: Random;
  readonly collaborator: string;
  readonly signal: AbortSignal;
  progress(done: number, total: number): void;
  /** Await it in long loops: lets heartbeats out at need, and throws once the task is aborted. */
  pause(): Promise<void>;
};

export type Metrics = Record<string, number>;
export type Task = (context: TaskContext) => Promise<Metrics> | Metrics;
/** The mean over the batch, as a scalar. */
export type LossFunction = (tf: Tf, outputs: tfjs.Tensor, targets: tfjs.Tensor) => tfjs.Tensor;

export const lossNames = ["softmaxCrossEntropy", "meanSquaredError"] as const;
export type Loss = (typeof lossNames)[number] | LossFunction;

export type ExperimentInput = {
  /** Builds the model, with its input shape given so that its weights exist. Need not be compiled. */
  model(context: ModelContext): tfjs.LayersModel;
  tasks?: Readonly<Record<string, Task>>;
  /** softmaxCrossEntropy (the default) takes logits: leave the last layer without softmax */
  loss?: Loss;
  /** further means over the batch, reported by `validate` */
  metrics?: Readonly<Record<string, LossFunction>>;
};

export type ExperimentDefinition = Readonly<Required<ExperimentInput>>;

/** Functions pass through zod untouched: it must not wrap them. */
const fn = <T>() => z.custom<T>((f) => typeof f === "function", "must be a function");
const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, "must be letters, digits, '-' and '_', a letter first");
const schema = z.strictObject({
  model: fn<ExperimentInput["model"]>(),
  tasks: z.record(name, fn<Task>()).default({}),
  loss: z.union([z.enum(lossNames), fn<LossFunction>()]).default("softmaxCrossEntropy"),
  metrics: z.record(name, fn<LossFunction>()).default({}),
});

/** Gives the definition its type and its defaults. @throws FL_WORKSPACE_INVALID naming every problem */
export const defineExperiment = (input: ExperimentInput): ExperimentDefinition => checkExperiment(input);

/** The same for a module's default export, whatever it is. */
export function checkExperiment(value: unknown): ExperimentDefinition {
  return Object.freeze(parseStrict(schema, value, { code: "FL_WORKSPACE_INVALID", what: "workspace" }));
}
