/**
 * An experiment's metrics and events as they are stored: where they lie, how far they go, which of them count.
 *
 * E1 An experiment's origins are its collaborators, its Aggregator and its Director: the newest message of each says how far
 *    there is to read, as no journal tells where its end is for a filter.
 * E2 What does not decode, or says another experiment or origin than its subject does, is passed over and counted: it is
 *    nobody's metric.
 */
import { FlError } from "../errors.ts";
import type { Stored } from "../ports.ts";
import { decode } from "../wire/codec.ts";
import { type Event, event as eventSchema, type Metric, metric as metricSchema } from "../wire/messages.ts";
import { type Subject, subjects } from "../wire/table.ts";
import { match } from "../wire/template.ts";
import type { Wire } from "../wire/wire.ts";

type Pattern = typeof subjects.metric.pattern | typeof subjects.event.pattern;
export type Source<T> = {
  readonly subject: Subject<Pattern, T, never>;
  readonly schema: Subject<Pattern, T, never>["schema"];
  readonly journal: "metrics" | "events";
};
export type Whose = { readonly owner: string; readonly exp: string };

export const metricSource: Source<Metric> = {
  ...{ subject: subjects.metric as Source<Metric>["subject"], schema: metricSchema, journal: "metrics" },
};
export const eventSource: Source<Event> = {
  ...{ subject: subjects.event as Source<Event>["subject"], schema: eventSchema, journal: "events" },
};

/** What to follow in the source's journal. */
export const filterOf = <T>(wire: Wire, { subject }: Source<T>, whose: Whose): string => wire.wildcard(subject, whose);

/** E2 */
export function readable<T extends Metric | Event>(
  wire: Wire,
  { subject, schema }: Source<T>,
  message: Stored,
): T | undefined {
  try {
    const said = decode(schema, message.data, message.contentType, message.subject);
    const place = match(subject.pattern, message.subject);
    if (said.experiment === place?.exp && said.origin === place.origin) return said;
    throw new FlError("FL_MESSAGE_MALFORMED", { reason: `it says ${said.experiment} and ${said.origin}` });
  } catch (e) {
    wire.ports.counters.drop(wire.ports.log, "FL_MESSAGE_MALFORMED", { subject: message.subject, err: e });
    return undefined;
  }
}

/** The place of the newest message; 0 if there is none (E1). */
export async function newest<T>(
  wire: Wire,
  { subject, journal: which }: Source<T>,
  whose: Whose,
  collaborators: readonly string[],
): Promise<number> {
  const journal = await wire.journal(which);
  const origins = [...collaborators, "aggregator", "director"];
  const lasts = await Promise.all(origins.map((origin) => journal.last(wire.subject(subject, { ...whose, origin }))));
  return Math.max(0, ...lasts.map((message) => message?.seq ?? 0));
}
