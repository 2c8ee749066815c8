/**
 * From a stored submission to a queued experiment.
 *
 * S1 A submission is acknowledged when its record and the Director's snapshot are stored (law L1). It may come again before
 *    that; a record of the same sequence number is the same submission.
 * S2 A submission that cannot run is recorded as failed under its name, with what is wrong with it. One that has no name, or
 *    a name that is taken, is refused: one event, one log line, one counter (law L7).
 */
import { asFlError, FlError } from "../../src/errors.ts";
import { type Plan, parsePlan, planDigest } from "../../src/plan/plan.ts";
import type { Stored } from "../../src/ports.ts";
import { decode } from "../../src/wire/codec.ts";
import { type ExperimentRecord, type Submission, submission as schema } from "../../src/wire/messages.ts";
import { shelves, subjects } from "../../src/wire/table.ts";
import { match } from "../../src/wire/template.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { hasEnded, type Records } from "./records.ts";

export type Submissions = {
  readonly wire: Wire;
  readonly records: Records;
  /** hands the experiment to the machine; resolves when that is stored */
  readonly submit: (experiment: string) => Promise<void>;
  /** tells that it has to wait for its turn, if it has */
  readonly queued: (record: ExperimentRecord) => Promise<void>;
};

/** Handles one message of the submissions stream. Rejects only where another try may go better. */
export async function admit({ wire, records, submit, queued }: Submissions, message: Stored): Promise<void> {
  const { counters, log, clock } = wire.ports;
  const owner = match(subjects.submit.pattern, message.subject)?.owner ?? "unknown";
  let submission: Submission;
  try {
    submission = decode(schema, message.data, message.contentType, message.subject);
  } catch (e) {
    counters.drop(log, "submission.malformed", { subject: message.subject, seq: message.seq, err: e });
    return;
  }
  const { name } = submission;
  const record = await made(wire, records, { owner, submission, seq: message.seq, at: clock.now() });
  if (record.seq !== message.seq) {
    const error = new FlError("FL_EXISTS", { reason: `an experiment ${name} exists`, owner, seq: message.seq });
    counters.drop(log, "submission.refused", { experiment: name, owner, seq: message.seq });
    const failure = { role: "director" as const, name: "director", round: null, error: error.toJSON() };
    await records.announce(name, {
      type: "experiment.refused",
      round: null,
      detail: { owner, seq: message.seq },
      failure,
    });
    return;
  }
  if (hasEnded(record)) return; // it could not run, or it has been run and this is an old message
  await submit(name);
  await records.announce(name, { type: "experiment.accepted", round: null, detail: { owner, seq: message.seq } });
  await queued(record);
}

type Made = { owner: string; submission: Submission; seq: number; at: number };

async function made(wire: Wire, records: Records, { owner, submission, seq, at }: Made): Promise<ExperimentRecord> {
  const record: ExperimentRecord = {
    v: 1,
    name: submission.name,
    owner,
    seq,
    state: "pending",
    submission,
    plan_digest: "0".repeat(64),
    rounds: 0,
    collaborators: [],
    submitted_at: at,
    started_at: null,
    ended_at: null,
    failure: null,
    outcome: null,
  };
  try {
    const plan = await checked(wire, submission);
    return await records.make({ ...record, rounds: plan.rounds, plan_digest: planDigest(plan) });
  } catch (e) {
    const error = asFlError(e);
    if (error.retryable || error.code === "FL_INTERNAL" || error.code === "FL_CLOSED") throw error;
    wire.ports.log.warn({ experiment: submission.name, code: error.code, err: error }, "submission cannot run");
    const failure = { role: "director" as const, name: "director", round: null, error: error.toJSON() };
    const failed = await records.make({ ...record, state: "failed", ended_at: at, failure });
    if (failed.seq === seq) {
      const detail = { owner, seq };
      await records.announce(record.name, { type: "experiment.failed", round: null, detail, failure });
    }
    return failed;
  }
}

/** What can be known before it runs. @throws FL_PLAN_INVALID, FL_NOT_FOUND, FL_DIGEST_MISMATCH */
async function checked(wire: Wire, { plan, archive }: Submission): Promise<Plan> {
  const parsed = parsePlan(plan);
  const listed = await (await wire.shelf(shelves.archives)).list();
  const object = listed.find((o) => o.name === archive.object);
  if (object === undefined) throw new FlError("FL_NOT_FOUND", { reason: `no archive ${archive.object} is stored` });
  if (object.digest !== archive.digest) {
    throw new FlError("FL_DIGEST_MISMATCH", { object: archive.object, expected: archive.digest, got: object.digest });
  }
  return parsed;
}
