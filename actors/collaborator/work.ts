/**
 * One round's work at a collaborator: the tasks, in the plan's order, on the weights each of them asks for.
 *
 * K1 A task on `global` sees the weights that entered the round; one on `tuned`, what the tasks before it left.
 * K2 A task that does not train (a rating, `validate`) never changes what the next task or the update is made of.
 * K3 The outcome depends on the model, the data and (seed, round, collaborator) only, so a repeated round repeats its update.
 * K4 A task with a timeout has failed when it is over, whether it heeds its signal or not; `busy` is told what may run on.
 */
import type { Splits } from "../../src/data/shard.ts";
import type { Trainer } from "../../src/engine/engine.ts";
import { FlError } from "../../src/errors.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { Clock } from "../../src/ports.ts";
import type { MetricsOfTask } from "../../src/wire/messages.ts";
import { withinTime } from "./within-time.ts";

export type Job = {
  readonly plan: Plan;
  readonly trainer: Trainer;
  readonly data: Splits;
  readonly collaborator: string;
  readonly round: number;
  readonly labels: readonly string[];
  /** the model that entered the round */
  readonly global: Float32Array;
  /** where the update goes: the weights after the last task */
  readonly update: Float32Array;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** a task holds the trainer until then (K4) */
  busy?(running: Promise<unknown>): void;
  progress(label: string, done: number, total: number): void;
  measured(label: string, values: Record<string, number>): void;
};

/** @returns the metrics of each task, and the update's weight; `trained` is false if no task could change the weights */
export async function runTasks(job: Job): Promise<{ metrics: MetricsOfTask[]; weight: number; trained: boolean }> {
  const { plan, trainer, data, global, update, signal, clock } = job;
  const metrics: MetricsOfTask[] = [];
  let trained = false;
  let samples = 0;
  let tuned = global; // where the next task goes on
  let held: Float32Array | undefined; // what the trainer holds for certain
  for (const label of job.labels) {
    const task = plan.tasks.find((t) => t.label === label);
    if (task === undefined) throw new FlError("FL_TASK_UNKNOWN", { label });
    signal.throwIfAborted();
    const from = task.on === "global" ? global : tuned; // K1
    if (held !== from) trainer.write(from);
    const values = await withinTime({ ms: task.timeout, what: label, clock, signal }, (within) => {
      const running = trainer.run(task.task, {
        arguments: task.arguments,
        data,
        round: job.round,
        seed: plan.seed,
        collaborator: job.collaborator,
        global,
        signal: within,
        progress: (done, total) => {
          if (!within.aborted) job.progress(label, done, total);
        },
      });
      job.busy?.(running);
      return running;
    });
    signal.throwIfAborted(); // a task may have run on; what it gave belongs to nobody
    held = undefined; // K2: a rating of the workspace's own may leave anything
    if (task.trains) {
      trainer.read(update);
      tuned = update;
      held = update;
      trained = true;
      samples += values.samples ?? 0;
    }
    metrics.push({ task: label, values });
    job.measured(label, values);
  }
  const weight = plan.weight === "equal" ? 1 : samples > 0 ? samples : data.train.size;
  return { metrics, weight, trained };
}
