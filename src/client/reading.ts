/**
 * An experiment's metrics and events, from the first on, read from their streams.
 *
 * R1 What was stored when the read began is read, each message once and in order.
 * R2 With `follow` it goes on until the experiment has ended and what was stored by then is read; without, it ends with R1.
 * R3 The Director announces an ending once the record has it: an event reader that follows waits for that, for a while.
 * R4 With `after` it begins behind that place of the stream, which need not be there any more.
 */
import type { MetricSource } from "../parts/sink.ts";
import { eventSource, filterOf, metricSource, newest, readable, type Source, type Whose } from "../transfer/feed.ts";
import type { Event, ExperimentRecord, Metric } from "../wire/messages.ts";
import type { Wire } from "../wire/wire.ts";
import type { ReadOptions } from "./holdings.ts";
import { hasEnded, untilEnded } from "./record.ts";

/** A Director that dies between an ending's record and its announcement makes up for it when it is back. */
const ANNOUNCED_MS = 5_000;

/** A message with its place in the stream; `pending` says how many more are stored behind it. */
type Placed<T> = { readonly seq: number; readonly pending: number; readonly value: T };

export const readMetrics = (wire: Wire, record: ExperimentRecord, options?: ReadOptions): AsyncIterable<Metric> =>
  values(reading(wire, record, metricSource, options));

export const readEvents = (wire: Wire, record: ExperimentRecord, options?: ReadOptions): AsyncIterable<Event> =>
  values(reading(wire, record, eventSource, options));

/** The same metrics, for sinks. */
export const metricsForSinks = (wire: Wire, record: ExperimentRecord, options: ReadOptions = {}): MetricSource => ({
  async has({ seq, at }) {
    const stored = await (await wire.journal("metrics")).read(seq);
    const value = stored && readable(wire, metricSource, stored);
    return value !== undefined && value.experiment === record.name && value.at === at;
  },
  async *read(after) {
    for await (const { seq, pending, value } of reading(wire, record, metricSource, { ...options, after })) {
      const { v: _, ...metric } = value;
      yield { metric: { ...metric, seq }, pending };
    }
  },
});

/** All events of what may not be taken in yet, until the signal aborts. */
export async function* toldOf(wire: Wire, whose: Whose, signal: AbortSignal): AsyncGenerator<Event> {
  const journal = await wire.journal(eventSource.journal);
  for await (const message of journal.follow({ filter: filterOf(wire, eventSource, whose), from: 0, signal })) {
    const value = readable(wire, eventSource, message);
    if (value !== undefined) yield value;
  }
}

async function* values<T>(placed: AsyncIterable<Placed<T>>): AsyncGenerator<T> {
  for await (const { value } of placed) yield value;
}

async function* reading<T extends Metric | Event>(
  wire: Wire,
  record: ExperimentRecord,
  source: Source<T>,
  { follow = false, signal, after = 0 }: ReadOptions & { readonly after?: number } = {},
): AsyncGenerator<Placed<T>> {
  const whose = { owner: record.owner, exp: record.name };
  const journal = await wire.journal(source.journal);
  const scope = new AbortController();
  const signals = [scope.signal, ...(signal === undefined ? [] : [signal])];
  const until = AbortSignal.any(signals);
  let last = Number.POSITIVE_INFINITY;
  let at = after;
  let failure: unknown;
  const told = new Set<string>();
  let hear = (): void => {};
  /** Resolves when the reader has come to the announcement, or does not wait for it any more (R3). */
  const announced = (type: string): Promise<void> =>
    new Promise((resolve) => {
      const cancel = wire.ports.clock.after(ANNOUNCED_MS, resolve);
      hear = (): void => {
        if (!told.has(type) && !until.aborted) return;
        cancel();
        resolve();
      };
      until.addEventListener("abort", hear, { once: true });
      hear();
    });
  const bounded = async (to: Promise<ExperimentRecord>): Promise<void> => {
    const ended = await to;
    if (follow && source.journal === "events") await announced(`experiment.${ended.state}`);
    last = await newest(wire, source, whose, ended.collaborators);
    if (at >= last) scope.abort(); // the reader waits for what will not come
  };
  const end = follow && !hasEnded(record) ? untilEnded(wire, record.name, until) : Promise.resolve(record);
  const bounding = bounded(end).catch((e) => {
    if (!until.aborted) failure = e;
    scope.abort();
  });
  try {
    const filter = filterOf(wire, source, whose);
    for await (const message of journal.follow({ filter, from: after + 1, signal: until })) {
      const { seq, pending } = message;
      at = seq;
      const value = readable(wire, source, message);
      if (value !== undefined) {
        if ("type" in value) told.add(value.type);
        hear();
        yield { seq, pending, value };
      }
      if (at >= last) break;
    }
    if (failure !== undefined) throw failure;
    signal?.throwIfAborted();
  } finally {
    scope.abort();
    await bounding;
  }
}
