/**
 * Counts what was dropped or refused, by code (law L7: nothing is dropped silently). Each count comes with one log line.
 */
import type { Log } from "./ports.ts";

export class Counters {
  readonly #counts = new Map<string, number>();

  /** Counts `code` and says so, once per occurrence. */
  drop(log: Log, code: string, fields: object): void {
    this.#counts.set(code, this.get(code) + 1);
    log.warn({ code, ...fields }, "dropped");
  }

  get(code: string): number {
    return this.#counts.get(code) ?? 0;
  }

  all(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => a.localeCompare(b)));
  }
}
