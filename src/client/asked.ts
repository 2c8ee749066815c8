/**
 * An owner's holdings as its Director tells and gives them. On a secured server there is no other way: nobody else may read
 * where they are stored.
 *
 * A1 A Director that is away for a moment is asked again by whoever waits for something; a question of its own fails
 *    (FL_NO_RESPONDER).
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Shapes } from "../data/dummy-shard.ts";
import { asFlError, FlError } from "../errors.ts";
import type { MetricSource } from "../parts/sink.ts";
import { layoutOf } from "../tensor/layout.ts";
import { parseSafetensors } from "../tensor/safetensors.ts";
import type { Event, ExperimentRecord, Metric, Status } from "../wire/messages.ts";
import type { Description, Listed } from "../wire/requests.ts";
import type { Asking, Page } from "./asking.ts";
import { type Holdings, type ReadOptions, type Weights, type Which, whichName } from "./holdings.ts";
import type { Shard } from "./shards.ts";

const WAIT_MS = 20_000;
const PAUSE_MS = 1_000;
/** the model of a round is dropped some rounds later: time for as many looks */
const TRIES = 5;

export class Asked implements Holdings {
  readonly #asking: Asking;

  constructor(asking: Asking) {
    this.#asking = asking;
  }

  async status(experiment: string): Promise<Status & { director: boolean }> {
    return { ...(await this.#asking.status(experiment)), director: true };
  }

  describe(experiment: string): Promise<Description> {
    return this.#asking.describe(experiment);
  }

  list(): Promise<Listed[]> {
    return this.#asking.list();
  }

  async until(
    experiment: string,
    holds: (record: ExperimentRecord) => boolean,
    signal?: AbortSignal,
  ): Promise<ExperimentRecord> {
    const looked = async (): Promise<ExperimentRecord | undefined> => {
      try {
        const { experiment: record } = await this.#asking.status(experiment);
        return holds(record) ? record : undefined;
      } catch (e) {
        if (asFlError(e).code === "FL_NOT_FOUND") return undefined; // not taken in yet
        throw e;
      }
    };
    const pages = this.#pages(
      (from) => this.#asking.page("events", { experiment, from, waitMs: WAIT_MS, signal }),
      signal,
    );
    for (;;) {
      signal?.throwIfAborted();
      const record = await this.#patient(looked, signal);
      if (record !== undefined) return record;
      // every change of a record has its event; one that says no more is over, and asked for again
      if ((await pages.next()).done) await pause(PAUSE_MS, undefined, { signal });
    }
  }

  metrics(experiment: string, options: ReadOptions = {}): AsyncIterable<Metric> {
    return this.#feed(
      (from, waitMs) => this.#asking.page("metrics", { experiment, from, waitMs, signal: options.signal }),
      experiment,
      options,
    );
  }

  events(experiment: string, options: ReadOptions = {}): AsyncIterable<Event> {
    return this.#feed(
      (from, waitMs) => this.#asking.page("events", { experiment, from, waitMs, signal: options.signal }),
      experiment,
      options,
    );
  }

  async forSinks(experiment: string, { follow = false, signal }: ReadOptions = {}): Promise<MetricSource> {
    const ask = (from: number, waitMs: number) => this.#asking.page("metrics", { experiment, from, waitMs, signal });
    const pages = this.#placed.bind(this)<Metric>;
    return {
      async has({ seq, at }) {
        const [first] = (await ask(seq, 0)).items;
        return first?.seq === seq && first.value.at === at;
      },
      async *read(after) {
        for await (const { items, more } of pages(ask, { follow, signal }, after + 1)) {
          for (const [i, { seq, value }] of items.entries()) {
            const { v: _, ...metric } = value;
            yield { metric: { ...metric, seq }, pending: items.length - 1 - i + (more ? 1 : 0) };
          }
        }
      },
    };
  }

  async *told(experiment: string, signal: AbortSignal): AsyncGenerator<Event> {
    const ask = (from: number) => this.#asking.page("events", { experiment, from, waitMs: WAIT_MS, signal });
    try {
      for await (const { items } of this.#pages(ask, signal)) for (const { value } of items) yield value;
    } catch (e) {
      if (!signal.aborted) throw e;
    }
  }

  async *#feed<T>(
    ask: (from: number, waitMs: number) => Promise<Page<T>>,
    experiment: string,
    options: ReadOptions,
  ): AsyncGenerator<T> {
    await this.#asking.status(experiment); // FL_NOT_FOUND for what is not there, rather than nothing
    for await (const { items } of this.#placed(ask, options)) for (const { value } of items) yield value;
  }

  async *#placed<T>(
    ask: (from: number, waitMs: number) => Promise<Page<T>>,
    { follow = false, signal }: ReadOptions,
    begin = 0,
  ): AsyncGenerator<Page<T>> {
    for (let from = begin; ; ) {
      signal?.throwIfAborted();
      const page = follow ? await this.#patient(() => ask(from, WAIT_MS), signal) : await ask(from, 0);
      yield page;
      if (page.over || (!follow && !page.more)) return;
      from = page.next;
    }
  }

  /** Pages until there can be no more. */
  async *#pages<T>(ask: (from: number) => Promise<Page<T>>, signal?: AbortSignal): AsyncGenerator<Page<T>> {
    for (let from = 0; ; ) {
      const page = await this.#patient(() => ask(from), signal);
      yield page;
      if (page.over) return;
      from = page.next;
    }
  }

  /** A1 */
  async #patient<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (e) {
        signal?.throwIfAborted();
        if (!asFlError(e).retryable) throw e;
      }
      await pause(PAUSE_MS, undefined, { signal });
    }
  }

  async weights({ name: experiment, outcome }: ExperimentRecord, which: Which): Promise<Weights> {
    if (typeof which === "object") {
      const { round } = which;
      await this.#asking.model({ experiment, which: "round", round }); // FL_NOT_FOUND says which ones are kept
      return this.#file({ experiment, what: "kept", round }, which);
    }
    if (outcome !== null) return this.#file({ experiment, what: which }, which);
    for (let tries = 0; tries < TRIES; tries++) {
      const { ref, specs = [], rounds = 0 } = await this.#asking.model({ experiment, which });
      if (ref === undefined) break; // it has ended meanwhile
      const { epoch, round } = ref;
      const values = new Float32Array(ref.bytes / 4);
      const into = new Uint8Array(values.buffer);
      if (ref.data !== undefined) into.set(ref.data);
      else if (!(await this.#taken({ experiment, what: "round", epoch, round }, into))) continue;
      return { layout: layoutOf(specs), values, rounds };
    }
    throw new FlError("FL_NOT_FOUND", {
      reason: `the ${which} model of ${experiment} is not kept any more`,
      experiment,
    });
  }

  async #file(what: Parameters<Asking["take"]>[0], which: Which): Promise<Weights> {
    const bytes = await this.#asking.takeWhole(what);
    if (bytes === undefined)
      throw new FlError("FL_NOT_FOUND", { reason: `no ${whichName(which)} model of ${what.experiment} is stored` });
    const { layout, values, metadata } = parseSafetensors(bytes);
    return { layout, values, rounds: Number(metadata.rounds ?? 0) };
  }

  /** False if it is not kept any more. */
  async #taken(what: Parameters<Asking["take"]>[0], into: Uint8Array): Promise<boolean> {
    try {
      await this.#asking.take(what, into);
      return true;
    } catch (e) {
      if (asFlError(e).code === "FL_NO_RESPONDER") return false;
      throw e;
    }
  }

  async archive({ experiment }: { readonly experiment: string }): Promise<Uint8Array> {
    const bytes = await this.#asking.takeWhole({ experiment, what: "archive" });
    if (bytes !== undefined) return bytes;
    throw new FlError("FL_NOT_FOUND", { reason: `the archive of ${experiment} is not stored` });
  }

  async shards(): Promise<Shard[]> {
    return (await this.#asking.envoys()).map(({ name, description, sample_shape, target_shape, registered_at }) => ({
      ...{ name, description, sample_shape, target_shape, registered_at },
    }));
  }

  async shapes(): Promise<Shapes> {
    return this.#asking.shapes();
  }
}
