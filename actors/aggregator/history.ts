/**
 * What the Aggregator remembers of closed rounds, for the parts that ask for it: assigners, straggler policies and
 * aggregations of a user's own.
 *
 * HI1 The newest PAST rounds are remembered whole, of all others only how often each collaborator was asked and what came of
 *     it: what is remembered does not grow with the rounds.
 * HI2 What is remembered is part of the checkpoint: a restarted Aggregator knows as much as the one before it.
 * HI3 Where no part asks for it, nothing is remembered and nothing is stored.
 */
import type { PastRound, RoundState, Standing } from "../../src/wire/messages.ts";

/** how many closed rounds are remembered whole */
export const PAST = 32;

const NONE: Standing = { asked: 0, answered: 0, failed: 0, late: 0 };

export class History {
  readonly #wanted: boolean;
  #past: readonly PastRound[] = [];
  #standings: Readonly<Record<string, Standing>> = {};

  constructor(wanted: boolean) {
    this.#wanted = wanted;
  }

  /** the newest closed rounds, oldest first */
  get past(): readonly PastRound[] {
    return this.#past;
  }

  standing(collaborator: string): Standing {
    return this.#standings[collaborator] ?? NONE;
  }

  /** A collaborator's own metrics in the last round it answered in. */
  metricsOf(collaborator: string): Readonly<Record<string, number>> {
    return this.#past.findLast((round) => round.measured[collaborator] !== undefined)?.measured[collaborator] ?? {};
  }

  close(round: PastRound): void {
    if (!this.#wanted) return; // HI3
    this.#past = [...this.#past, round].slice(-PAST); // HI1
    const standings = { ...this.#standings };
    const [answered, failed, late] = [new Set(round.answered), new Set(round.failed), new Set(round.late)];
    for (const name of Object.keys(round.assigned)) {
      const before = this.standing(name);
      standings[name] = {
        asked: before.asked + 1,
        answered: before.answered + Number(answered.has(name)),
        failed: before.failed + Number(failed.has(name)),
        late: before.late + Number(late.has(name)),
      };
    }
    this.#standings = standings;
  }

  /** What must last, or undefined if nothing must. */
  save(): Pick<RoundState, "past" | "standings"> | undefined {
    return this.#past.length === 0 ? undefined : { past: [...this.#past], standings: { ...this.#standings } };
  }

  restore({ past, standings }: Pick<RoundState, "past" | "standings">): void {
    this.#past = past;
    this.#standings = standings;
  }
}
