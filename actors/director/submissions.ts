/**
 * From a stored submission to a queued experiment.
 *
 * S1 A submission is acknowledged when its record is stored (law L1), from which the Director's machine hears of it. It may
 *    come again before that; a record of the same sequence number is the same submission.
 * S2 A submission that cannot run, as far as can be known without its code, is recorded as failed under its name, with what is
 *    wrong with it. One that does not decode, or whose name is taken, leaves no record: it is logged and counted (law L7).
 * S3 Whatever is refused is told so by the event `experiment.refused`, under the name it has, or was meant to have.
 */
import { z } from "zod";
import { asFlError, FlError } from "../../src/errors.ts";
import type { Stored } from "../../src/ports.ts";
import { decode } from "../../src/wire/codec.ts";
import { type ExperimentRecord, type Failure, type Submission, submission as schema } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { match, TOKEN } from "../../src/wire/template.ts";
import type { Announcement } from "../ledger.ts";
import { type Admission, checkRunnable } from "./admission.ts";
import { ended, planned, submitted } from "./lifecycle.ts";
import type { Records } from "./records.ts";

export type Submissions = Admission & { readonly records: Records };

/** Handles one message of the submissions stream. Rejects only where another try may go better. */
export async function admit(parts: Submissions, message: Stored): Promise<void> {
  const { wire, records } = parts;
  const { counters, log } = wire.ports;
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
    if (meant !== undefined)
      await records.announce({ owner, exp: meant }, refusal({ owner, seq: message.seq }, asFlError(e)));
    return;
  }
  const { name } = submission;
  const record = await made(parts, { owner, submission, seq: message.seq });
  if (record.seq === message.seq) return;
  const error = new FlError("FL_EXISTS", { reason: `an experiment ${name} exists`, owner, seq: message.seq });
  counters.drop(log, "submission.refused", { experiment: name, owner, seq: message.seq });
  await records.announce({ owner, exp: name }, refusal({ owner, seq: message.seq }, error));
}

type Made = { owner: string; submission: Submission; seq: number };

async function made(parts: Submissions, { owner, submission, seq }: Made): Promise<ExperimentRecord> {
  const { wire, records } = parts;
  const at = wire.ports.clock.now();
  const record = submitted(submission, { owner, seq, at });
  const detail = { owner, seq };
  try {
    await checkRunnable(parts, owner, submission);
    return await records.make(planned(record), { type: "experiment.accepted", round: null, detail });
  } catch (e) {
    const error = asFlError(e);
    if (error.retryable || error.code === "FL_INTERNAL" || error.code === "FL_CLOSED") throw error;
    wire.ports.log.warn({ experiment: submission.name, code: error.code, err: error }, "submission cannot run");
    const failed = ended(record, { state: "failed", failure: failureOf(error) }, at);
    return await records.make(failed, refusal(detail, error));
  }
}

const failureOf = (error: FlError): Failure => ({
  ...{ role: "director", name: "director", round: null, error: error.toJSON() },
});

/** S3. The one who submitted is told, and nobody else. */
const refusal = (detail: { owner: string; seq: number }, error: FlError): Announcement => ({
  ...{ type: "experiment.refused", round: null, detail, failure: failureOf(error) },
});

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
