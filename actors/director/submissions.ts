/**
 * From a stored submission to a queued experiment.
 *
 * S1 A submission is acknowledged when its record and the Director's snapshot are stored (law L1). It may come again before
 *    that; a record of the same sequence number is the same submission.
 * S2 A submission that cannot run, as far as can be known without its code, is recorded as failed under its name, with what is
 *    wrong with it. One that does not decode, or whose name is taken, leaves no record: it is logged and counted (law L7).
 * S3 Whatever is refused is told so by the event `experiment.refused`, under the name it has, or was meant to have.
 */
import { z } from "zod";
import { asFlError, FlError } from "../../src/errors.ts";
import { type Plan, parsePlan, planDigest } from "../../src/plan/plan.ts";
import type { Stored } from "../../src/ports.ts";
import { readUpload } from "../../src/transfer/upload.ts";
import { decode } from "../../src/wire/codec.ts";
import { type ExperimentRecord, type Failure, type Submission, submission as schema } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { match, TOKEN } from "../../src/wire/template.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { LIMITS } from "../../src/workspace/archive.ts";
import { checkBuiltin } from "../aggregation/builtin.ts";
import type { Owned } from "../ledger.ts";
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
    const meant = nameIn(message);
    counters.drop(log, "submission.malformed", {
      subject: message.subject,
      seq: message.seq,
      experiment: meant,
      err: e,
    });
    if (meant !== undefined) await refuse(records, { owner, exp: meant }, message.seq, asFlError(e));
    return;
  }
  const { name } = submission;
  const record = await made(wire, records, { owner, submission, seq: message.seq, at: clock.now() });
  if (record.seq !== message.seq) {
    const error = new FlError("FL_EXISTS", { reason: `an experiment ${name} exists`, owner, seq: message.seq });
    counters.drop(log, "submission.refused", { experiment: name, owner, seq: message.seq });
    await refuse(records, { owner, exp: name }, message.seq, error);
    return;
  }
  if (hasEnded(record)) return; // it could not run, or it has been run and this is an old message
  await submit(name);
  const detail = { owner, seq: message.seq };
  await records.announce({ owner, exp: name }, { type: "experiment.accepted", round: null, detail });
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
    reviews: [],
    submitted_at: at,
    started_at: null,
    ended_at: null,
    failure: null,
    outcome: null,
  };
  try {
    const plan = await checked(wire, owner, submission);
    return await records.make({ ...record, rounds: plan.rounds, plan_digest: planDigest(plan) });
  } catch (e) {
    const error = asFlError(e);
    if (error.retryable || error.code === "FL_INTERNAL" || error.code === "FL_CLOSED") throw error;
    wire.ports.log.warn({ experiment: submission.name, code: error.code, err: error }, "submission cannot run");
    const failed = await records.make({ ...record, state: "failed", ended_at: at, failure: failureOf(error) });
    if (failed.seq === seq) await refuse(records, { owner, exp: record.name }, seq, error);
    return failed;
  }
}

const failureOf = (error: FlError): Failure => ({
  ...{ role: "director", name: "director", round: null, error: error.toJSON() },
});

/** S3. The one who submitted is told, and nobody else. */
function refuse(records: Records, of: Owned, seq: number, error: FlError): Promise<void> {
  const detail = { owner: of.owner, seq };
  return records.announce(of, { type: "experiment.refused", round: null, detail, failure: failureOf(error) });
}

const named = z.object({ name: schema.shape.name });
/** of what may be no JSON at all */
const READ_BYTES = 64 * 1024;

/** The name that a submission which does not decode was meant to have, if it can be read. */
function nameIn({ data, contentType, subject }: Stored): string | undefined {
  try {
    return decode(named, data, contentType, subject).name;
  } catch {
    if (contentType !== "json") return undefined;
  }
  // A comma too many is the likeliest mistake of who writes JSON by hand: the name can be read all the same.
  const text = new TextDecoder().decode(data.subarray(0, READ_BYTES));
  let depth = 0;
  let key = "";
  for (const [token, word, colon] of text.matchAll(/"((?:[^"\\]|\\.)*)"(\s*:)?|[{}[\]]/g)) {
    if (word === undefined) depth += token === "{" || token === "[" ? 1 : -1;
    else if (colon === undefined && depth === 1 && key === "name") return TOKEN.test(word) ? word : undefined;
    key = colon === undefined ? "" : (word ?? "");
  }
  return undefined;
}

/** What can be known before it runs. @throws FL_PLAN_INVALID, FL_PART_UNKNOWN, FL_ARCHIVE_INVALID, FL_NOT_FOUND, FL_DIGEST_MISMATCH */
async function checked(wire: Wire, owner: string, { plan, archive }: Submission): Promise<Plan> {
  const parsed = parsePlan(plan);
  checkBuiltin(parsed.aggregation);
  if (archive.bytes > LIMITS.packedBytes) {
    throw new FlError("FL_ARCHIVE_INVALID", { reason: `larger than ${LIMITS.packedBytes} bytes` });
  }
  await readUpload(wire, owner, archive);
  return parsed;
}
