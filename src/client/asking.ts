/**
 * What an owner asks the Director, one function a question. What it answers as an error is thrown as that error.
 *
 * K1 FL_NO_RESPONDER means that no Director is there; what to do then is the caller's to know.
 */

import type { Shapes } from "../data/dummy-shard.ts";
import { fromWire, type WireError } from "../errors.ts";
import { pullChunks, pullWhole, STALL_MS } from "../transfer/pull.ts";
import type {
  EnvoyStatus,
  Event,
  ExperimentState,
  Give,
  Metric,
  ModelQuery,
  ModelReply,
  Status,
} from "../wire/messages.ts";
import type { Description, Listed, Ordered } from "../wire/requests.ts";
import { type OrderPattern, type Subject, subjects } from "../wire/table.ts";
import type { Wire } from "../wire/wire.ts";
import { unknownShapes } from "./shards.ts";

/** how long the Director may take to answer */
const ANSWER_MS = 5_000;

export type Page<T> = {
  readonly items: readonly { readonly seq: number; readonly value: T }[];
  readonly next: number;
  readonly more: boolean;
  readonly over: boolean;
};
type Called =
  | (typeof subjects)["status" | "describe" | "dataset" | "list" | "envoys" | "model" | "metrics" | "events"]["pattern"]
  | OrderPattern;

export class Asking {
  readonly #wire: Wire;
  readonly #caller: string;

  constructor(wire: Wire, caller: string) {
    this.#wire = wire;
    this.#caller = caller;
  }

  /** @throws FL_NOT_FOUND */
  async status(experiment: string): Promise<Status> {
    return (await this.#ask(subjects.status, { experiment })).status!;
  }

  /** @throws FL_NOT_FOUND */
  async describe(experiment: string): Promise<Description> {
    return (await this.#ask(subjects.describe, { experiment })).description!;
  }

  /** @throws FL_NOT_FOUND before they are known */
  async shapes(): Promise<Shapes> {
    const { sample_shape, target_shape } = await this.#ask(subjects.dataset, {});
    if (sample_shape === null || target_shape === null) throw unknownShapes();
    return { sampleShape: sample_shape, targetShape: target_shape };
  }

  async list(): Promise<Listed[]> {
    return (await this.#ask(subjects.list, {})).experiments;
  }

  async envoys(): Promise<EnvoyStatus[]> {
    return (await this.#ask(subjects.envoys, {})).envoys;
  }

  /** What is to become of an experiment. @returns its state by then; undefined: it is gone. @throws FL_NOT_FOUND, FL_STATE */
  async order<S extends OrderPattern, T>(
    subject: Subject<S, T, Ordered>,
    asked: T,
  ): Promise<ExperimentState | undefined> {
    return (await this.#ask(subject, asked)).state;
  }

  /** @throws FL_NOT_FOUND, FL_STATE before there is one */
  model(asked: ModelQuery): Promise<ModelReply> {
    return this.#ask(subjects.model, asked);
  }

  /** Answers when something new is there, or after `waitMs`. */
  async page(which: "metrics", asked: Asked): Promise<Page<Metric>>;
  async page(which: "events", asked: Asked): Promise<Page<Event>>;
  async page(which: "metrics" | "events", { experiment, from, waitMs, signal }: Asked): Promise<Page<unknown>> {
    const query = { experiment, from, wait_ms: waitMs };
    const { items, next, more, over } =
      which === "metrics"
        ? renamed(await this.#ask(subjects.metrics, query, waitMs, signal), "metrics")
        : renamed(await this.#ask(subjects.events, query, waitMs, signal), "events");
    return { items: items.map(({ seq, ...value }) => ({ seq, value })), next, more, over };
  }

  /** Fills `into`. @throws FL_NO_RESPONDER if there is no such thing (any more) */
  take(what: Omit<Give, "index">, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    return pullChunks({ request: this.#frames(what), into, signal });
  }

  /** @returns undefined if there is no such thing (any more) */
  takeWhole(what: Omit<Give, "index">, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    return pullWhole({ request: this.#frames(what), signal });
  }

  #frames(what: Omit<Give, "index">): (index: number, signal?: AbortSignal) => Promise<Uint8Array> {
    return (index, signal) =>
      this.#wire.request(subjects.give, { caller: this.#caller }, { ...what, index }, { timeoutMs: STALL_MS, signal });
  }

  async #ask<S extends Called, T, R extends { error?: WireError | undefined } | { error?: unknown }>(
    subject: Subject<S, T, R>,
    question: T,
    waitMs = 0,
    signal?: AbortSignal,
  ): Promise<R> {
    const options = { timeoutMs: waitMs + ANSWER_MS, signal };
    const answer = await this.#wire.request(subject, { caller: this.#caller } as never, question, options);
    if (answer.error !== undefined) throw fromWire(answer.error as WireError);
    return answer;
  }
}
export type Asked = {
  readonly experiment: string;
  readonly from: number;
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
};

type Told = { readonly seq: number } & Record<string, unknown>;
type Reply<K extends string> = { next: number; more: boolean; over: boolean } & { [key in K]: readonly Told[] };
const renamed = <K extends string>({ next, more, over, ...rest }: Reply<K>, key: K) => ({
  ...{ items: (rest as unknown as Record<K, readonly Told[]>)[key], next, more, over },
});
