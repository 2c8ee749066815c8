/**
 * How far the updates of a round are from each other, as whole models, and which of them lie closest together.
 *
 * DI1 Distances are sums of squared differences of the updates themselves, in f64. (‖a‖² + ‖b‖² − 2·a·b would lose them where
 *     updates have come close to each other, which is where training ends.)
 * DI2 Names decide nothing: of equal scores the update goes first that is closer to all others together, and then the one with
 *     the lower print of its values; those with the same print have the same values.
 * DI3 Memory is one number for each pair of updates.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Survey } from "../../src/parts/aggregation.ts";

/** differences between two yields: some 20 ms */
const TURN = 2 ** 24;

export class Distances {
  readonly count: number;
  /** of update i from the first i others, one after the other */
  readonly #squares: Float64Array;
  readonly #prints: Uint32Array;

  constructor(count: number, squares: Float64Array, prints: Uint32Array) {
    this.count = count;
    this.#squares = squares;
    this.#prints = prints;
  }

  /** ‖w_i − w_j‖² */
  square(i: number, j: number): number {
    if (i === j) return 0;
    return this.#squares[i > j ? place(i, j) : place(j, i)]!;
  }

  /**
   * Krum's choice among some of the updates: the one whose squared distances to its nearest `neighbours` are least in sum
   * (Blanchard et al. 2017, section 4). It has one neighbour at least, if there is another.
   */
  best(among: readonly number[], neighbours: number): number {
    return this.ranked(among, neighbours)[0]!;
  }

  /** All of them, the best first. */
  ranked(among: readonly number[], neighbours: number): number[] {
    const nearest = Math.min(among.length - 1, Math.max(1, neighbours));
    const [scores, sums] = [new Float64Array(among.length), new Float64Array(among.length)];
    for (const [k, i] of among.entries()) {
      const squares = Float64Array.from(among, (j) => (i === j ? -1 : this.square(i, j))).sort();
      for (let r = 1; r < squares.length; r++) {
        if (r <= nearest) scores[k]! += squares[r]!; // ascending: the sum has one order only
        sums[k]! += squares[r]!;
      }
    }
    const order = among.map((_, k) => k);
    order.sort((a, b) => scores[a]! - scores[b]! || sums[a]! - sums[b]! || this.#byPrint(among[a]!, among[b]!)); // DI2
    return order.map((k) => among[k]!);
  }

  #byPrint(i: number, j: number): number {
    return this.#prints[2 * i]! - this.#prints[2 * j]! || this.#prints[2 * i + 1]! - this.#prints[2 * j + 1]!;
  }
}

export async function distancesOf<O>({ collaborators, each }: Survey<O>): Promise<Distances> {
  const count = collaborators.length;
  const squares = new Float64Array((count * (count - 1)) / 2);
  const prints = new Uint32Array(2 * count);
  await each(async ({ columns }) => {
    let done = 0;
    for (let i = 0; i < count; i++) {
      const own = columns[i]!;
      print(own, prints, i);
      for (let j = 0; j < i; j++) squares[place(i, j)]! += apart(own, columns[j]!);
      done += i * own.length;
      if (done < TURN) continue;
      done = 0;
      await turn();
    }
  });
  return new Distances(count, squares, prints);
}

const place = (i: number, j: number): number => (i * (i - 1)) / 2 + j;

function apart(a: Float32Array, b: Float32Array): number {
  let [even, odd] = [0, 0];
  const pairs = a.length & ~1;
  for (let k = 0; k < pairs; k += 2) {
    const x = a[k]! - b[k]!;
    const y = a[k + 1]! - b[k + 1]!;
    even += x * x;
    odd += y * y;
  }
  if (pairs < a.length) even += (a[pairs]! - b[pairs]!) ** 2;
  return even + odd;
}

/** Goes on with the print of update i: two 32-bit FNV-1a hashes of its words, one of them turned. */
function print(values: Float32Array, prints: Uint32Array, i: number): void {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  let [a, b] = [prints[2 * i]!, prints[2 * i + 1]!];
  for (const word of words) {
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul(b ^ ((word << 16) | (word >>> 16)), 0x01000193) ^ (b >>> 15);
  }
  prints[2 * i] = a;
  prints[2 * i + 1] = b;
}
