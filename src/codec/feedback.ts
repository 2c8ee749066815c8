/**
 * What compression has lost so far and the next update is to carry: error feedback.
 *
 * FB1 It changes with `settle` alone, when it is known that the round's update counts: one that was late, refused or broken off has
 *     carried nothing, and what was left before stays left.
 * FB2 It is in memory: with its process it is gone, and begins at zero. What is lost so is one residual, once.
 */
export class Feedback {
  #before: Float32Array;
  #left: Float32Array;
  #round: number | undefined;

  constructor(length: number) {
    this.#before = new Float32Array(length);
    this.#left = new Float32Array(length);
  }

  get before(): Float32Array {
    return this.#before;
  }

  /** Where what this round loses goes. */
  begin(round: number): Float32Array {
    this.#round = round;
    return this.#left;
  }

  /** The round's update counts. */
  settle(round: number): void {
    if (this.#round !== round) return;
    this.#round = undefined;
    [this.#before, this.#left] = [this.#left, this.#before];
  }
}
