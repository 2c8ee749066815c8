/**
 * The rounds of an experiment as a list that grows: what each took, and how its model was rated.
 *
 * Q1 A round's model is rated on `global` in the round after (src/plan/plan.ts, PL4), so a row is complete when that one has
 *    closed; without such a rating, when its own has.
 * Q2 Rows come from the events, so that whoever starts to look later sees the same rows.
 */
import type { Plan } from "../plan/plan.ts";
import type { Event } from "../wire/messages.ts";

export type RoundRow = {
  readonly round: number;
  /** of the round's model, where the plan rates it: by its `validate` on `global` */
  readonly accuracy: number | null;
  readonly loss: number | null;
  readonly trainLoss: number | null;
  readonly seconds: number;
  /** what was measured in the round, by `<task label>.<metric>`: means over its collaborators */
  readonly metrics: Readonly<Record<string, number>>;
};

export class Rounds {
  readonly #plan: Plan;
  readonly #rating: string | undefined;
  readonly #training: string | undefined;
  readonly #rows: RoundRow[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#rating = ratingOf(plan);
    this.#training = plan.tasks.find((t) => t.task === "train")?.label;
  }

  /** Rows so far; the newest may wait for its rating. */
  get rows(): readonly RoundRow[] {
    return this.#rows;
  }

  /** Rows that are not going to be rated: the experiment has ended. */
  get unrated(): readonly RoundRow[] {
    return this.#rating === undefined ? [] : this.#rows.filter((r) => r.accuracy === null && r.loss === null);
  }

  /** Takes an event in. @returns the row that is complete now, if it made one so */
  take(event: Event): RoundRow | undefined {
    const { round, detail } = event;
    if (round === null) return undefined;
    if (event.type !== "round.closed" || round < 1) return undefined;
    const metrics = (detail.metrics ?? {}) as Record<string, number>;
    const rated = this.#rating === undefined ? undefined : this.#rows.findLast((r) => r.round < round); // a reached target skips rounds
    const complete = rated && { ...rated, ...ratedAs(this.#rating, metrics) };
    if (complete !== undefined) this.#rows[this.#rows.indexOf(rated!)] = complete;
    if (round > this.#plan.rounds) return complete;
    const row: RoundRow = {
      round,
      accuracy: null,
      loss: null,
      trainLoss: this.#training === undefined ? null : (metrics[`${this.#training}.loss`] ?? null),
      seconds: typeof detail.seconds === "number" ? detail.seconds : 0,
      metrics,
    };
    if (!this.#rows.some((r) => r.round === round)) this.#rows.push(row);
    return this.#rating === undefined ? row : complete;
  }
}

const ratedAs = (rating: string | undefined, metrics: Readonly<Record<string, number>>) => ({
  accuracy: accuracyIn(rating, metrics),
  loss: metrics[`${rating}.loss`] ?? null,
});

/** The label under which the plan rates the model that enters a round. */
export const ratingOf = (plan: Plan): string | undefined =>
  plan.tasks.find((t) => t.task === "validate" && t.on === "global")?.label;

/** A mean of shares is a share again only up to rounding: hits by samples, where the samples are told. */
export function accuracyIn(rating: string | undefined, metrics: Readonly<Record<string, number>>): number | null {
  const accuracy = metrics[`${rating}.accuracy`];
  const samples = metrics[`${rating}.samples`];
  if (accuracy === undefined) return null;
  return samples === undefined || !(samples > 0) ? accuracy : Math.round(accuracy * samples) / samples;
}
