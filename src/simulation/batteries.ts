/**
 * What energy the devices have left.
 *
 * BA1 Only what was spent is kept, by device: memory goes with those that took part.
 * BA2 A device has what it can hold, less what it spent, plus what came back with each round since; where its capacity is
 *     that of a round (`each: round`), a round's spending is over with the round.
 * BA3 Nobody spends what it does not have: who cannot pay for its part does not take part.
 */
import type { Fleet } from "./fleet.ts";
import type { Moment } from "./quantity.ts";

/** What is missing from a full battery, as of the end of a round. */
type Spent = { readonly round: number; readonly missing: number };

export class Batteries {
  readonly #fleet: Fleet;
  readonly #spent = new Map<number, Spent>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  left(device: number, at: Moment): number {
    const capacity = this.#fleet.capacity(device, at);
    const missing = this.#missing(device, at);
    return missing === 0 ? capacity : Math.max(capacity - missing, 0);
  }

  canPay(device: number, energy: number, at: Moment): boolean {
    return energy <= this.left(device, at); // BA3
  }

  spend(device: number, energy: number, at: Moment): void {
    if (this.#fleet.classOf(device).energy.capacity === undefined || energy === 0) return;
    this.#spent.set(device, { round: at.round, missing: this.#missing(device, at) + energy });
  }

  /** BA2 */
  #missing(device: number, at: Moment): number {
    const spent = this.#spent.get(device);
    if (spent === undefined) return 0;
    const ofRound = this.#fleet.classOf(device).energy.capacity?.each === "round";
    if (ofRound) return spent.round === at.round ? spent.missing : 0;
    let { missing } = spent;
    for (let round = spent.round + 1; round <= at.round && missing > 0; round++) {
      missing = Math.max(missing - this.#fleet.recharge(device, { round, seconds: at.seconds }), 0);
    }
    return missing;
  }
}
