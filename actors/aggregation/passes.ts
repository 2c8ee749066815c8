/**
 * Updates on their way into an exact sum: those that wait while others are added go in together, in one pass over the sum.
 *
 * PA1 An update is done with, or refused without a trace, when its promise settles; the others of its pass do not notice (G2).
 * PA2 Between steps others get their turn (G4): at most TOGETHER updates are in a step, some 10 ms.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { ExactSum, Weighted } from "../../src/tensor/exact-sum.ts";

const TOGETHER = 6;

type Waiting = Weighted & { readonly settle: (refusal: unknown) => void };

export class Passes {
  readonly #sum: ExactSum;
  readonly #waiting: Waiting[] = [];
  #running = false;

  constructor(sum: ExactSum) {
    this.#sum = sum;
  }

  /** @throws FL_UPDATE_RANGE, FL_STATE, FL_LAYOUT_MISMATCH */
  add(values: Float32Array, weight: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (refusal: unknown): void => (refusal === undefined ? resolve() : reject(refusal));
      this.#waiting.push({ values, weight, settle });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, TOGETHER);
      const outcome = await this.#pass(some).catch((e: unknown) => some.map(() => e));
      for (const [k, { settle }] of some.entries()) settle(outcome[k]);
    }
    this.#running = false;
  }

  async #pass(some: readonly Waiting[]): Promise<unknown[]> {
    const steps = this.#sum.addingAll(some);
    let next = steps.next();
    for (; next.done !== true; next = steps.next()) await turn();
    return next.value;
  }
}
