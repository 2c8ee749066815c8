/**
 * An owner's holdings, read from where they are stored: there also while no Director runs. A server that is not secured lets
 * everybody.
 *
 * T1 A Director that is there is asked whose an experiment is; without one, what is not the owner's is not shown either.
 * T2 Whoever only reads makes nothing (F3 of federation.ts).
 */
import type { Shapes } from "../data/dummy-shard.ts";
import { described, listed } from "../description.ts";
import { asFlError, FlError } from "../errors.ts";
import type { MetricSource } from "../parts/sink.ts";
import { readUpload } from "../transfer/upload.ts";
import type { Event, ExperimentRecord, Metric, Status, Uploaded } from "../wire/messages.ts";
import type { Description, Listed } from "../wire/requests.ts";
import { buckets } from "../wire/table.ts";
import type { Wire } from "../wire/wire.ts";
import type { Asking } from "./asking.ts";
import type { Holdings, ReadOptions, Weights, Which } from "./holdings.ts";
import { readWeights } from "./model.ts";
import { metricsForSinks, readEvents, readMetrics, toldOf } from "./reading.ts";
import { listRecords, readRecord, untilRecord } from "./record.ts";
import { readShapes, readShards, type Shard } from "./shards.ts";

export type Wires = {
  /** makes what is missing */
  readonly wire: Wire;
  /** T2 */
  readonly reader: Wire;
};

export class Stored implements Holdings {
  readonly #wires: Wires;
  readonly #asking: Asking;
  readonly #owner: string;

  constructor(wires: Wires, asking: Asking, owner: string) {
    this.#wires = wires;
    this.#asking = asking;
    this.#owner = owner;
  }

  async status(experiment: string): Promise<Status & { director: boolean }> {
    const told = await answered(this.#asking.status(experiment));
    if (told !== undefined) return { ...told, director: true };
    const record = await readRecord(this.#wires.reader, experiment);
    if (record.owner !== this.#owner)
      throw new FlError("FL_NOT_FOUND", { reason: `there is no experiment ${experiment}` });
    const row = await (await this.#wires.reader.table(buckets.rounds)).get({ exp: experiment });
    return { experiment: record, progress: null, waiting: null, round: row?.value ?? null, director: false };
  }

  async describe(experiment: string): Promise<Description> {
    const told = await answered(this.#asking.describe(experiment));
    if (told !== undefined) return told;
    const { experiment: record, round, progress, waiting } = await this.status(experiment);
    return described({ record, round: round ?? undefined, progress, waiting, online: () => null });
  }

  async list(): Promise<Listed[]> {
    const told = await answered(this.#asking.list());
    if (told !== undefined) return told;
    const { reader } = this.#wires;
    const [records, rounds] = await Promise.all([
      listRecords(reader),
      reader.table(buckets.rounds).then((rows) => rows.all()),
    ]);
    const newest = new Map(rounds.map(({ value }) => [value.experiment, value]));
    return records
      .filter(({ owner }) => owner === this.#owner)
      .map((record) => listed(record, newest.get(record.name)));
  }

  async until(
    experiment: string,
    holds: (record: ExperimentRecord) => boolean,
    signal?: AbortSignal,
  ): Promise<ExperimentRecord> {
    await untilRecord(this.#wires.wire, experiment, holds, signal);
    return (await this.status(experiment)).experiment; // T1
  }

  async *metrics(experiment: string, options?: ReadOptions): AsyncGenerator<Metric> {
    yield* readMetrics(this.#wires.reader, (await this.status(experiment)).experiment, options);
  }

  async *events(experiment: string, options?: ReadOptions): AsyncGenerator<Event> {
    yield* readEvents(this.#wires.reader, (await this.status(experiment)).experiment, options);
  }

  async forSinks(experiment: string, options?: ReadOptions): Promise<MetricSource> {
    return metricsForSinks(this.#wires.reader, (await this.status(experiment)).experiment, options);
  }

  told(experiment: string, signal: AbortSignal): AsyncIterable<Event> {
    return toldOf(this.#wires.wire, { owner: this.#owner, exp: experiment }, signal);
  }

  weights(record: ExperimentRecord, which: Which): Promise<Weights> {
    return readWeights(this.#wires.reader, record, which);
  }

  archive({ owner, archive }: { readonly owner: string; readonly archive: Uploaded }): Promise<Uint8Array> {
    return readUpload(this.#wires.reader, owner, archive);
  }

  shards(): Promise<Shard[]> {
    return readShards(this.#wires.reader);
  }

  async shapes(): Promise<Shapes> {
    return (await answered(this.#asking.shapes())) ?? readShapes(this.#wires.reader);
  }
}

/** Undefined if no Director is there to answer. */
async function answered<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (e) {
    if (asFlError(e).code === "FL_NO_RESPONDER") return undefined;
    throw e;
  }
}
