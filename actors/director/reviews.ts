/**
 * The reviews of an experiment: the Director's own, before it is in line, then that of each envoy that is to take part.
 *
 * RW1 Nothing of an experiment is given to an envoy before the Director's review has approved it.
 * RW2 A verdict counts once it is in the experiment's record, and is asked for once: a restarted Director goes on from there.
 * RW3 The first rejection decides; who has not answered by then is not waited for.
 * RW4 Envoys have as long as the configuration's `limit` says, if it says something; who has not answered by then has rejected.
 */
import { FlError } from "../../src/errors.ts";
import type { ExperimentRecord, Failure, Review } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import type { Consultation } from "../reviewer/consult.ts";
import { given, rejection, type Subject } from "../reviewer/review.ts";
import type { Reviewed } from "./experiment.ts";
import { inReview, isUnderWay, reviewed } from "./lifecycle.ts";
import type { Records } from "./records.ts";

export type ReviewsOptions = {
  readonly wire: Wire;
  readonly records: Pick<Records, "get" | "review" | "change">;
  readonly consultation: Pick<Consultation, "review" | "immediate">;
  /** the Director's own name */
  readonly director: string;
  /** RW4 */
  readonly limitMs: number | null;
};

export class Reviews {
  readonly #options: ReviewsOptions;
  /** told of each verdict that is recorded */
  readonly #listeners = new Set<(record: ExperimentRecord) => void>();

  constructor(options: ReviewsOptions) {
    this.#options = options;
  }

  /** Records what envoys say, and tells an envoy what it has said (RW2). Returns what ends it. */
  serve(): () => void {
    const { wire, records } = this.#options;
    const endVerdicts = wire.serve(
      subjects.reviewGiven,
      {},
      async ({ envoy, exp }) => {
        const record = await records.get(exp);
        return { review: (record && given(record.reviews, subjectOf(record, "envoy", envoy))) ?? null };
      },
      (error) => ({ review: null, error: error.toJSON() }),
    );
    const endReviews = wire.serve(
      subjects.reviewed,
      {},
      async ({ envoy, exp }, review) => {
        await this.#record(exp, { ...review, role: "envoy", name: envoy });
        return { ok: true };
      },
      (error) => ({ ok: false, error: error.toJSON() }),
    );
    return () => {
      endVerdicts();
      endReviews();
    };
  }

  /** Whether the Director's own has approved, and the record has gone on from there. */
  approved(record: ExperimentRecord): boolean {
    const verdict = given(record.reviews, subjectOf(record, "director", this.#options.director));
    return verdict?.approved === true && (record.state !== "in_review" || isUnderWay(record));
  }

  /** The Director's own; `asked` are those who may take part. @throws FL_NOT_FOUND, the signal's reason */
  async own(exp: string, asked: readonly string[], signal: AbortSignal): Promise<Reviewed> {
    const { consultation, director, records } = this.#options;
    let record = await this.#present(exp);
    const own = subjectOf(record, "director", director);
    if (given(record.reviews, own) === undefined) {
      if (!consultation.immediate) record = await records.change(exp, (r) => ({ record: inReview(r) }));
      const { owner, submission } = record;
      const { archive, plan } = submission;
      const matter = { experiment: exp, owner, collaborators: [...asked], archive, plan };
      record = await this.#record(exp, await consultation.review({ ...own, ...matter }, signal));
    }
    const verdict = given(record.reviews, own);
    if (verdict?.approved !== true) return rejectedIn(record, []);
    await records.change(exp, (r) => ({ record: reviewed(r) }));
    return { approved: true };
  }

  /** Those of its envoys, which it has been given to. @throws FL_NOT_FOUND, the signal's reason */
  async ofEnvoys(exp: string, collaborators: readonly string[], signal: AbortSignal): Promise<Reviewed> {
    const record = await this.#answered(exp, collaborators, signal);
    return rejectionIn(record, collaborators) === undefined ? { approved: true } : rejectedIn(record, collaborators);
  }

  async #present(exp: string): Promise<ExperimentRecord> {
    const record = await this.#options.records.get(exp);
    if (record === undefined) throw new FlError("FL_NOT_FOUND", { reason: `no experiment ${exp} is recorded` });
    return record;
  }

  /** Resolves when all have approved, or one has not. */
  async #answered(exp: string, collaborators: readonly string[], signal: AbortSignal): Promise<ExperimentRecord> {
    const { wire, records, limitMs } = this.#options;
    const { clock } = wire.ports;
    let cancel = (): void => {};
    let abort = (): void => {};
    let listener = (_: ExperimentRecord): void => {};
    try {
      return await new Promise<ExperimentRecord>((resolve, reject) => {
        const judge = (record: ExperimentRecord): void => {
          const missing = missingIn(record, collaborators);
          if (missing.length === 0 || rejectionIn(record, collaborators) !== undefined) resolve(record); // RW3
        };
        listener = (record) => record.name === exp && judge(record);
        abort = () => reject(signal.reason);
        this.#listeners.add(listener);
        signal.addEventListener("abort", abort, { once: true });
        if (limitMs !== null)
          cancel = clock.after(limitMs, () => this.#expire(exp, collaborators, limitMs).catch(reject));
        // read after listening: what comes in between is seen twice, not never
        records.get(exp).then((record) => record !== undefined && judge(record), reject);
        if (signal.aborted) abort();
      });
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
      this.#listeners.delete(listener);
    }
  }

  /** RW4 */
  async #expire(exp: string, collaborators: readonly string[], limitMs: number): Promise<void> {
    const { wire, records, director } = this.#options;
    const record = await records.get(exp);
    if (record === undefined) return;
    for (const name of missingIn(record, collaborators)) {
      const reason = `envoy ${name} has not decided within ${limitMs / 1_000} s`;
      const error = new FlError("FL_REVIEW_LIMIT", { reason, role: "envoy", name });
      await this.#record(exp, rejection(subjectOf(record, "envoy", name), { by: director, error }, wire.ports.clock));
    }
  }

  async #record(exp: string, review: Review): Promise<ExperimentRecord> {
    const record = await this.#options.records.review(exp, review);
    for (const listener of [...this.#listeners]) listener(record);
    return record;
  }
}

export const subjectOf = (
  { plan_digest: planDigest, submission }: ExperimentRecord,
  role: Subject["role"],
  name: string,
): Subject => ({ role, name, planDigest, archiveDigest: submission.archive.digest });

/** Whose verdict an experiment in review waits for. */
export const missingIn = (record: ExperimentRecord, collaborators: readonly string[]): string[] =>
  collaborators.filter((name) => given(record.reviews, subjectOf(record, "envoy", name)) === undefined);

/** The verdicts that count: who was asked to join later, and would not, keeps nobody else from it. */
const verdictsIn = ({ reviews }: ExperimentRecord, collaborators: readonly string[]): Review[] =>
  reviews.filter((r) => r.role === "director" || collaborators.includes(r.name));

const rejectionIn = (record: ExperimentRecord, collaborators: readonly string[]): Review | undefined =>
  verdictsIn(record, collaborators).find(
    (r) => !r.approved && given(record.reviews, subjectOf(record, r.role, r.name)) === r,
  );

const rejectedIn = (record: ExperimentRecord, collaborators: readonly string[]): Reviewed => {
  const error = new FlError("FL_REJECTED").toJSON();
  const of = { role: "director" as const, name: record.name, round: null, error };
  const failure = failureOf(verdictsIn(record, collaborators)) ?? of;
  return { approved: false, failure };
};

/** Why an experiment ends as rejected, where its owner sees it. */
export function failureOf(reviews: readonly Review[]): Failure | null {
  const found = reviews.findLast((r) => !r.approved);
  if (found === undefined) return null;
  const { role, name, error = new FlError("FL_REJECTED", { reason: found.reason }).toJSON() } = found;
  return { role, name, round: null, error };
}
