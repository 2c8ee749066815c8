/**
 * An envoy's review of one experiment: what is assigned is looked at, decided about, and the Director is told.
 *
 * ER1 A verdict of this envoy on the same plan and archive that the Director has recorded stands: nobody is asked again.
 * ER2 The Director is told until it has recorded the verdict, however long it is away.
 */
import { FlError } from "../../src/errors.ts";
import type { AssignmentRecord, Review } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { insist } from "../insist.ts";
import type { Consultation } from "../reviewer/consult.ts";
import { given, type Subject } from "../reviewer/review.ts";
import type { Assigned, Verdict } from "./machine.ts";

const REQUEST_MS = 5_000;

export type Assignment = AssignmentRecord["experiments"][number];
export type EnvoyReview = {
  readonly wire: Wire;
  readonly envoy: string;
  readonly consultation: Pick<Consultation, "review">;
};

/** @throws the signal's reason: the assignment is gone, or the envoy leaves */
export async function reviewAssigned(
  { wire, envoy, consultation }: EnvoyReview,
  { experiment, planDigest, archiveDigest }: Assigned,
  { owner, archive, plan }: Pick<Assignment, "owner" | "archive" | "plan">,
  signal: AbortSignal,
): Promise<Verdict> {
  const subject: Subject = { role: "envoy", name: envoy, planDigest, archiveDigest };
  const { review: recorded } = await insist(signal, () =>
    wire.request(subjects.reviewGiven, { envoy, exp: experiment }, {}, { timeoutMs: REQUEST_MS, signal }),
  );
  const before = recorded === null ? undefined : given([recorded], subject);
  if (before !== undefined) return verdictOf(before); // ER1
  const matter = { experiment, owner, collaborators: [envoy], archive, plan };
  const review = await consultation.review({ ...subject, ...matter }, signal);
  await tell(wire, { envoy, experiment, review }, signal);
  return verdictOf(review);
}

/** ER2 */
async function tell(
  wire: Wire,
  { envoy, experiment: exp, review }: { envoy: string; experiment: string; review: Review },
  signal: AbortSignal,
): Promise<void> {
  await insist(signal, async () => {
    const options = { timeoutMs: REQUEST_MS, signal };
    const { ok, error } = await wire.request(subjects.reviewed, { envoy, exp }, review, options);
    if (error !== undefined) wire.ports.log.warn({ experiment: exp, error }, "review not recorded");
    return ok ? true : undefined;
  });
}

const verdictOf = ({ approved, error }: Review): Verdict =>
  approved ? { approved } : { approved: false, error: error ?? new FlError("FL_REJECTED").toJSON() };
