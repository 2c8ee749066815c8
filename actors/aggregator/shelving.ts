/**
 * Which stored models of an experiment are kept: those its checkpoint names. The others are purged, beside the round's
 * path and some rounds at a time, as a purge costs the server more than a small round does.
 *
 * K1 What the newest record names is never purged. Purging is idempotent and may stop anywhere.
 * K2 Models, changes and states of the same round lie on different subjects: a stale one does not take the other with it.
 */
import type { Journal } from "../../src/ports.ts";
import type { ModelRef } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";

/** small models lie together for a while, large ones are purged soon */
export const EVERY_ROUNDS = 256;
const EVERY_BYTES = 128 * 2 ** 20;

/** What a checkpoint names. */
export type Kept = {
  readonly model: ModelRef | null;
  readonly best: ModelRef | null;
  readonly state: ModelRef | null;
  readonly change?: ModelRef | undefined;
};
type Chunk = typeof subjects.modelChunk | typeof subjects.changeChunk | typeof subjects.stateChunk;
type Shelved = { readonly ref: ModelRef; readonly subject: Chunk };

export class Shelving {
  readonly #wire: Wire;
  readonly #models: Journal;
  readonly #exp: string;
  /** stored and not purged yet, by sequence number */
  #stored = new Map<number, Shelved>();
  #rounds = 0;
  #bytes = 0;
  #running: Promise<void> | undefined;

  constructor(wire: Wire, models: Journal, exp: string) {
    this.#wire = wire;
    this.#models = models;
    this.#exp = exp;
  }

  /** A record that names these has been written. */
  keep({ model, best, state, change }: Kept): void {
    const kept = new Map<number, Shelved>();
    for (const ref of [model, best]) if (ref?.chunks) kept.set(ref.seq, { ref, subject: subjects.modelChunk });
    if (change?.chunks) kept.set(change.seq, { ref: change, subject: subjects.changeChunk });
    if (state?.chunks) kept.set(state.seq, { ref: state, subject: subjects.stateChunk });
    for (const [seq, shelved] of kept) {
      if (!this.#stored.has(seq)) this.#bytes += shelved.ref.bytes;
      this.#stored.set(seq, shelved);
    }
    this.#rounds++;
    if (this.#running || (this.#rounds < EVERY_ROUNDS && this.#bytes < EVERY_BYTES)) return;
    const old = [...this.#stored.values()].filter((s) => !kept.has(s.ref.seq));
    this.#stored = kept;
    this.#rounds = 0;
    this.#bytes = 0;
    this.#running = this.#purge(old, Math.min(...kept.keys()))
      .catch((e) => this.#wire.ports.log.warn({ err: e }, "old models not purged"))
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** `old` one by one, as the best model may lie before them; and what an earlier process left before `oldest`. */
  async #purge(old: readonly Shelved[], oldest: number): Promise<void> {
    for (const subject of [subjects.modelChunk, subjects.changeChunk, subjects.stateChunk]) {
      const all = this.#wire.wildcard(subject as typeof subjects.modelChunk, { exp: this.#exp });
      if (Number.isFinite(oldest)) await this.#models.purge(all, oldest);
    }
    for (const { ref, subject } of old) {
      const { seq, epoch, round } = ref;
      const place = { exp: this.#exp, epoch, round };
      if (seq > oldest) await this.#models.purge(this.#wire.wildcard(subject as typeof subjects.modelChunk, place)); // K2
    }
  }
}
