/**
 * How a long computation stays a good neighbour: it lets the event loop turn, reports progress and heeds its signal.
 *
 * C1 `step` returns a promise only when it is time to rest; awaiting each batch would cost more than it gives.
 */
import { setImmediate } from "node:timers/promises";
import { FlError } from "../errors.ts";

const REST_EVERY_MS = 50;

export class Pace {
  readonly #signal: AbortSignal;
  readonly #progress: (done: number, total: number) => void;
  #rested = performance.now();

  constructor(signal: AbortSignal, progress: (done: number, total: number) => void) {
    this.#signal = signal;
    this.#progress = progress;
    this.check();
  }

  /** @throws FL_CANCELLED once the signal has aborted */
  check(): void {
    if (!this.#signal.aborted) return;
    const { reason } = this.#signal;
    throw reason instanceof FlError ? reason : new FlError("FL_CANCELLED", {}, { cause: reason });
  }

  /** `if (pace.due()) await pace.rest(done, total)` (C1) */
  due(): boolean {
    return this.#signal.aborted || performance.now() - this.#rested >= REST_EVERY_MS;
  }

  async rest(done?: number, total?: number): Promise<void> {
    this.check();
    if (done !== undefined && total !== undefined) this.#progress(done, total);
    await setImmediate();
    this.#rested = performance.now();
    this.check();
  }
}
