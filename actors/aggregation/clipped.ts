/**
 * A mean of differences none of which is longer than a bound: what norm_clipped and centered_clipping share.
 *
 *   v⁺ = v + Σ_k p_k · (Δ_k − v) · min(1, τ / ‖Δ_k − v‖),   w⁺ = w + v⁺,   Δ_k = w_k − w
 *
 * v is what the rounds before have left, or always 0. Whoever sends whatever moves the model by p_k · τ at most.
 *
 * CL1 A norm is that of the whole update, in f64; a difference is scaled, rounded to f32 and added to an exact sum. So updates
 *     stream, and memory is a few models and one for each update under way (G3).
 */
import { FlError } from "../../src/errors.ts";
import type { Aggregation, AggregationRound, Update } from "../../src/parts/aggregation.ts";
import { checkValues, checkWeight } from "../../src/parts/update.ts";
import { scaleTo, squareOf } from "./difference.ts";
import { checkStep, Mean } from "./mean.ts";
import { Remembered } from "./remembered.ts";

export type ClippedOptions = {
  readonly name: string;
  /** τ */
  readonly norm: number;
  /** everyone counts one */
  readonly equal: boolean;
  /** v is what the round before has left */
  readonly centered: boolean;
};

export class Clipped implements Aggregation {
  readonly #options: ClippedOptions;
  readonly #mean = new Mean();
  readonly #center: Remembered;
  #round: AggregationRound | undefined;
  #spare: Float32Array[] = [];
  readonly save?: () => Uint8Array;

  constructor(options: ClippedOptions) {
    this.#options = options;
    this.#center = new Remembered(options.name, options.centered ? [0] : []);
    if (options.centered) this.save = () => this.#center.save();
  }

  begin(round: AggregationRound): void {
    this.#center.begin(round);
    this.#mean.begin({ ...round, weightBound: Math.max(1, round.weightBound) });
    if (this.#round?.layout.length !== round.layout.length) this.#spare = [];
    this.#round = round;
  }

  async accept({ values, weight }: Update): Promise<void> {
    const { global, layout, weightBound } = this.#begun();
    checkWeight(weight, weightBound);
    await checkValues(values, layout.length);
    const [v] = this.#center.before;
    const square = await squareOf(values, global, v);
    const scale = Math.min(1, this.#options.norm / Math.sqrt(square));
    const scaled = this.#spare.pop() ?? new Float32Array(values.length);
    try {
      await scaleTo(scaled, values, global, scale, v);
      await this.#mean.accept({ values: scaled, weight: this.#options.equal ? 1 : weight });
    } finally {
      if (scaled.length === this.#round?.layout.length) this.#spare.push(scaled);
    }
  }

  async finish(out: Float32Array): Promise<void> {
    const { round, global } = this.#begun();
    const [v] = this.#center.before;
    const [next] = this.#center.after;
    await this.#mean.each((mean, from, to) => {
      for (let i = from; i < to; i++) {
        const moved = (v === undefined ? 0 : v[i]!) + mean[i - from]!;
        if (next !== undefined) next[i] = moved;
        out[i] = global[i]! + moved;
      }
      checkStep(this.#options.name, out, from, to);
    });
    this.#center.close(round);
  }

  restore(bytes: Uint8Array): void {
    if (this.#options.centered) this.#center.restore(bytes);
  }

  dispose(): void {
    this.#mean.dispose();
    this.#round = undefined;
    this.#spare = [];
  }

  #begun(): AggregationRound {
    if (this.#round === undefined) throw new FlError("FL_STATE", { reason: "no round has begun" });
    return this.#round;
  }
}
