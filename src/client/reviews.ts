/**
 * Reviews by people: what waits for a decision at a Director or an envoy, what it is, and the decision.
 *
 * V1 It is the role itself that is asked: what it shows is what it will compare with what runs.
 */
import { asFlError, FlError, fromWire, type WireError } from "../errors.ts";
import type { ArchiveEntry, GivenDecision, PendingReview } from "../wire/messages.ts";
import { subjects } from "../wire/table.ts";
import type { Wire } from "../wire/wire.ts";

const ANSWER_MS = 5_000;

/** Whose review it is. */
export type Reviewed = { readonly role: "director" | "envoy"; readonly name: string };

export type ReviewDetail = {
  readonly review: PendingReview;
  readonly plan: Record<string, unknown>;
  readonly listing: readonly ArchiveEntry[];
};

export class Reviews {
  readonly #wire: Wire;
  readonly #of: Reviewed;
  readonly #manager: string;

  /** `manager`: who decides, as the network knows them */
  constructor(wire: Wire, of: Reviewed, manager: string) {
    this.#wire = wire;
    this.#of = of;
    this.#manager = manager;
  }

  /** In the order in which they were asked for. @throws FL_NO_RESPONDER if the role is not there */
  async list(): Promise<PendingReview[]> {
    const { role, name } = this.#of;
    const manager = this.#manager;
    const answer = await this.#ask(() =>
      role === "director"
        ? this.#wire.request(subjects.directorReviews, { director: name, manager }, {}, { timeoutMs: ANSWER_MS })
        : this.#wire.request(subjects.envoyReviews, { envoy: name, manager }, {}, { timeoutMs: ANSWER_MS }),
    );
    return answer.reviews;
  }

  /** @throws FL_NOT_FOUND, FL_NO_RESPONDER */
  async show(experiment: string): Promise<ReviewDetail> {
    const { review, plan, listing } = await this.#query(experiment, {});
    if (review !== undefined && plan !== undefined && listing !== undefined) return { review, plan, listing };
    throw new FlError("FL_MESSAGE_MALFORMED", { reason: `there is no review in the answer of ${this.#named}` });
  }

  /** A file's source. @throws FL_NOT_FOUND, FL_STATE if it is no text, FL_NO_RESPONDER */
  async source(experiment: string, path: string): Promise<string> {
    let text = "";
    for (let offset: number | null = 0; offset !== null; ) {
      const piece = await this.#query(experiment, { path, offset });
      text += piece.text ?? "";
      offset = piece.next ?? null;
    }
    return text;
  }

  /** @throws FL_NOT_FOUND, FL_STATE if something else is asked than what was looked at, FL_NO_RESPONDER */
  async decide(decision: GivenDecision): Promise<void> {
    const { role, name } = this.#of;
    const manager = this.#manager;
    const options = { timeoutMs: ANSWER_MS };
    await this.#ask(() =>
      role === "director"
        ? this.#wire.request(subjects.directorDecide, { director: name, manager }, decision, options)
        : this.#wire.request(subjects.envoyDecide, { envoy: name, manager }, decision, options),
    );
  }

  #query(experiment: string, piece: { path?: string; offset?: number }) {
    const { role, name } = this.#of;
    const manager = this.#manager;
    const query = { experiment, offset: 0, ...piece };
    const options = { timeoutMs: ANSWER_MS };
    return this.#ask(() =>
      role === "director"
        ? this.#wire.request(subjects.directorReview, { director: name, manager }, query, options)
        : this.#wire.request(subjects.envoyReview, { envoy: name, manager }, query, options),
    );
  }

  get #named(): string {
    return `${this.#of.role} ${this.#of.name}`;
  }

  async #ask<T extends { readonly error?: WireError | undefined }>(request: () => Promise<T>): Promise<T> {
    let answer: T;
    try {
      answer = await request();
    } catch (e) {
      if (asFlError(e).code !== "FL_NO_RESPONDER") throw e;
      throw new FlError("FL_NO_RESPONDER", { reason: `${this.#named} is not there` }, { cause: e });
    }
    if (answer.error !== undefined) throw fromWire(answer.error);
    return answer;
  }
}
