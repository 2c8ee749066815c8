/**
 * Orders that owners give on their experiments, and envoys on those they take part in.
 *
 * O1 An order is answered when it is in the record: it is carried out then, whichever Director is there to do it.
 * O2 What takes a moment is waited for, so that one order can follow another, but not longer than who asks would wait: the
 *    answer tells the state by then.
 */
import { FlError } from "../../src/errors.ts";
import type { ExperimentRecord, Failure } from "../../src/wire/messages.ts";
import type { Ordered } from "../../src/wire/requests.ts";
import { type OrderPattern, type Subject, subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import type { Announcement } from "../ledger.ts";
import { checkRunnable } from "./admission.ts";
import type { Envoys } from "./envoys.ts";
import * as lifecycle from "./lifecycle.ts";
import type { Change, Records } from "./records.ts";
import type { Rights } from "./rights.ts";

/** how long an answer may be waited for; below what a client allows */
const SOON_MS = 4_000;

export type Orders = {
  readonly wire: Wire;
  readonly records: Records;
  /** what is another's is not there: FL_NOT_FOUND */
  readonly rights: Rights;
  readonly envoys: Envoys;
};

const event = ({ attempt, failure }: ExperimentRecord, type: Announcement["type"]): Announcement => ({
  ...{ type, round: failure?.round ?? null, detail: { attempt }, failure },
});

/** What there is to tell of a step: what it has come to, unless it is only an order yet. */
const changed = (before: ExperimentRecord, record: ExperimentRecord): Change => {
  if (before.state === record.state) return { record };
  if (lifecycle.hasEnded(record)) return { record, told: event(record, `experiment.${record.state as "cancelled"}`) };
  if (record.state === "paused") return { record, told: event(record, "experiment.paused") };
  return { record, told: event(record, before.state === "paused" ? "experiment.resumed" : "experiment.retried") };
};

/** One step of an experiment's life, told if it comes to something. */
export const step = (
  records: Records,
  name: string,
  next: (record: ExperimentRecord) => ExperimentRecord,
): Promise<ExperimentRecord> => records.change(name, (before) => changed(before, next(before)));

/** Serves until the returned functions are called. */
export function openOrders({ wire, records, rights, envoys }: Orders): (() => void)[] {
  const { clock, log } = wire.ports;
  const refused = (error: FlError): Ordered => ({ ok: false, error: error.toJSON() });

  const order = <S extends OrderPattern, T extends { experiment: string }>(
    verb: string,
    subject: Subject<S, T, Ordered>,
    carryOut: (asked: T, caller: string, record: ExperimentRecord) => Promise<ExperimentRecord | undefined>,
  ): (() => void) =>
    wire.serve(
      subject,
      {} as never,
      async (params, asked) => {
        const { caller } = params as { caller: string };
        const found = await rights.find(caller, asked.experiment);
        const record = await carryOut(asked, caller, found);
        log.info({ experiment: asked.experiment, caller, verb, state: record?.state }, "ordered");
        return { ok: true, ...(record === undefined ? {} : { state: record.state }) };
      },
      refused,
    );

  const fail = (name: string, failure: Failure): Promise<ExperimentRecord> =>
    step(records, name, (r) => lifecycle.failed(r, failure, clock.now()));
  /** one that is about to be paused is paused soon */
  const rested = (name: string): Promise<unknown> => records.until(name, (r) => r.order?.verb !== "pause", SOON_MS);

  return [
    order("cancel", subjects.cancel, ({ experiment }) =>
      step(records, experiment, (r) => lifecycle.cancelled(r, clock.now())),
    ),
    order("pause", subjects.pause, async ({ experiment }) => {
      await step(records, experiment, lifecycle.paused);
      return records.until(experiment, (r) => r.order === null, SOON_MS); // O2
    }),
    order("resume", subjects.resume, async ({ experiment }) => {
      await rested(experiment);
      return step(records, experiment, lifecycle.resumed);
    }),
    order("retry", subjects.retry, async ({ experiment, fresh }, _, { owner, submission }) => {
      await checkRunnable({ wire, records, envoys }, owner, submission);
      return step(records, experiment, (r) => lifecycle.retried(r, fresh, clock.now()));
    }),
    order("priority", subjects.priority, ({ experiment, priority }) =>
      step(records, experiment, (r) => lifecycle.prioritised(r, priority)),
    ),
    order("deadline", subjects.deadline, (asked) =>
      step(records, asked.experiment, (r) => lifecycle.limited(r, asked, clock.now())),
    ),
    order("fail", subjects.fail, ({ experiment, reason }, caller) => {
      const error = new FlError("FL_SET_FAILED", { reason }).toJSON();
      return fail(experiment, { role: "owner", name: caller, round: null, error });
    }),
    order("remove", subjects.remove, async ({ experiment }) => {
      await step(records, experiment, (r) => lifecycle.removed(r, clock.now()));
      return records.until(experiment, () => false, SOON_MS); // O2
    }),
    wire.serve(
      subjects.envoyFails,
      {},
      async ({ envoy, exp }, { error }) => {
        await rights.ofEnvoy(envoy, exp);
        const failure: Failure = { role: "envoy", name: envoy, round: null, error };
        return { ok: true, state: (await fail(exp, failure)).state };
      },
      refused,
    ),
  ];
}
