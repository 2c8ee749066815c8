/**
 * Metrics and events for owners who do not read the streams themselves: a page at a time, in order, waiting for news if asked.
 *
 * P1 Pages one after the other hold every message once, in the order of the stream.
 * P2 `over` means that the experiment has ended and all it left has been told: of events, that its end is among them. Whoever
 *    waits is told at once when it comes to that.
 */
import { filterOf, newest, readable, type Source, type Whose } from "../../src/transfer/feed.ts";
import { decode } from "../../src/wire/codec.ts";
import { type Event, type ExperimentRecord, event, type Metric } from "../../src/wire/messages.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { hasEnded } from "./lifecycle.ts";

const MOST = 200;
const MOST_BYTES = 512 * 1024;

export type Page<T> = { items: (T & { seq: number })[]; next: number; more: boolean; over: boolean };
export type Pages<T> = {
  readonly wire: Wire;
  readonly source: Source<T>;
  readonly whose: Whose;
  /** the present record; undefined for what is not taken in yet, or not this owner's */
  record(): Promise<ExperimentRecord | undefined>;
  /** calls when the experiment has ended; returns what forgets it */
  onEnd(call: () => void): () => void;
  /** aborted: answer nobody any more */
  readonly signal: AbortSignal;
};

export async function page<T extends Metric | Event>(
  pages: Pages<T>,
  { from, wait_ms }: { readonly from: number; readonly wait_ms: number },
): Promise<Page<T>> {
  const start = Math.max(1, from);
  const scope = new AbortController();
  const forget = pages.onEnd(() => scope.abort()); // P2: also if it ends while we look
  try {
    const found = await present(pages, start);
    if (found.next > start || found.over || wait_ms === 0) return found;
    await news(pages, start, wait_ms, scope);
    return await present(pages, start);
  } finally {
    forget();
    scope.abort();
  }
}

/** What is there now. */
async function present<T extends Metric | Event>(pages: Pages<T>, start: number): Promise<Page<T>> {
  const { wire, source, whose, signal } = pages;
  const record = await pages.record(); // before the newest: what it left is stored when it ends
  const end = await newest(wire, source, whose, record?.collaborators ?? []);
  const items: Page<T>["items"] = [];
  let next = start;
  let bytes = 0;
  let full = false;
  if (end >= start) {
    const scope = new AbortController();
    const until = AbortSignal.any([signal, scope.signal]);
    const journal = await wire.journal(source.journal);
    for await (const message of journal.follow({ filter: filterOf(wire, source, whose), from: start, signal: until })) {
      next = message.seq + 1;
      const item = readable(wire, source, message);
      if (item !== undefined) items.push({ ...item, seq: message.seq });
      bytes += message.data.length;
      full = items.length >= MOST || bytes >= MOST_BYTES;
      if (full || message.seq >= end) break;
    }
    scope.abort();
  }
  const more = full && next <= end;
  return { items, next, more, over: !more && (await isOver(pages, record)) };
}

/** Resolves when there is something new, when the scope ends, or when it has waited long enough. */
async function news<T>(
  { wire, source, whose, signal }: Pages<T>,
  start: number,
  waitMs: number,
  scope: AbortController,
): Promise<void> {
  const cancel = wire.ports.clock.after(waitMs, () => scope.abort());
  const until = AbortSignal.any([signal, scope.signal]);
  const journal = await wire.journal(source.journal);
  try {
    for await (const _ of journal.follow({ filter: filterOf(wire, source, whose), from: start, signal: until })) return;
  } finally {
    cancel();
  }
}

/** P2. All metrics are stored before the record ends; the event of the end comes after. */
async function isOver<T>(
  { wire, source: { subject, journal: which }, whose }: Pages<T>,
  record: ExperimentRecord | undefined,
): Promise<boolean> {
  if (record === undefined || !hasEnded(record)) return false;
  if (which === "metrics") return true;
  const last = await (await wire.journal(which)).last(wire.subject(subject, { ...whose, origin: "director" }));
  if (last === undefined) return false;
  const { type } = decode(event, last.data, last.contentType, last.subject);
  return /^experiment\.(finished|failed|cancelled|rejected|refused)$/.test(type);
}
