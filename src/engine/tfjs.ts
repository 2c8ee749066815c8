/**
 * The TensorFlow.js engine: models as LayersModel, weights as one flat array, the built-in tasks and the workspace's own.
 *
 * F1 and F2, on the layout of a model's weights, are in src/engine/weights.ts.
 */
import type * as tfjs from "@tensorflow/tfjs";
import { Random, seedFrom } from "../data/random.ts";
import { asFlError, FlError } from "../errors.ts";
import type { Layout } from "../tensor/layout.ts";
import { withMethod, withSlots } from "../tensor/slots.ts";
import type { ExperimentDefinition, Metrics, Task, TaskContext, Tf } from "../workspace/define.ts";
import { BUILT_IN, parseArguments, trainArguments, unknownTask, validateArguments } from "./arguments.ts";
import { type Chosen, chooseBackend, type Device, type DevicePolicy, deviceOf } from "./backend.ts";
import { batches, type Shapes } from "./batches.ts";
import { withChance } from "./chance.ts";
import type { Engine, OpenOptions, RunContext, Trainer } from "./engine.ts";
import { keepingOf } from "./method.ts";
import { memoryOf } from "./optimizer.ts";
import { Pace } from "./pace.ts";
import { saveModel } from "./saved.ts";
import { type Subject, train } from "./train.ts";
import { validate } from "./validate.ts";
import { layoutFrom, pathsOf, readWeights, wrong } from "./weights.ts";

/** `model` is the trainer's own: what is written to the trainer is in it, and it goes with the trainer. */
export type TfjsTrainer = Trainer & { readonly model: tfjs.LayersModel };
export type TfjsEngine = Omit<Engine, "open"> &
  Pick<Chosen, "tf" | "considered"> & {
    open(definition: ExperimentDefinition, options: OpenOptions): Promise<TfjsTrainer>;
  };

export type EngineOptions = { readonly backend?: string | undefined; readonly device?: DevicePolicy | undefined };

/** @throws FL_ENGINE_UNAVAILABLE */
export async function tfjsEngine(options: EngineOptions = {}): Promise<TfjsEngine> {
  const { tf, backend, considered } = await chooseBackend(options.backend, options.device);
  return {
    name: "tfjs",
    backend,
    tf,
    considered,
    open: async (definition, opening) => new LayersTrainer(tf, deviceOf(backend), definition, opening),
  };
}

class LayersTrainer implements TfjsTrainer {
  readonly layout: Layout;
  readonly paths: readonly string[];
  readonly tasks: readonly string[];
  readonly #subject: Subject;
  readonly #device: Device;
  #running = false;
  #disposed = false;

  constructor(tf: Tf, device: Device, definition: ExperimentDefinition, opening: OpenOptions) {
    this.#device = device;
    const { seed, sampleShape, targetShape, remembers, method } = opening;
    const shapes: Shapes = { sampleShape, targetShape };
    const model = build(tf, definition, seed, shapes);
    this.tasks = [...new Set([...BUILT_IN, ...Object.keys(definition.tasks)])];
    try {
      checkModel(definition, model, shapes);
      const bare = layoutFrom(model);
      if (remembers !== undefined && Object.hasOwn(definition.tasks, "train")) ownTrain();
      if (method !== undefined && Object.hasOwn(definition.tasks, "train")) ownTrain(`aggregation ${method.name}`);
      const memory = remembers && memoryOf(remembers, bare);
      const keeping = method && keepingOf(method, bare);
      const remembering = remembers === undefined ? bare : withSlots(bare, remembers);
      this.layout = method === undefined ? remembering : withMethod(remembering, method.name);
      this.#subject = { tf, definition, model, shapes, memory, keeping };
      this.paths = pathsOf(model);
    } catch (e) {
      model.dispose();
      throw e;
    }
  }

  get model(): tfjs.LayersModel {
    return this.#subject.model;
  }

  read(out: Float32Array): void {
    this.#open();
    this.#fits(out);
    const { model, memory, keeping } = this.#subject;
    readWeights(model, this.layout, out);
    if (memory !== undefined) out.set(memory.values, memory.model.length);
    if (keeping !== undefined) out.set(keeping.values, out.length - keeping.values.length);
  }

  write(values: Float32Array): void {
    this.#open();
    this.#idle();
    this.#fits(values);
    const { tf, model, memory, keeping } = this.#subject;
    model.weights.forEach((weight, i) => {
      const { offset, length, shape } = this.layout.tensors[i]!;
      // A copy: the cpu and node backends keep a reference to what they are given.
      const tensor = tf.tensor(values.slice(offset, offset + length), [...shape], "float32");
      (weight.read() as tfjs.Variable).assign(tensor); // not weight.write, which would apply the layer's constraint
      tensor.dispose();
    });
    memory?.values.set(values.subarray(memory.model.length, memory.model.length + memory.values.length));
    keeping?.values.set(values.subarray(values.length - keeping.values.length));
  }

  async run(task: string, context: RunContext): Promise<Metrics> {
    this.#open();
    this.#idle();
    this.#running = true;
    try {
      const own = Object.hasOwn(this.#subject.definition.tasks, task)
        ? this.#subject.definition.tasks[task]
        : undefined;
      if (own !== undefined) return await this.#own(task, own, context);
      const given = context.arguments;
      if (task === "train") return await train(this.#subject, parseArguments(trainArguments, task, given), context);
      if (task === "validate") {
        return await validate(this.#subject, parseArguments(validateArguments, task, given), context);
      }
      throw unknownTask(task, this.tasks);
    } catch (e) {
      // What the workspace's model, loss or metrics throw inside a built-in task is a failure of the task, too.
      throw asFlError(e, "FL_TASK_FAILED");
    } finally {
      this.#running = false;
    }
  }

  async #own(name: string, task: Task, context: RunContext): Promise<Metrics> {
    const { tf, model, shapes } = this.#subject;
    const { round, seed, collaborator, signal } = context;
    const pace = new Pace(signal, context.progress);
    const given: TaskContext = {
      tf,
      model,
      device: this.#device,
      data: context.data,
      arguments: context.arguments,
      batches: (split, options) => batches(tf, split, shapes, options),
      round,
      seed,
      random: new Random(seedFrom("task", name, seed, collaborator, round)),
      collaborator,
      signal,
      progress: (done, total) => context.progress(done, total),
      pause: async () => {
        if (pace.due()) await pace.rest();
      },
    };
    let metrics: Metrics;
    try {
      metrics = await task(given);
    } catch (e) {
      pace.check(); // whatever a task throws once it was aborted, it was cancelled
      if (e instanceof FlError) throw e;
      const reason = e instanceof Error ? e.message : String(e);
      throw new FlError("FL_TASK_FAILED", { task: name, reason }, { cause: e });
    }
    pace.check();
    for (const [key, value] of Object.entries(metrics ?? {})) {
      if (!Number.isFinite(value)) {
        throw new FlError("FL_TASK_FAILED", {
          task: name,
          reason: `its metric ${key} is ${value}, not a finite number`,
        });
      }
    }
    return { ...metrics };
  }

  async save(dir: string): Promise<void> {
    this.#open();
    await saveModel(this.#subject.model, dir, this.#subject.tf);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#subject.model.dispose();
  }

  memory(): { tensors: number } {
    return { tensors: this.#subject.tf.memory().numTensors };
  }

  #open(): void {
    if (this.#disposed) throw new FlError("FL_STATE", { reason: "the trainer is disposed" });
  }

  /** E3 */
  #idle(): void {
    if (this.#running) throw new FlError("FL_STATE", { reason: "a task is running on this trainer" });
  }

  #fits(values: Float32Array): void {
    if (values.length === this.layout.length) return;
    const reason = `${values.length} values, the model has ${this.layout.length}`;
    throw new FlError("FL_LAYOUT_MISMATCH", { reason });
  }
}

function build(tf: Tf, definition: ExperimentDefinition, seed: number, shapes: Shapes): tfjs.LayersModel {
  let model: unknown;
  try {
    model = withChance(new Random(seedFrom("model", seed)), () => definition.model({ tf, seed, ...shapes }));
  } catch (cause) {
    const reason = `model: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new FlError("FL_WORKSPACE_INVALID", { reason, path: "model" }, { cause });
  }
  if (!(model instanceof tf.LayersModel)) wrong("it must return a tf.LayersModel (tf.sequential, tf.model), at once");
  return model;
}

function ownTrain(what?: string): never {
  const reason =
    what === undefined
      ? "optimizer must be reset: the workspace has a train of its own, whose optimizer is its own affair"
      : `${what} corrects the gradients of the built-in train, but the workspace has a train of its own`;
  throw new FlError("FL_PLAN_INVALID", { reason });
}

function checkModel(definition: ExperimentDefinition, model: tfjs.LayersModel, shapes: Shapes): void {
  // A sequential model without an input shape has neither inputs nor weights yet.
  if (!model.inputs?.length) wrong("it has no weights yet: give its first layer an inputShape");
  if (!model.built) model.build(model.inputs[0]!.shape);
  if (model.inputs.length !== 1 || model.outputs.length !== 1) wrong("it must have one input and one output");
  const agree = (what: string, got: readonly (number | null)[], want: readonly number[]): void => {
    const same = got.length === want.length && got.every((n, i) => n === null || n === want[i]);
    if (!same) wrong(`its ${what} has shape [${got.join(",")}], the shard's is [${want.join(",")}]`);
  };
  agree("input", model.inputs[0]!.shape.slice(1), shapes.sampleShape);
  if (typeof definition.loss === "function") return; // a loss of one's own may map any output to any target
  agree("output", model.outputs[0]!.shape.slice(1), shapes.targetShape);
  const last = model.layers.at(-1)?.getConfig().activation;
  if (definition.loss === "softmaxCrossEntropy" && last === "softmax") {
    wrong("its last layer applies softmax, but the loss softmaxCrossEntropy takes logits: drop that activation");
  }
}
