/**
 * Server optimizers: the mean of the updates gives a direction, and the server takes the step by an optimizer of its own.
 *
 *   Δ = Σ_k (n_k / n) · (w_k − w),   n = Σ_k n_k,   then `step` of w, Δ and the moments
 *
 * S. Reddi, Z. Charles, M. Zaheer, Z. Garrett, K. Rush, J. Konečný, S. Kumar, H. B. McMahan: Adaptive Federated Optimization,
 * ICLR 2021, arXiv 2003.00295, Algorithms 1 and 2. Each rule is a file of its own.
 *
 * SO1 A step is worked out in f64; moments and model are rounded to f32 once a round.
 * SO2 Moments belong to the instance, so to one experiment and to the tensors it is for, and last as remembered.ts says.
 */
import type { z } from "zod";
import { FlError } from "../../src/errors.ts";
import {
  type Aggregation,
  type AggregationPart,
  type AggregationRound,
  defineAggregation,
  type Update,
} from "../../src/parts/aggregation.ts";
import { checkStep, Mean } from "./mean.ts";
import { Remembered } from "./remembered.ts";

/** The same elements of everything. */
export type Step = {
  /** w */
  readonly global: Float32Array;
  /** Δ */
  readonly delta: Float64Array;
  /** the moments, as the rule lists them; what is in `before` becomes what is to be written to `after` */
  readonly before: readonly Float32Array[];
  readonly after: readonly Float32Array[];
  /** the next w */
  readonly out: Float32Array;
};

export type ServerOptimizerSpec<O> = {
  readonly name: string;
  readonly summary: string;
  readonly options: z.ZodType<O>;
  /** what each moment begins as */
  moments(options: O): readonly number[];
  /** writes every element of `out` and of `after` */
  step(step: Step, options: O): void;
};

export const defineServerOptimizer = <O>(spec: ServerOptimizerSpec<O>): AggregationPart =>
  defineAggregation({
    name: spec.name,
    summary: spec.summary,
    options: spec.options,
    create: (options) => new ServerOptimizer(spec, options),
  });

class ServerOptimizer<O> implements Aggregation {
  readonly #spec: ServerOptimizerSpec<O>;
  readonly #options: O;
  readonly #moments: Remembered;
  readonly #mean = new Mean();
  #round: AggregationRound | undefined;

  constructor(spec: ServerOptimizerSpec<O>, options: O) {
    this.#spec = spec;
    this.#options = options;
    this.#moments = new Remembered(spec.name, spec.moments(options));
  }

  begin(round: AggregationRound): void {
    this.#moments.begin(round);
    this.#mean.begin(round);
    this.#round = round;
  }

  accept(update: Update): Promise<void> {
    return this.#mean.accept(update);
  }

  async finish(out: Float32Array): Promise<void> {
    if (this.#round === undefined) throw new FlError("FL_STATE", { reason: "no round has begun" });
    const { round, global } = this.#round;
    const { before, after } = this.#moments;
    const part = (values: Float32Array, from: number, to: number): Float32Array => values.subarray(from, to);
    await this.#mean.each((delta, from, to) => {
      for (let i = from; i < to; i++) delta[i - from]! -= global[i]!;
      this.#spec.step(
        {
          global: part(global, from, to),
          delta,
          before: before.map((moment) => part(moment, from, to)),
          after: after.map((moment) => part(moment, from, to)),
          out: part(out, from, to),
        },
        this.#options,
      );
      checkStep(this.#spec.name, out, from, to);
    });
    this.#moments.close(round);
  }

  save(): Uint8Array {
    return this.#moments.save();
  }

  restore(bytes: Uint8Array): void {
    this.#moments.restore(bytes);
  }

  dispose(): void {
    this.#mean.dispose();
    this.#round = undefined;
  }
}
