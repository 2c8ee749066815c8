/**
 * A program's hold on one experiment: what it has done, is doing and came to. It keeps nothing: what one handle tells, any other
 * tells too, in this process or another, while the experiment runs and long after.
 *
 * X1 A handle from `Federation.start` waits for its own submission to be taken, if no Director runs yet, and tells it from
 *    another of the same name (FL_EXISTS). One from `Federation.experiment` finds what is there, or nothing (FL_NOT_FOUND).
 * X2 `metrics`, `events` and `rounds` begin at the start and, unless told not to follow, end with the experiment.
 * X3 An order resolves to the state that the experiment is in by then. What takes longer goes on, whoever gave the order.
 */
import type { Poured } from "../../actors/sink/pour.ts";
import type { PlacedSink } from "../../actors/sink/resolve.ts";
import type { LayersModel } from "../engine/weights.ts";
import { FlError, fromWire } from "../errors.ts";
import type { Sink, SinkMetric } from "../parts/sink.ts";
import { parsePlan } from "../plan/plan.ts";
import { type NamedTensors, namedTensors } from "../tensor/named.ts";
import type {
  Event,
  ExperimentRecord,
  ExperimentState,
  Metric,
  Progress,
  RoundRecord,
  Waiting,
} from "../wire/messages.ts";
import type { Description, Ordered } from "../wire/requests.ts";
import { type OrderPattern, type Subject, subjects } from "../wire/table.ts";
import type { Access } from "./access.ts";
import type { ReadOptions, Which } from "./holdings.ts";
import type { FetchedModel } from "./model.ts";
import { hasEnded } from "./record.ts";
import { type RoundRow, Rounds } from "./rounds.ts";
import type { SavedModel } from "./saved-model.ts";
import type { Submitted } from "./submission.ts";

/** An experiment as it stands. */
export type ExperimentStatus = {
  readonly experiment: ExperimentRecord;
  /** the newest round's record; undefined before the first */
  readonly round: RoundRecord | undefined;
  /** what its Aggregator told last; null unless it runs and a Director was there to hear it */
  readonly progress: Progress | null;
  /** why it has not started; null if it has, or nobody is there who knows */
  readonly waiting: Waiting | null;
  /** false: no Director answered, and this is what is stored */
  readonly director: boolean;
};

export type WriteOptions = ReadOptions & {
  /** what `console` does with a metric. @default prints it */
  readonly show?: ((metric: SinkMetric) => void) | undefined;
  /** told of each sink as it ends */
  readonly ended?: ((poured: Poured) => void) | undefined;
};

export type ModelOptions = {
  /** `layers`: a tf.LayersModel, made by the experiment's workspace, whose code it runs; `tensors`: arrays by name. @default "layers" */
  readonly as?: "layers" | "tensors";
};

export class Experiment {
  readonly name: string;
  /** how it was taken in; undefined for an experiment that was not started here */
  readonly submitted: Submitted | undefined;
  readonly #access: Access;
  /** it is known to be taken in (X1) */
  #taken = false;

  /** @internal */
  constructor(access: Access, name: string, submitted?: Submitted) {
    this.#access = access;
    this.name = name;
    this.submitted = submitted;
  }

  /** Its record: plan, owner, state, times, failure, outcome. @throws FL_NOT_FOUND */
  async record(): Promise<ExperimentRecord> {
    return (await this.#access.holdings.status(this.name)).experiment;
  }

  /** Its record, its newest round, and what is known of its progress. @throws FL_NOT_FOUND */
  async status(): Promise<ExperimentStatus> {
    const { round, ...status } = await this.#access.holdings.status(this.name);
    return { ...status, round: round ?? undefined };
  }

  /** Every metric since the start (X2). @throws FL_NOT_FOUND, the signal's reason */
  async *metrics(options: ReadOptions = {}): AsyncGenerator<Metric> {
    await this.recorded(options.signal);
    yield* this.#access.holdings.metrics(this.name, { follow: true, ...options });
  }

  /** Every event since the start (X2). @throws FL_NOT_FOUND, the signal's reason */
  async *events(options: ReadOptions = {}): AsyncGenerator<Event> {
    await this.recorded(options.signal);
    yield* this.#access.holdings.events(this.name, { follow: true, ...options });
  }

  /** Every round that has closed, with its rating where the plan has one (X2). @throws FL_NOT_FOUND, the signal's reason */
  async *rounds(options: ReadOptions = {}): AsyncGenerator<RoundRow> {
    const { submission } = await this.recorded(options.signal);
    const rounds = new Rounds(parsePlan(submission.plan));
    for await (const event of this.events(options)) {
      const row = rounds.take(event);
      if (row !== undefined) yield row;
    }
    yield* rounds.unrated;
  }

  /**
   * Writes the metrics to sinks (docs/metrics.md), built-in ones, modules, or ones defined here; ends as `metrics` does. A sink
   * that fails is told of in what this resolves to. @throws FL_PART_UNKNOWN, FL_USAGE, FL_NOT_FOUND, the signal's reason
   */
  async writeMetrics(sinks: readonly (string | Sink | PlacedSink)[], options: WriteOptions = {}): Promise<Poured[]> {
    const { pourAll } = await import("../../actors/sink/pour.ts");
    const { resolveSink } = await import("../../actors/sink/resolve.ts"); // it brings what bundles along
    const placed = await Promise.all(
      sinks.map(async (sink): Promise<PlacedSink> => {
        if (typeof sink === "string") return resolveSink(sink);
        return "open" in sink ? { text: sink.name, sink, target: "" } : sink;
      }),
    );
    const { show = print, ended = () => {}, follow = true, signal } = options;
    await this.recorded(signal); // nothing is made for one that is not there
    const { holdings, wire } = this.#access;
    const source = await holdings.forSinks(this.name, { follow, signal });
    return pourAll(source, placed, { experiment: this.name, federation: wire.fed, show }, ended);
  }

  /** Calls `listener` whenever the Aggregator says how its round goes. Returns what ends it. */
  onProgress(listener: (progress: Progress) => void): () => void {
    const { wire, name, secured } = this.#access;
    const owner = secured ? { owner: name } : {}; // a secured server lets owners hear of their own only
    return wire.on(subjects.progress, { ...owner, exp: this.name }, (_, progress) => listener(progress));
  }

  /** Resolves when a Director has taken it (X1). @throws FL_NOT_FOUND, FL_EXISTS, the signal's reason */
  async recorded(signal?: AbortSignal): Promise<ExperimentRecord> {
    if (this.submitted === undefined || this.#taken) return this.record();
    const { seq } = this.submitted;
    for await (const { type, detail, failure } of this.#access.holdings.told(this.name, signal ?? never)) {
      if (detail.seq !== seq) continue;
      if (type === "experiment.refused" && failure?.error.code === "FL_EXISTS") {
        const reason = `an experiment ${this.name} exists: it was submitted before this one`;
        throw new FlError("FL_EXISTS", { reason, seq });
      }
      this.#taken = true;
      return this.record();
    }
    throw signal?.reason;
  }

  /** Resolves when it has ended, however it has. @throws FL_NOT_FOUND, FL_EXISTS (X1), the signal's reason */
  async ended(signal?: AbortSignal): Promise<ExperimentRecord> {
    await this.recorded(signal);
    return this.#access.holdings.until(this.name, hasEnded, signal);
  }

  /** Resolves when it has finished. @throws what it failed with; FL_CANCELLED; what `ended` throws */
  async wait(signal?: AbortSignal): Promise<ExperimentRecord> {
    const record = await this.ended(signal);
    const { state, failure } = record;
    if (failure !== null) {
      const { error, role, name, round } = failure;
      throw fromWire({ ...error, detail: { ...error.detail, role, name, round } });
    }
    if (state === "finished") return record;
    throw new FlError(state === "cancelled" ? "FL_CANCELLED" : "FL_STATE", {
      experiment: this.name,
      reason: `experiment ${this.name} is ${state}`,
    });
  }

  /** How far it is, which models there are, its tasks, and what each collaborator is at. @throws FL_NOT_FOUND */
  describe(): Promise<Description> {
    return this.#access.holdings.describe(this.name);
  }

  // Orders (X3). @throws FL_NOT_FOUND, also for what is another's, FL_STATE if it cannot be done now, FL_NO_RESPONDER
  // while no Director runs

  /** Ends it. */
  cancel(): Promise<ExperimentState | undefined> {
    return this.#order(subjects.cancel, { experiment: this.name });
  }

  /** Lets it rest: its envoys are free, its checkpoint stays. */
  pause(): Promise<ExperimentState | undefined> {
    return this.#order(subjects.pause, { experiment: this.name });
  }

  /** Lets what was paused go on, before the others of its priority. */
  resume(): Promise<ExperimentState | undefined> {
    return this.#order(subjects.resume, { experiment: this.name });
  }

  /** Runs what failed, was rejected or cancelled once more, from its last checkpoint unless `fresh`. */
  retry({ fresh = false } = {}): Promise<ExperimentState | undefined> {
    return this.#order(subjects.retry, { experiment: this.name, fresh });
  }

  /** Moves what waits: higher goes first. */
  prioritise(priority: number): Promise<ExperimentState | undefined> {
    return this.#order(subjects.priority, { experiment: this.name, priority });
  }

  /** Until when it must have ended: a point in time, or milliseconds from its start; null lifts the limit. */
  limit(limit: { readonly at: number } | { readonly withinMs: number } | null): Promise<ExperimentState | undefined> {
    const at = limit !== null && "at" in limit ? limit.at : null;
    const within_ms = limit !== null && "withinMs" in limit ? limit.withinMs : null;
    return this.#order(subjects.deadline, { experiment: this.name, at, within_ms });
  }

  /** Ends it as failed. */
  fail(reason: string): Promise<ExperimentState | undefined> {
    return this.#order(subjects.fail, { experiment: this.name, reason });
  }

  /** Frees all that is kept of it; it ends first if it has not. Resolves to undefined when it is gone. */
  remove(): Promise<ExperimentState | undefined> {
    return this.#order(subjects.remove, { experiment: this.name });
  }

  async #order<S extends OrderPattern, T>(
    subject: Subject<S, T, Ordered>,
    asked: T,
  ): Promise<ExperimentState | undefined> {
    return this.#access.need(this.#access.asking.order(subject, asked));
  }

  /**
   * The model that was rated best; while it runs, the best so far.
   * @throws FL_NOT_FOUND, FL_STATE before there is one; as layers also FL_WORKSPACE_INVALID, FL_ENGINE_UNAVAILABLE
   */
  bestModel(options?: { as?: "layers" }): Promise<LayersModel>;
  bestModel(options: { as: "tensors" }): Promise<NamedTensors>;
  bestModel(options?: ModelOptions): Promise<LayersModel | NamedTensors> {
    return this.#model("best", options);
  }

  /** The model of the newest round. @throws as `bestModel` */
  lastModel(options?: { as?: "layers" }): Promise<LayersModel>;
  lastModel(options: { as: "tensors" }): Promise<NamedTensors>;
  lastModel(options?: ModelOptions): Promise<LayersModel | NamedTensors> {
    return this.#model("last", options);
  }

  /** The model of a round that the plan's `checkpoints` have kept, while it runs and after. @throws as `bestModel` */
  roundModel(round: number, options?: { as?: "layers" }): Promise<LayersModel>;
  roundModel(round: number, options: { as: "tensors" }): Promise<NamedTensors>;
  roundModel(round: number, options?: ModelOptions): Promise<LayersModel | NamedTensors> {
    return this.#model({ round }, options);
  }

  async #model(which: Which, { as = "layers" }: ModelOptions = {}): Promise<LayersModel | NamedTensors> {
    const fetched = await this.model(which);
    if (as === "tensors") return namedTensors(fetched.layout, fetched.values);
    const { openModel } = await import("./saved-model.ts"); // it brings the engine along
    return (await openModel(this.#access.holdings, fetched)).model;
  }

  /** The weights as one array with its layout, and what it takes to make a model of them. @throws FL_NOT_FOUND, FL_STATE */
  async model(which: Which): Promise<FetchedModel> {
    const record = await this.record();
    const { owner, submission } = record;
    const weights = await this.#access.holdings.weights(record, which);
    const { plan, archive } = submission;
    return { experiment: this.name, owner, which, ...weights, plan: parsePlan(plan), archive };
  }

  /** Writes model.safetensors, model.json and weights.bin into `dir`, which is made. @throws as `bestModel` */
  async save(dir: string, model: Which | FetchedModel = "best"): Promise<SavedModel> {
    const fetched = typeof model === "object" && "values" in model ? model : await this.model(model);
    const { saveModel } = await import("./saved-model.ts");
    return saveModel(this.#access.holdings, fetched, dir);
  }
}

const never = new AbortController().signal;

function print({ round, origin, task, metric, value }: SinkMetric): void {
  console.log(`${round} ${origin}/${task}/${metric} ${value}`);
}
