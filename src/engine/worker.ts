/**
 * The engine whose work is done by another process: PyTorch in Python, or a program in any language that speaks
 * docs/worker-protocol.md.
 *
 * WE1 The weights between runs are here: `write` and `read` copy from and to one array, which goes to the worker before a run
 *     that needs it and comes back after one that has changed it. A run that fails leaves it as it was.
 * WE2 One process for a trainer, model and data loaded once. One that is gone (its failure ended the run that it was at) is
 *     started anew by the next run, with the same layout or not at all.
 * WE3 Arguments of the built-in tasks are checked and completed here: a worker gets all of them, and only valid ones.
 *     What a worker is not asked to do (a method that corrects the training itself) is refused, never left out.
 * WE4 An abort is told to the worker; one that has not heeded it soon is killed.
 */
import { resolve } from "node:path";
import type { Splits } from "../data/shard.ts";
import { FlError } from "../errors.ts";
import { type Layout, layoutOf, sameLayout } from "../tensor/layout.ts";
import { withSlots } from "../tensor/slots.ts";
import type { Metrics } from "../workspace/define.ts";
import { BUILT_IN, builtinArguments, checkTask } from "./arguments.ts";
import type { DevicePolicy } from "./backend.ts";
import type { Engine, OpenOptions, RunContext, Trainer } from "./engine.ts";
import { type ChannelOptions, WorkerChannel } from "./worker-channel.ts";
import { type HeldShard, heldSplits, type ShardFile, sendSplits } from "./worker-data.ts";
import { loaded, nothing, type Opened, opened, ran } from "./worker-messages.ts";

const CANCEL_MS = 2_000;

export type WorkerEngineOptions = ChannelOptions & {
  readonly device?: DevicePolicy | undefined;
  /** how long one task may take. @default as long as it takes */
  readonly taskLimitMs?: number | undefined;
};

export type WorkerDefinition = {
  /** the opened archive */
  readonly dir: string;
  readonly entry: string;
  /** a shard that the worker loads itself: its shapes count, and `data` is the handle of what it has loaded */
  readonly shard?: ShardFile | undefined;
};

export type WorkerTrainer = Trainer & {
  /** what trains: `torch`, with its release */
  readonly engine: string;
  readonly runtime: string;
  readonly device: "cpu" | "gpu";
  /** what the worker has loaded itself; its values are there, not here */
  readonly data: Splits | undefined;
  /** of the worker; undefined while there is none */
  readonly pid: number | undefined;
};

type Shapes = Pick<OpenOptions, "sampleShape" | "targetShape">;
type Opening = Omit<OpenOptions, keyof Shapes> & Partial<Shapes>;

export type WorkerEngine = {
  readonly name: string;
  readonly backend: string;
  /** @throws FL_WORKER_START, FL_WORKSPACE_INVALID, FL_SHARD_FAILED, and what a worker may do wrong (src/engine/worker-channel.ts) */
  open(definition: WorkerDefinition, options: Opening): Promise<WorkerTrainer>;
};

export const workerEngine = (options: WorkerEngineOptions): WorkerEngine => ({
  name: "worker",
  backend: options.command.join(" "),
  open: (definition, opening) => RemoteTrainer.open(options, definition, opening),
});

/** The same as an engine that opens one definition only, for whoever asks for the port. */
export const engineFor = (engine: WorkerEngine, definition: WorkerDefinition): Engine => ({
  ...engine,
  open: (_, options) => engine.open(definition, options),
});

type Link = { readonly channel: WorkerChannel; readonly told: Opened; readonly shard: HeldShard | undefined };

class RemoteTrainer implements WorkerTrainer {
  readonly layout: Layout;
  readonly paths?: readonly string[];
  readonly tasks: readonly string[];
  readonly engine: string;
  readonly runtime: string;
  readonly device: "cpu" | "gpu";
  readonly data: Splits | undefined;
  readonly #options: WorkerEngineOptions;
  readonly #connect: () => Promise<Link>;
  readonly #own: readonly string[];
  readonly #values: Float32Array;
  #channel: WorkerChannel;
  /** the worker's model is what `#values` says */
  #inStep = false;
  /** what the worker has of data */
  #held: Splits | undefined;
  #running = false;
  #disposed = false;

  static async open(options: WorkerEngineOptions, definition: WorkerDefinition, opening: Opening) {
    if (opening.method !== undefined) {
      const reason = `aggregation must not be ${opening.method.name}: it corrects the training itself, which only tfjs does`;
      throw new FlError("FL_PLAN_INVALID", { reason });
    }
    const connect = (): Promise<Link> => connected(options, definition, opening);
    const link = await connect();
    try {
      const trainer = new RemoteTrainer(options, connect, link, opening);
      await link.channel.request({ type: "read" }, nothing, { into: [bytesOf(trainer.#values)] });
      trainer.#inStep = true;
      return trainer;
    } catch (e) {
      link.channel.close();
      throw e;
    }
  }

  constructor(options: WorkerEngineOptions, connect: () => Promise<Link>, link: Link, { remembers }: Opening) {
    const { channel, told, shard } = link;
    const bare = layoutOfTold(told);
    if (remembers !== undefined && told.own.includes("train")) {
      const reason = "optimizer must be reset: the workspace has a train of its own, whose optimizer is its own affair";
      throw new FlError("FL_PLAN_INVALID", { reason });
    }
    this.layout = remembers === undefined ? bare : withSlots(bare, remembers);
    if (told.paths !== undefined) this.paths = told.paths;
    this.tasks = [...new Set([...BUILT_IN, ...told.own])];
    this.engine = told.engine;
    this.runtime = told.runtime;
    this.device = told.device;
    this.data = shard && heldSplits(shard);
    this.#held = this.data;
    this.#options = options;
    this.#connect = connect;
    this.#own = told.own;
    this.#values = new Float32Array(this.layout.length);
    this.#channel = channel;
  }

  get pid(): number | undefined {
    return this.#channel.isOver ? undefined : this.#channel.process.pid;
  }

  read(out: Float32Array): void {
    this.#open();
    this.#fits(out);
    out.set(this.#values);
  }

  write(values: Float32Array): void {
    this.#open();
    this.#idle();
    this.#fits(values);
    this.#values.set(values);
    this.#inStep = false;
  }

  async run(task: string, context: RunContext): Promise<Metrics> {
    this.#open();
    this.#idle();
    this.#running = true;
    const { signal, round, seed, collaborator, progress: onProgress } = context;
    try {
      checkTask(task, context.arguments, this.#own);
      const given = this.#own.includes(task) ? context.arguments : builtinArguments(task, context.arguments); // WE3
      if (!this.#own.includes(task)) this.#heldBack(given, context.global);
      notAborted(signal);
      await this.#ready(context.data);
      notAborted(signal);
      this.#inStep = false; // until its outcome is known
      const asked = { type: "run", task, arguments: given, round, seed, collaborator };
      const { metrics, changed } = await this.#within(task, signal, () =>
        this.#channel.request(asked, ran, { onProgress }),
      );
      notAborted(signal);
      judge(task, metrics, round, this.#own);
      if (changed) await this.#fetch();
      this.#inStep = true;
      return metrics;
    } catch (e) {
      notAborted(signal); // whatever a task throws once it was aborted, it was cancelled
      throw e;
    } finally {
      this.#running = false;
    }
  }

  async save(dir: string): Promise<void> {
    this.#open();
    this.#idle();
    this.#running = true;
    try {
      await this.#ready(undefined);
      await this.#channel.request({ type: "save", dir: resolve(dir) }, nothing);
    } finally {
      this.#running = false;
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#channel.close();
  }

  /** What lives in another process is not counted here. */
  memory(): { tensors: number } {
    return { tensors: 0 };
  }

  /** A worker with this model and this data (WE2). */
  async #ready(data: Splits | undefined): Promise<void> {
    if (this.#channel.isOver) {
      const { channel, told, shard } = await this.#connect();
      this.#channel = channel;
      this.#inStep = false;
      this.#held = shard && this.data;
      if (this.#disposed) channel.close();
      sameLayout(layoutOf(this.layout.tensors.slice(0, told.tensors.length).map(specOf)), layoutOfTold(told));
    }
    if (data !== undefined && data !== this.#held) {
      this.#held = undefined;
      await sendSplits(this.#channel, data);
      this.#held = data;
    }
    if (this.#inStep) return;
    const message = { type: "write", bytes: this.#values.byteLength };
    await this.#channel.request(message, nothing, { bodies: [bytesOf(this.#values)] });
    this.#inStep = true;
  }

  /** Into an array of its own first, for a worker may end in the middle of it (WE1). */
  async #fetch(): Promise<void> {
    const values = new Float32Array(this.#values.length);
    await this.#channel.request({ type: "read" }, nothing, { into: [bytesOf(values)] });
    this.#values.set(values);
  }

  /** WE4, and the site's limit */
  async #within<T>(task: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { taskLimitMs } = this.#options;
    const channel = this.#channel;
    const timers: NodeJS.Timeout[] = [];
    const end = (ms: number, failure: () => FlError) =>
      void timers.push(setTimeout(() => channel.abandon(failure()), ms));
    const cancel = (): void => {
      channel.cancel();
      end(CANCEL_MS, () => new FlError("FL_CANCELLED", { reason: `the worker did not end ${task} in time` }));
    };
    if (taskLimitMs !== undefined) {
      const reason = `${task} took longer than the ${taskLimitMs / 1000} s that this site gives a task`;
      end(taskLimitMs, () => new FlError("FL_WORKER_SILENT", { reason, task }));
    }
    signal.addEventListener("abort", cancel, { once: true });
    try {
      return await work();
    } finally {
      signal.removeEventListener("abort", cancel);
      for (const timer of timers) clearTimeout(timer);
    }
  }

  /** What FedProx pulls towards is, in a worker, what the run begins with. */
  #heldBack({ proximal }: Readonly<Record<string, unknown>>, global: Float32Array | undefined): void {
    if (!(Number(proximal) > 0) || global === undefined || global.every((x, i) => x === this.#values[i])) return;
    const reason = "proximal must be 0 in a train on tuned: a worker is pulled towards what the task begins with";
    throw new FlError("FL_PLAN_INVALID", { reason });
  }

  #open(): void {
    if (this.#disposed) throw new FlError("FL_STATE", { reason: "the trainer is disposed" });
  }

  #idle(): void {
    if (this.#running) throw new FlError("FL_STATE", { reason: "a task is running on this trainer" }); // E3
  }

  #fits(values: Float32Array): void {
    if (values.length === this.layout.length) return;
    const reason = `${values.length} values, the model has ${this.layout.length}`;
    throw new FlError("FL_LAYOUT_MISMATCH", { reason });
  }
}

/** A worker that has opened the workspace, and loaded its shard if that is its to load. */
async function connected(options: WorkerEngineOptions, definition: WorkerDefinition, opening: Opening): Promise<Link> {
  const { dir, entry, shard: file } = definition;
  const channel = new WorkerChannel(options);
  try {
    await channel.hello();
    const shard = file && (await channel.request({ type: "load", ...file, seed: opening.seed }, loaded));
    const [sample, target] =
      shard === undefined ? [opening.sampleShape, opening.targetShape] : [shard.sample_shape, shard.target_shape];
    if (sample === undefined || target === undefined) throw new FlError("FL_INTERNAL", { reason: "no shapes" });
    const shapes = { sample_shape: [...sample], target_shape: [...target] };
    const { seed, remembers = null } = opening;
    const device = options.device ?? "gpu-preferred";
    const asked = { type: "open", dir: resolve(dir), entry, ...shapes, seed, device, remembers };
    return { channel, told: await channel.request(asked, opened), shard };
  } catch (e) {
    channel.close();
    throw e;
  }
}

const specOf = ({ name, shape }: { name: string; shape: readonly number[] }) => ({
  name,
  dtype: "f32",
  shape: [...shape],
});
const layoutOfTold = ({ tensors }: Opened): Layout => layoutOf(tensors.map(specOf));

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function notAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  const { reason } = signal;
  throw reason instanceof FlError ? reason : new FlError("FL_CANCELLED", {}, { cause: reason });
}

/** What leaves the site is finite: a loss that is not is a training that diverged, any other metric a fault of its task. */
function judge(task: string, metrics: Metrics, round: number, own: readonly string[]): void {
  for (const [name, value] of Object.entries(metrics)) {
    if (Number.isFinite(value)) continue;
    if (task === "train" && name === "loss" && !own.includes(task)) {
      throw new FlError("FL_UPDATE_RANGE", { reason: `the loss is ${value}`, round });
    }
    throw new FlError("FL_TASK_FAILED", { task, reason: `its metric ${name} is ${value}, not a finite number` });
  }
}
