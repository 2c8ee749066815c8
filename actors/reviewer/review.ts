/**
 * From a question to a verdict: a reviewer is asked, and whatever comes of it is one.
 *
 * VE1 There is always a verdict: no answer within the limit, an answer that is none, or a failure is a rejection with its code.
 * VE2 A verdict says what it is about, who gave it and when; two are about the same if both digests are.
 */
import { asFlError, FlError } from "../../src/errors.ts";
import type { Decision, Reviewer, ReviewRequest } from "../../src/parts/reviewer.ts";
import type { Clock } from "../../src/ports.ts";
import type { Review } from "../../src/wire/messages.ts";

/** What a verdict is about. */
export type Subject = Pick<ReviewRequest, "role" | "name" | "planDigest" | "archiveDigest">;

export type Reviewing = {
  readonly reviewer: Reviewer;
  /** null: as long as it takes */
  readonly limitMs: number | null;
  readonly clock: Clock;
};

/** @throws the signal's reason: nobody needs a verdict any more */
export async function reviewOf(
  request: ReviewRequest,
  { reviewer, limitMs, clock }: Reviewing,
  signal: AbortSignal,
): Promise<Review> {
  const limit = new AbortController();
  const late = (): FlError => {
    const reason = `${request.role} ${request.name} has not decided within ${limitMs! / 1_000} s`;
    return new FlError("FL_REVIEW_LIMIT", { reason, role: request.role, name: request.name });
  };
  const cancel = limitMs === null ? (): void => {} : clock.after(limitMs, () => limit.abort(late()));
  const scope = AbortSignal.any([signal, limit.signal]);
  try {
    const { approved, reason, by = reviewer.name } = await answer(reviewer, request, scope);
    if (approved) return { ...about(request, by, clock), approved, reason: reason ?? null };
    const { role, name } = request;
    const said = { reason: reason ?? `${by} gave no reason`, role, name, by };
    return rejection(request, { by, error: new FlError("FL_REJECTED", said), reason }, clock);
  } catch (e) {
    if (signal.aborted) throw e;
    return rejection(request, { by: reviewer.name, error: asFlError(e, "FL_PART_FAILED") }, clock); // VE1
  } finally {
    cancel();
  }
}

/** A reviewer that does not heed the signal is not waited for. */
function answer(reviewer: Reviewer, request: ReviewRequest, signal: AbortSignal): Promise<Decision> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    reviewer
      .review(request, signal)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}

type Rejected = { readonly by: string; readonly error: FlError; readonly reason?: string | undefined };

/** What cannot be shown to a reviewer at all, an archive that is damaged say, is rejected too. */
export function rejection(subject: Subject, { by, error, reason }: Rejected, clock: Clock): Review {
  const { stack: _, ...told } = error.toJSON();
  return { ...about(subject, by, clock), approved: false, reason: reason ?? error.message, error: told };
}

/** VE2 */
const about = ({ role, name, planDigest, archiveDigest }: Subject, by: string, clock: Clock) => ({
  ...{ role, name, by, at: clock.now() },
  ...{ plan_digest: planDigest, archive_digest: archiveDigest },
});

/** VE2: the verdict on exactly this, if it has been given; the newest counts. */
export const given = (reviews: readonly Review[], subject: Subject): Review | undefined =>
  reviews.findLast(
    (r) =>
      r.role === subject.role &&
      r.name === subject.name &&
      r.plan_digest === subject.planDigest &&
      r.archive_digest === subject.archiveDigest,
  );
