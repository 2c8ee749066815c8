/**
 * The Director's desk: answers owners and envoys on the bus.
 *
 * K1 A question that cannot be answered is answered with its coded reason, never with silence.
 * K2 Owners are told of what is theirs only, and give orders on nothing else (rights.ts).
 */
import { described, listed } from "../../src/description.ts";
import { FlError } from "../../src/errors.ts";
import { eventSource, metricSource, type Source } from "../../src/transfer/feed.ts";
import { keptIn } from "../../src/transfer/kept.ts";
import type { Event, Metric, ModelReply, Progress } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { type Hold, waitingOf } from "./choice.ts";
import type { Envoys } from "./envoys.ts";
import { Giving } from "./giving.ts";
import { openOrders } from "./orders.ts";
import { type Page, page } from "./pages.ts";
import type { Records } from "./records.ts";
import type { Rights } from "./rights.ts";

export type Desk = {
  readonly wire: Wire;
  readonly records: Records;
  readonly rights: Rights;
  readonly envoys: Envoys;
  /** what keeps an experiment from starting */
  readonly holdOf: (experiment: string) => Hold | null;
};

/** Serves until the returned function is called. */
export function openDesk({ wire, records, rights, envoys, holdOf }: Desk): () => void {
  /** the newest progress of each running experiment */
  const progress = new Map<string, Progress>();
  const giving = new Giving(wire, records, rights, envoys);
  const closing = new AbortController();
  const standing = (caller: string, exp: string) => {
    const hold = holdOf(exp);
    const waiting = hold && waitingOf(hold, (other) => rights.sees(caller, other));
    return { progress: progress.get(exp) ?? null, waiting };
  };
  const roundOf = async (exp: string) => (await (await wire.table(buckets.rounds)).get({ exp }))?.value ?? null;
  /** What is not taken in yet, or was refused under another's name, has no record, but it may have been told of. */
  const read = async <T extends Metric | Event>(
    source: Source<T>,
    caller: string,
    { experiment: exp, ...asked }: { experiment: string; from: number; wait_ms: number },
  ): Promise<Page<T>> => {
    const seen = async () => {
      const record = await records.get(exp);
      return record !== undefined && rights.over(caller, record.owner) ? record : undefined;
    };
    const owner = (await seen())?.owner ?? caller;
    const onEnd = (call: () => void) => records.onEnd((ended) => ended === exp && call());
    return page({ wire, source, whose: { owner, exp }, record: seen, onEnd, signal: closing.signal }, asked);
  };
  const ends = [
    () => closing.abort(),
    () => giving.end(),
    ...openOrders({ wire, records, rights, envoys }),
    wire.on(subjects.progress, {}, ({ exp }, told) => {
      progress.set(exp, told);
    }),
    records.onChange((name, record) => {
      if (record?.state !== "in_progress") progress.delete(name);
    }),
    wire.serve(
      subjects.register,
      {},
      ({ envoy }, info) => envoys.register(envoy, info),
      (error) => ({ accepted: false, period_ms: 10_000, error: error.toJSON() }),
    ),
    wire.serve(
      subjects.heartbeat,
      {},
      ({ envoy }, heartbeat) => envoys.heartbeat(envoy, heartbeat),
      (error) => ({ known: false, period_ms: 10_000, error: error.toJSON() }),
    ),
    wire.serve(
      subjects.status,
      {},
      async ({ caller }, { experiment: name }) => {
        const experiment = await rights.find(caller, name);
        return { status: { experiment, ...standing(caller, name), round: await roundOf(name) } };
      },
      (error) => ({ error: error.toJSON() }),
    ),
    wire.serve(
      subjects.describe,
      {},
      async ({ caller }, { experiment: name }) => {
        const [record, round] = await Promise.all([rights.find(caller, name), roundOf(name)]);
        const { waiting, progress: newest } = standing(caller, name);
        const online = (envoy: string): boolean => envoys.online(envoy);
        return { description: described({ record, round: round ?? undefined, progress: newest, waiting, online }) };
      },
      (error) => ({ error: error.toJSON() }),
    ),
    wire.serve(
      subjects.dataset,
      {},
      () => {
        const { sample_shape: sample, target_shape: target } = envoys.shapes;
        return { sample_shape: sample ? [...sample] : null, target_shape: target ? [...target] : null };
      },
      (error) => ({ sample_shape: null, target_shape: null, error: error.toJSON() }),
    ),
    wire.serve(
      subjects.list,
      {},
      async ({ caller }) => {
        const [own, rows] = await Promise.all([
          rights.list(caller),
          wire.table(buckets.rounds).then((rounds) => rounds.all()),
        ]);
        const newest = new Map(rows.map(({ value }) => [value.experiment, value]));
        return { experiments: own.map((record) => listed(record, newest.get(record.name))) };
      },
      (error) => ({ experiments: [], error: error.toJSON() }),
    ),
    wire.serve(
      subjects.envoys,
      {},
      ({ caller }) => ({ envoys: envoys.list().map((status) => rights.blurred(caller, status)) }),
      (error) => ({ envoys: [], error: error.toJSON() }),
    ),
    wire.serve(
      subjects.devices,
      {},
      async ({ exp }) => {
        const taking = (await records.present(exp)).collaborators;
        return { envoys: envoys.list().filter(({ name }) => taking.includes(name)) };
      },
      (error) => ({ envoys: [], error: error.toJSON() }),
    ),
    wire.serve(
      subjects.model,
      {},
      async ({ caller }, { experiment, which, round }): Promise<ModelReply> => {
        const { submission, outcome } = await rights.find(caller, experiment);
        const { archive, plan } = submission;
        if (which === "round") {
          const object = keptIn(experiment, (await roundOf(experiment))?.kept ?? [], round);
          return { object, archive, plan };
        }
        if (outcome !== null) return { object: outcome.objects[which], archive, plan };
        const row = await roundOf(experiment);
        const best = row?.best ?? null;
        const [ref, rounds] = which === "best" ? [best?.model, best?.round] : [row?.model, row?.trained];
        if (!row?.specs || !ref || rounds === undefined) {
          throw new FlError("FL_STATE", { reason: `experiment ${experiment} has no ${which} model yet` });
        }
        return { ref, rounds, specs: row.specs, archive, plan };
      },
      (error) => ({ error: error.toJSON() }),
    ),
    wire.serve(
      subjects.give,
      {},
      ({ caller }, asked) => giving.toOwner(caller, asked),
      () => new Uint8Array(0),
    ),
    wire.serve(
      subjects.archive,
      {},
      ({ envoy }, asked) => giving.toEnvoy(envoy, asked),
      () => new Uint8Array(0),
    ),
    wire.serve(
      subjects.metrics,
      {},
      async ({ caller }, asked) => {
        const { items: metrics, ...rest } = await read(metricSource, caller, asked);
        return { metrics, ...rest };
      },
      (error) => ({ metrics: [], next: 0, more: false, over: false, error: error.toJSON() }),
    ),
    wire.serve(
      subjects.events,
      {},
      async ({ caller }, asked) => {
        const { items: events, ...rest } = await read(eventSource, caller, asked);
        return { events, ...rest };
      },
      (error) => ({ events: [], next: 0, more: false, over: false, error: error.toJSON() }),
    ),
  ];
  return () => {
    for (const end of ends) end();
  };
}
