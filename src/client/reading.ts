/**
 * An experiment's metrics and events, from the first on.
 *
 * R1 What was stored when the read began is read, each message once and in order.
 * R2 With `follow` it goes on until the experiment has ended and what was stored by then is read; without, it ends with R1.
 * R3 An experiment's origins are its collaborators, its Aggregator and its Director: the newest message of each says how far
 *    there is to read, as no journal tells where its end is for a filter.
 *    The Director announces an ending once the record has it: an event reader that follows waits for that, for a while.
 * R4 With `after` it begins behind that place of the stream, which need not be there any more.
 */
import type { z } from "zod";
import type { MetricSource } from "../parts/sink.ts";
import type { Journal, Stored } from "../ports.ts";
import { decode } from "../wire/codec.ts";
import {
  type Event,
  type ExperimentRecord,
  event as eventSchema,
  type Metric,
  metric as metricSchema,
} from "../wire/messages.ts";
import { type Subject, subjects } from "../wire/table.ts";
import type { Wire } from "../wire/wire.ts";
import { hasEnded, readRecord, untilEnded } from "./record.ts";

export type ReadOptions = { readonly follow?: boolean | undefined; readonly signal?: AbortSignal | undefined };

/** A Director that dies between an ending's record and its announcement makes up for it when it is back. */
const ANNOUNCED_MS = 5_000;

/** A message with its place in the stream; `pending` says how many more are stored behind it. */
type Placed<T> = { readonly seq: number; readonly pending: number; readonly value: T };

type Origin = typeof subjects.metric.pattern | typeof subjects.event.pattern;

const metrics = { subject: subjects.metric, schema: metricSchema, journal: "metrics" } as const;
const events = { subject: subjects.event, schema: eventSchema, journal: "events" } as const;

export const readMetrics = (wire: Wire, exp: string, options?: ReadOptions): AsyncIterable<Metric> =>
  values(reading(wire, exp, metrics, options));

export const readEvents = (wire: Wire, exp: string, options?: ReadOptions): AsyncIterable<Event> =>
  values(reading(wire, exp, events, options));

/** The same metrics, for sinks. */
export const metricSource = (wire: Wire, exp: string, options: ReadOptions = {}): MetricSource => ({
  async has({ seq, at }) {
    const stored = await (await wire.journal("metrics")).read(seq);
    const value = stored && readable(wire, metricSchema, stored);
    return value !== undefined && value.experiment === exp && value.at === at;
  },
  async *read(after) {
    for await (const { seq, pending, value } of reading(wire, exp, metrics, { ...options, after })) {
      const { v: _, ...metric } = value;
      yield { metric: { ...metric, seq }, pending };
    }
  },
});

async function* values<T>(placed: AsyncIterable<Placed<T>>): AsyncGenerator<T> {
  for await (const { value } of placed) yield value;
}

type Source<T> = {
  readonly subject: Subject<Origin, T, never>;
  readonly schema: Subject<Origin, T, never>["schema"];
  readonly journal: "metrics" | "events";
};

async function* reading<T>(
  wire: Wire,
  exp: string,
  { subject, schema, journal: which }: Source<T>,
  { follow = false, signal, after = 0 }: ReadOptions & { readonly after?: number } = {},
): AsyncGenerator<Placed<T>> {
  const record = await readRecord(wire, exp);
  const journal = await wire.journal(which);
  const scope = new AbortController();
  const signals = [scope.signal, ...(signal === undefined ? [] : [signal])];
  const until = AbortSignal.any(signals);
  const end = ({ collaborators }: ExperimentRecord): Promise<number> =>
    newest(journal, (origin) => wire.subject(subject, { exp, origin }), collaborators); // R3
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
    if (follow && which === "events") await announced(`experiment.${ended.state}`);
    last = await end(ended);
    if (at >= last) scope.abort(); // the reader waits for what will not come
  };
  const bounding = bounded(follow && !hasEnded(record) ? untilEnded(wire, exp, until) : Promise.resolve(record)).catch(
    (e) => {
      if (!until.aborted) failure = e;
      scope.abort();
    },
  );
  try {
    const filter = wire.wildcard(subject, { exp });
    for await (const message of journal.follow({ filter, from: after + 1, signal: until })) {
      const { seq, pending } = message;
      at = seq;
      const value = readable(wire, schema, message);
      if (value !== undefined) {
        if (isEvent(value)) told.add(value.type);
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

const isEvent = (value: unknown): value is Event => typeof value === "object" && value !== null && "type" in value;

/** What does not decode on a subject that everyone may write to is passed over and counted: it is nobody's metric. */
export function readable<T>(wire: Wire, schema: z.ZodType<T>, message: Stored): T | undefined {
  try {
    return decode(schema, message.data, message.contentType, message.subject);
  } catch (e) {
    wire.ports.counters.drop(wire.ports.log, "FL_MESSAGE_MALFORMED", { subject: message.subject, err: e });
    return undefined;
  }
}

async function newest(
  journal: Journal,
  subjectOf: (origin: string) => string,
  collaborators: readonly string[],
): Promise<number> {
  const origins = [...collaborators, "aggregator", "director"];
  const lasts = await Promise.all(origins.map((origin) => journal.last(subjectOf(origin))));
  return Math.max(0, ...lasts.map((message) => message?.seq ?? 0));
}
