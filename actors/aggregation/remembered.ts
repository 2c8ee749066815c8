/**
 * What a rule remembers of a model from round to round: so many values for each of the model's, and their stored form.
 *
 * RM1 Values are f32 in memory and stored as they are, so who goes on from a checkpoint goes on bit for bit.
 * RM2 A round counts once (G7): what it leaves is laid beside what was there, and counts when a later round begins. So a round
 *     that is done again, after its end too, starts from what the rounds before it have left.
 * RM3 What was stored by another version is FL_SNAPSHOT_VERSION, what is another rule's or torn FL_STATE, and what is of another
 *     model FL_LAYOUT_MISMATCH, once a round begins.
 */
import { z } from "zod";
import { FlError } from "../../src/errors.ts";
import type { AggregationRound } from "../../src/parts/aggregation.ts";

const VERSION = 1;

const head = z.object({
  version: z.number(),
  rule: z.string(),
  /** of the layout; null: nothing is remembered yet */
  digest: z.string().nullable(),
  /** of all the values that follow */
  bytes: z.number(),
});

export class Remembered {
  readonly #rule: string;
  /** what the values of each kind begin as */
  readonly #initial: readonly number[];
  #digest: string | null = null;
  #before: Float32Array[] = [];
  #after: Float32Array[] = [];
  /** `before` is what rounds have left, not how it all begins */
  #settled = false;
  /** the round that has left `after` */
  #closed: number | undefined;

  constructor(rule: string, initial: readonly number[]) {
    this.#rule = rule;
    this.#initial = initial;
  }

  /** @throws FL_LAYOUT_MISMATCH (RM3) */
  begin({ round, layout }: AggregationRound): void {
    if (this.#closed !== undefined && round > this.#closed) this.#settle(); // RM2
    this.#closed = undefined;
    if (this.#digest !== layout.digest) {
      if (this.#settled) {
        const reason = `what aggregation ${this.#rule} remembers is of another model`;
        throw new FlError("FL_LAYOUT_MISMATCH", { reason, expected: this.#digest, got: layout.digest });
      }
      this.#digest = layout.digest;
      this.#before = this.#initial.map((x) => new Float32Array(layout.length).fill(x));
      this.#after = [];
    }
    if (this.#after.length === 0) this.#after = this.#before.map(({ length }) => new Float32Array(length));
  }

  /** kind by kind, as the rounds before have left it; read only */
  get before(): readonly Float32Array[] {
    return this.#before;
  }

  /** where the open round writes what it leaves, every element */
  get after(): readonly Float32Array[] {
    return this.#after;
  }

  /** `after` is written. */
  close(round: number): void {
    this.#closed = round;
  }

  save(): Uint8Array {
    const kept = this.#closed === undefined ? (this.#settled ? this.#before : []) : this.#after;
    const bytes = kept.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const digest = kept.length === 0 ? null : this.#digest;
    const line = `${JSON.stringify({ version: VERSION, rule: this.#rule, digest, bytes })}\n`;
    const values = kept.map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength));
    return Buffer.concat([Buffer.from(line), ...values]);
  }

  /** @throws FL_SNAPSHOT_VERSION, FL_STATE (RM3) */
  restore(state: Uint8Array): void {
    const { digest, values } = this.#parse(state);
    this.#digest = digest;
    this.#settled = digest !== null;
    this.#closed = undefined;
    this.#after = [];
    const one = values.length / Math.max(1, this.#initial.length);
    this.#before = this.#settled ? this.#initial.map((_, i) => floats(values.subarray(i * one, (i + 1) * one))) : [];
  }

  #parse(state: Uint8Array): { digest: string | null; values: Uint8Array } {
    const wrong = (reason: string): FlError =>
      new FlError("FL_STATE", { reason: `the state of aggregation ${this.#rule} ${reason}` });
    const end = state.indexOf(10);
    let written: z.output<typeof head>;
    try {
      written = head.parse(JSON.parse(Buffer.from(state.subarray(0, Math.max(0, end))).toString()));
    } catch (cause) {
      throw wrong(`cannot be read: ${(cause as Error).message}`);
    }
    const { version, rule, digest, bytes } = written;
    if (version !== VERSION) {
      const reason = `the state of aggregation ${rule} has version ${version}, this release reads ${VERSION}`;
      throw new FlError("FL_SNAPSHOT_VERSION", { reason });
    }
    if (rule !== this.#rule) throw wrong(`is that of ${rule}`);
    const values = state.subarray(end + 1);
    const whole = values.length === bytes && bytes % (4 * Math.max(1, this.#initial.length)) === 0;
    if (!whole || (digest === null) !== (bytes === 0)) throw wrong(`has ${values.length} bytes, expected ${bytes}`);
    return { digest, values };
  }

  #settle(): void {
    [this.#before, this.#after] = [this.#after, this.#before];
    this.#settled = true;
  }
}

/** A copy, at an address of its own. */
const floats = (bytes: Uint8Array): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);
