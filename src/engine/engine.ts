/**
 * The port to whatever trains a model. The runtime above it sees flat weights, task names and numbers; no tensors.
 *
 * E1 A trainer's layout is the same for the same definition and shapes, in every process and at every opening.
 * E2 A run's result depends on the weights written, the data, and (seed, round, collaborator, arguments) only: not on
 *    earlier runs, the clock or other trainers. (Backends that use several threads promise this up to rounding.)
 * E3 One run at a time. Between runs the weights are what `write` and the last run left.
 * E4 Runs let the event loop turn at least every 50 ms or one batch, whichever is longer, and end with FL_CANCELLED soon
 *    after `signal` aborts.
 * E5 A run leaves no tensors behind; `dispose` frees the rest.
 */
import type { Splits } from "../data/shard.ts";
import type { Method } from "../plan/method.ts";
import type { Layout } from "../tensor/layout.ts";
import type { Remembering } from "../tensor/slots.ts";
import type { ExperimentDefinition, Metrics } from "../workspace/define.ts";

export type OpenOptions = {
  readonly seed: number;
  readonly sampleShape: readonly number[];
  readonly targetShape: readonly number[];
  /** what this optimizer of `train` remembers lasts from run to run, and is in the layout behind the model (withSlots) */
  readonly remembers?: Remembering | undefined;
  /** what the plan's method asks of `train`; what it keeps is in the layout, last of all (withMethod) */
  readonly method?: Method | undefined;
};

export type RunContext = {
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly data: Splits;
  readonly round: number;
  readonly seed: number;
  readonly collaborator: string;
  /** the model that entered the round, in the trainer's layout; when absent, what the weights are as the run begins */
  readonly global?: Float32Array | undefined;
  readonly signal: AbortSignal;
  /** how many samples are done; called a few times a second at most */
  progress(done: number, total: number): void;
};

export interface Trainer {
  readonly layout: Layout;
  /** of each tensor in the layout, how the workspace would call it, such as `bn1/gamma`; patterns match either name */
  readonly paths?: readonly string[];
  /** the names `run` knows */
  readonly tasks: readonly string[];
  /** Copies all weights out. @throws FL_LAYOUT_MISMATCH when `out` has another length */
  read(out: Float32Array): void;
  /** Copies all weights in. @throws FL_LAYOUT_MISMATCH when `values` has another length */
  write(values: Float32Array): void;
  /** @throws FL_TASK_UNKNOWN, FL_PLAN_INVALID (arguments), FL_TASK_FAILED, FL_UPDATE_RANGE (diverged), FL_CANCELLED */
  run(task: string, context: RunContext): Promise<Metrics>;
  /** Writes the model as the engine's own format into a folder, which it makes. */
  save(dir: string): Promise<void>;
  dispose(): void;
  memory(): { readonly tensors: number };
}

export interface Engine {
  readonly name: string;
  readonly backend: string;
  /** Builds the model. @throws FL_WORKSPACE_INVALID when it does not fit the shapes or has weights that are not f32 */
  open(definition: ExperimentDefinition, options: OpenOptions): Promise<Trainer>;
}
