/**
 * The Aggregator's side of compression, for models of one layout: whole updates out of what comes, and models as changes.
 *
 * PG1 The model that enters the next round is what everybody comes to who applies the change to the one before, bit for bit: what
 *     the rule has made is left behind, but for the feedback.
 * PG2 What compression has left out of the model lasts with the round (`residual`), so a restarted Aggregator goes on with it.
 */
import { malformed } from "../../src/codec/codec.ts";
import { Feedback } from "../../src/codec/feedback.ts";
import { type Pipeline, pipelineOf, seedOf } from "../../src/codec/pipeline.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { Layout } from "../../src/tensor/layout.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";

/** How tensors travel. */
export type Travel = Pick<Plan, "delta" | "compression" | "seed">;

export class Pressing {
  readonly #seed: number;
  readonly #up: Pipeline | undefined;
  readonly #down: Pipeline | undefined;
  readonly #feedback: Feedback | undefined;
  /** where the next model comes together */
  #spare: Float32Array;

  constructor({ compression: { up, down, exactBelow }, seed }: Travel, layout: Layout) {
    this.#seed = seed;
    this.#up = pipelineOf(up, exactBelow, layout);
    this.#down = pipelineOf(down, exactBelow, layout);
    this.#feedback = this.#down?.feedback ? new Feedback(layout.length) : undefined;
    this.#spare = new Float32Array(this.#down === undefined ? 0 : layout.length);
  }

  /** Updates come compressed. */
  get updates(): boolean {
    return this.#up !== undefined;
  }

  /** @throws FL_CODEC_MALFORMED for an update that claims more than the layout allows */
  checkSize(bytes: number): void {
    const most = this.#up?.most ?? bytes;
    if (bytes > most) throw malformed(`an update of ${bytes} bytes, at most ${most} for this model`);
  }

  /** Writes the whole update to `out`. @throws FL_CODEC_MALFORMED */
  unpack(packed: Uint8Array, who: string, round: number, base: Float32Array, out: Float32Array): Promise<void> {
    return this.#up!.decode(packed, base, out, seedOf(this.#seed, round, who));
  }

  /**
   * What enters `round` in place of what the rule has made of `base`, and the change that makes it; `made` is kept in exchange.
   * @returns undefined if models are not compressed
   */
  async press(
    made: Float32Array,
    base: Float32Array,
    round: number,
  ): Promise<{ model: Float32Array; change: Uint8Array } | undefined> {
    if (this.#down === undefined) return undefined;
    const [seed, feedback, model] = [seedOf(this.#seed, round, undefined), this.#feedback, this.#spare];
    const sending = { values: made, base, before: feedback?.before, left: feedback?.begin(round), seed };
    const change = await this.#down.encode(sending);
    await this.#down.decode(change, base, model, seed); // PG1
    feedback?.settle(round);
    this.#spare = made;
    return { model, change };
  }

  get residual(): Uint8Array | undefined {
    return this.#feedback && bytesOf(this.#feedback.before);
  }

  /** PG2 */
  restore(residual: Uint8Array): void {
    if (this.#feedback !== undefined) bytesOf(this.#feedback.before).set(residual);
  }
}
