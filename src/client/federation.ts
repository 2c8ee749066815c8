/**
 * A program's hold on a federation: one connection, and what its owner may ask, submit and read.
 *
 * F1 Nothing here needs a Director to be running but `cancel`, `envoys` and a running experiment's progress: submissions are
 *    stored, and records, metrics, events and models are read from where they are stored.
 * F2 What the Director answers as an error is thrown as that error.
 * F3 Only a submission, and whoever waits for one, makes streams and buckets: what asks about a federation that is none is
 *    told so (FL_NOT_FOUND), and leaves none behind.
 */
import { asFlError, fromWire } from "../errors.ts";
import type { MetricSource } from "../parts/sink.ts";
import type { Log, Ports } from "../ports.ts";
import type {
  EnvoyStatus,
  Event,
  ExperimentRecord,
  Metric,
  Progress,
  RoundRecord,
  Status,
  Waiting,
} from "../wire/messages.ts";
import { buckets, subjects } from "../wire/table.ts";
import { Wire } from "../wire/wire.ts";
import { connect } from "./connect.ts";
import { type FetchedModel, fetchModel } from "./model.ts";
import type { PreparedExperiment } from "./prepare.ts";
import { metricSource, type ReadOptions, readEvents, readMetrics } from "./reading.ts";
import { listRecords, readRecord, untilEnded, untilRecord } from "./record.ts";
import type { SavedModel } from "./saved-model.ts";
import { type Submitted, submit } from "./submission.ts";

/** how long the Director may take to answer */
const ANSWER_MS = 5_000;

export type FederationOptions = {
  /** address of the NATS server */
  readonly url: string;
  /** @default "main" */
  readonly fed?: string | undefined;
  /** who submits and asks; @default "owner" */
  readonly name?: string | undefined;
  /** @default none */
  readonly log?: Log | undefined;
  readonly signal?: AbortSignal | undefined;
};

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

/** @throws FL_NATS_UNREACHABLE, FL_NATS_TOO_OLD, FL_SUBJECT_TOKEN */
export async function connectFederation(options: FederationOptions): Promise<Federation> {
  const { fed = "main", name = "owner" } = options;
  const { ports, close } = await connect({ ...options, name });
  try {
    return new Federation(ports, fed, name, close);
  } catch (e) {
    await close();
    throw e;
  }
}

export class Federation {
  readonly wire: Wire;
  /** F3 */
  readonly #reader: Wire;
  /** the name that submissions and questions go by */
  readonly name: string;
  readonly #close: () => Promise<void>;

  constructor(ports: Ports, fed: string, name: string, close: () => Promise<void>) {
    this.wire = new Wire(ports, fed);
    this.#reader = new Wire(ports, fed, { existing: true });
    this.name = name;
    this.#close = close;
  }

  /** Stores the workspace and the submission; resolves when the Director has taken or refused it, if one is there. */
  submit(prepared: PreparedExperiment, signal?: AbortSignal): Promise<Submitted> {
    return submit(this, prepared, signal);
  }

  /** @throws FL_NOT_FOUND */
  record(experiment: string): Promise<ExperimentRecord> {
    return readRecord(this.#reader, experiment);
  }

  /** @throws FL_NOT_FOUND */
  async status(experiment: string): Promise<ExperimentStatus> {
    const [told, round] = await Promise.all([this.#told(experiment), this.#round(experiment)]);
    if (told === undefined) {
      return { experiment: await this.record(experiment), round, progress: null, waiting: null, director: false };
    }
    return { ...told, round, director: true };
  }

  async #told(experiment: string): Promise<Status | undefined> {
    const { status, error } =
      (await this.#ask(() =>
        this.wire.request(subjects.status, { caller: this.name }, { experiment }, { timeoutMs: ANSWER_MS }),
      )) ?? {};
    if (error !== undefined) throw fromWire(error); // F2
    return status;
  }

  async #round(experiment: string): Promise<RoundRecord | undefined> {
    return (await (await this.#reader.table(buckets.rounds)).get({ exp: experiment }))?.value;
  }

  /** All experiments, in the order of submission. */
  list(): Promise<ExperimentRecord[]> {
    return listRecords(this.#reader);
  }

  /** Whether a Director answers. */
  async directed(): Promise<boolean> {
    const { caller, options } = { caller: this.name, options: { timeoutMs: ANSWER_MS } };
    return (await this.#ask(() => this.wire.request(subjects.envoys, { caller }, {}, options))) !== undefined;
  }

  /** @throws FL_NOT_FOUND if there is no such federation, FL_NO_RESPONDER while no Director runs */
  async envoys(): Promise<EnvoyStatus[]> {
    const options = { timeoutMs: ANSWER_MS };
    const { envoys, error } = await this.#needed(() =>
      this.wire.request(subjects.envoys, { caller: this.name }, {}, options),
    );
    if (error !== undefined) throw fromWire(error);
    return envoys;
  }

  /** The names under which envoys have registered, ever; without a Director, too. */
  async registered(): Promise<string[]> {
    try {
      const rows = await (await this.#reader.table(buckets.envoys)).all();
      return rows.map((r) => r.value.name).sort();
    } catch (e) {
      if (asFlError(e).code === "FL_NOT_FOUND") return []; // no Director has run yet
      throw e;
    }
  }

  /** @throws FL_NOT_FOUND, FL_STATE when it has ended, FL_NO_RESPONDER while no Director runs */
  async cancel(experiment: string): Promise<void> {
    const options = { timeoutMs: ANSWER_MS };
    const { error } = await this.#needed(() =>
      this.wire.request(subjects.cancel, { caller: this.name }, { experiment }, options),
    );
    if (error !== undefined) throw fromWire(error);
  }

  /** Every metric since the start. With `follow` it goes on until the experiment has ended and all is read. */
  metrics(experiment: string, options?: ReadOptions): AsyncIterable<Metric> {
    return readMetrics(this.#reader, experiment, options);
  }

  /** The same, for a sink. */
  metricSource(experiment: string, options?: ReadOptions): MetricSource {
    return metricSource(this.wire, experiment, options);
  }

  /** Every event since the start. With `follow` it goes on until the experiment has ended and all is read. */
  events(experiment: string, options?: ReadOptions): AsyncIterable<Event> {
    return readEvents(this.#reader, experiment, options);
  }

  /** Calls `listener` whenever the Aggregator says how its round goes. Returns what ends it. */
  onProgress(experiment: string, listener: (progress: Progress) => void): () => void {
    return this.wire.on(subjects.progress, { exp: experiment }, (_, progress) => listener(progress));
  }

  /** Resolves when the experiment has ended. @throws the signal's reason */
  ended(experiment: string, signal?: AbortSignal): Promise<ExperimentRecord> {
    return untilEnded(this.wire, experiment, signal);
  }

  /** Resolves when there is a record of it: a Director has taken it. @throws the signal's reason */
  recorded(experiment: string, signal?: AbortSignal): Promise<ExperimentRecord> {
    return untilRecord(this.wire, experiment, () => true, signal);
  }

  /** The weights, best or last, and what it takes to make a model of them. @throws FL_NOT_FOUND, FL_STATE before there are any */
  async model(experiment: string, which: "best" | "last"): Promise<FetchedModel> {
    return fetchModel(this.#reader, await this.record(experiment), which);
  }

  /** Writes model.safetensors and TensorFlow.js's own files into `dir`. Runs the workspace's code. */
  async save(model: FetchedModel, dir: string): Promise<SavedModel> {
    const { saveModel } = await import("./saved-model.ts"); // it brings the engine along
    return saveModel(this.#reader, model, dir);
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Undefined if no Director is there to answer (F1). */
  async #ask<T>(request: () => Promise<T>): Promise<T | undefined> {
    try {
      return await request();
    } catch (e) {
      if (asFlError(e).code === "FL_NO_RESPONDER") return undefined;
      throw e;
    }
  }

  /** Without a Director: no answer from a federation that is there, FL_NOT_FOUND for one that is not (F3). */
  async #needed<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (e) {
      if (asFlError(e).code === "FL_NO_RESPONDER") await this.#reader.table(buckets.experiments);
      throw e;
    }
  }
}
