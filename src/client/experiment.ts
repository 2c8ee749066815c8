/**
 * A program's hold on one experiment: what it has done, is doing and came to. It keeps nothing: what one handle tells, any other
 * tells too, in this process or another, while the experiment runs and long after.
 *
 * X1 A handle from `Federation.start` waits for its own submission to be taken, if no Director runs yet, and tells it from
 *    another of the same name (FL_EXISTS). One from `Federation.experiment` finds what is there, or nothing (FL_NOT_FOUND).
 * X2 `metrics`, `events` and `rounds` begin at the start and, unless told not to follow, end with the experiment.
 */
import type { Poured } from "../../actors/sink/pour.ts";
import type { PlacedSink } from "../../actors/sink/resolve.ts";
import type { LayersModel } from "../engine/weights.ts";
import { FlError, fromWire } from "../errors.ts";
import type { Sink, SinkMetric } from "../parts/sink.ts";
import { parsePlan } from "../plan/plan.ts";
import { type NamedTensors, namedTensors } from "../tensor/named.ts";
import type { Event, ExperimentRecord, Metric, Progress, RoundRecord, Waiting } from "../wire/messages.ts";
import { buckets, subjects } from "../wire/table.ts";
import { type Access, ANSWER_MS } from "./access.ts";
import { type FetchedModel, fetchModel } from "./model.ts";
import { metricSource, type ReadOptions, readEvents, readMetrics } from "./reading.ts";
import { readRecord, untilEnded, untilRecord } from "./record.ts";
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

type Which = FetchedModel["which"];

export class Experiment {
  readonly name: string;
  /** how it was taken in; undefined for an experiment that was not started here */
  readonly submitted: Submitted | undefined;
  readonly #access: Access;

  /** @internal */
  constructor(access: Access, name: string, submitted?: Submitted) {
    this.#access = access;
    this.name = name;
    this.submitted = submitted;
  }

  /** Its record: plan, owner, state, times, failure, outcome. @throws FL_NOT_FOUND */
  record(): Promise<ExperimentRecord> {
    return readRecord(this.#access.reader, this.name);
  }

  /** Its record, its newest round, and what is known of its progress. @throws FL_NOT_FOUND */
  async status(): Promise<ExperimentStatus> {
    const [told, round] = await Promise.all([this.#told(), this.#round()]);
    if (told !== undefined) return { ...told, round, director: true };
    return { experiment: await this.record(), round, progress: null, waiting: null, director: false };
  }

  async #told() {
    const { wire, name: caller } = this.#access;
    const asked = { experiment: this.name };
    const reply = this.#access.ask(() => wire.request(subjects.status, { caller }, asked, { timeoutMs: ANSWER_MS }));
    return (await reply)?.status;
  }

  async #round(): Promise<RoundRecord | undefined> {
    return (await (await this.#access.reader.table(buckets.rounds)).get({ exp: this.name }))?.value;
  }

  /** Every metric since the start (X2). @throws FL_NOT_FOUND, the signal's reason */
  metrics(options?: ReadOptions): AsyncGenerator<Metric> {
    return this.#read(readMetrics, options);
  }

  /** Every event since the start (X2). @throws FL_NOT_FOUND, the signal's reason */
  events(options?: ReadOptions): AsyncGenerator<Event> {
    return this.#read(readEvents, options);
  }

  async *#read<T>(read: typeof readMetrics | typeof readEvents, options: ReadOptions = {}): AsyncGenerator<T> {
    await this.recorded(options.signal);
    const { follow = true, signal } = options; // X2
    yield* read(this.#access.reader, this.name, { follow, signal }) as AsyncIterable<T>;
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
    const { reader } = this.#access;
    const source = metricSource(reader, this.name, { follow, signal });
    return pourAll(source, placed, { experiment: this.name, federation: reader.fed, show }, ended);
  }

  /** Calls `listener` whenever the Aggregator says how its round goes. Returns what ends it. */
  onProgress(listener: (progress: Progress) => void): () => void {
    return this.#access.wire.on(subjects.progress, { exp: this.name }, (_, progress) => listener(progress));
  }

  /** Resolves when a Director has taken it (X1). @throws FL_NOT_FOUND, FL_EXISTS, the signal's reason */
  async recorded(signal?: AbortSignal): Promise<ExperimentRecord> {
    if (this.submitted === undefined) return this.record();
    const { seq } = this.submitted;
    const record = await untilRecord(this.#access.wire, this.name, () => true, signal);
    if (record.seq === seq) return record;
    const reason = `an experiment ${this.name} exists: it was submitted before this one`;
    throw new FlError("FL_EXISTS", { reason, seq, owner: record.owner });
  }

  /** Resolves when it has ended, however it has. @throws FL_NOT_FOUND, FL_EXISTS (X1), the signal's reason */
  async ended(signal?: AbortSignal): Promise<ExperimentRecord> {
    await this.recorded(signal);
    return untilEnded(this.#access.wire, this.name, signal);
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

  /** Ends it. @throws FL_NOT_FOUND, FL_STATE when it has ended, FL_NO_RESPONDER while no Director runs */
  async cancel(): Promise<void> {
    const { wire, name: caller } = this.#access;
    const asked = { experiment: this.name };
    await this.#access.need(() => wire.request(subjects.cancel, { caller }, asked, { timeoutMs: ANSWER_MS }));
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

  async #model(which: Which, { as = "layers" }: ModelOptions = {}): Promise<LayersModel | NamedTensors> {
    const fetched = await this.model(which);
    if (as === "tensors") return namedTensors(fetched.layout, fetched.values);
    const { openModel } = await import("./saved-model.ts"); // it brings the engine along
    return (await openModel(this.#access.reader, fetched)).model;
  }

  /** The weights as one array with its layout, and what it takes to make a model of them. @throws FL_NOT_FOUND, FL_STATE */
  async model(which: Which): Promise<FetchedModel> {
    return fetchModel(this.#access.reader, await this.record(), which);
  }

  /** Writes model.safetensors, model.json and weights.bin into `dir`, which is made. @throws as `bestModel` */
  async save(dir: string, model: Which | FetchedModel = "best"): Promise<SavedModel> {
    const fetched = typeof model === "string" ? await this.model(model) : model;
    const { saveModel } = await import("./saved-model.ts");
    return saveModel(this.#access.reader, fetched, dir);
  }
}

function print({ round, origin, task, metric, value }: SinkMetric): void {
  console.log(`${round} ${origin}/${task}/${metric} ${value}`);
}
