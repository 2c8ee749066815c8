/**
 * What selectors may know of the rounds before: who took part, what it took, and what came of it.
 *
 * HI1 Memory goes with the parts that were taken, not with the fleet.
 * HI2 Rounds are added in their order, each once.
 */
import { type Cost, secondsOf } from "./cost.ts";

/** A device's part in a round. */
export type Part = {
  readonly device: number;
  readonly round: number;
  /** it did what it was asked to; else it failed, and has neither loss nor cost */
  readonly done: boolean;
  /** mean loss over what it trained on */
  readonly loss?: number;
  /** the root of the mean of the samples' squared losses, from a trainer that knows it */
  readonly rootLoss?: number;
  readonly samples: number;
  readonly cost?: Cost;
};

export type Past = {
  readonly round: number;
  /** how long it took: that of the slowest */
  readonly seconds: number;
  /** what its selector said that it went by */
  readonly mode?: string | undefined;
  readonly parts: readonly Part[];
};

export class History {
  readonly rounds: Past[] = [];
  readonly #parts = new Map<number, Part[]>();

  add(past: Past): void {
    const last = this.rounds.at(-1);
    if (last !== undefined && past.round <= last.round) throw new RangeError(`round ${past.round} is already told`); // HI2
    this.rounds.push(past);
    for (const part of past.parts) {
      const known = this.#parts.get(part.device);
      if (known === undefined) this.#parts.set(part.device, [part]);
      else known.push(part);
    }
  }

  /** Its parts, oldest first. */
  of(device: number): readonly Part[] {
    return this.#parts.get(device) ?? [];
  }

  /** Everybody who was ever asked. */
  get devices(): Iterable<number> {
    return this.#parts.keys();
  }

  timesSelected(device: number): number {
    return this.of(device).length;
  }

  /** The loss of its last training; undefined if it never trained. */
  lastLoss(device: number): number | undefined {
    return this.of(device).findLast((p) => p.done && p.loss !== undefined)?.loss;
  }

  /** The costs of the parts that it did. */
  costs(device: number): Cost[] {
    return this.of(device).flatMap((p) => (p.done && p.cost !== undefined ? [p.cost] : []));
  }

  /** The whole times of the parts that it did. */
  seconds(device: number): number[] {
    return this.costs(device).map(secondsOf);
  }
}
