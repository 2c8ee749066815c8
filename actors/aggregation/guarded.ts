/**
 * A user's aggregation, held to its contract where it can be.
 *
 * GU1 Whatever it throws is an FlError, and one that nobody retries: FL_PART_FAILED with the original as cause, unless it
 *     threw a lasting FlError of its own (FL_UPDATE_RANGE, say).
 * GU2 It has `save` exactly when the user's has it.
 */
import { FlError } from "../../src/errors.ts";
import type { Aggregation, AggregationPart, AggregationRound, Update } from "../../src/parts/aggregation.ts";

/** A part's default export as a part. `named` is what errors call it. @throws FL_PART_FAILED */
export function checkAggregation(value: unknown, named: string): AggregationPart {
  const part = value as Partial<AggregationPart> | null | undefined;
  if (typeof part !== "object" || part === null || typeof part.name !== "string" || typeof part.create !== "function") {
    const reason = `${named} is no aggregation: its default export must be defineAggregation({ … })`;
    throw new FlError("FL_PART_FAILED", { part: named, reason });
  }
  const { name } = part;
  return {
    name,
    create: (options) =>
      new Guarded(
        name,
        attempt(name, () => (part as AggregationPart).create(options)),
      ),
  };
}

class Guarded implements Aggregation {
  readonly #name: string;
  readonly #inner: Aggregation;
  readonly save?: () => Uint8Array;
  readonly history: boolean;

  constructor(name: string, inner: Aggregation) {
    for (const method of ["begin", "accept", "finish"] as const) {
      if (typeof inner?.[method] !== "function") {
        throw new FlError("FL_PART_FAILED", { part: name, reason: `aggregation ${name} has no ${method}()` });
      }
    }
    this.#name = name;
    this.#inner = inner;
    this.history = inner.history === true;
    if (inner.save !== undefined) this.save = () => attempt(name, () => inner.save!()); // GU2
  }

  begin(round: AggregationRound): Promise<void> {
    return this.#attempt(() => this.#inner.begin(round));
  }

  accept(update: Update): Promise<void> {
    return this.#attempt(() => this.#inner.accept(update));
  }

  finish(out: Float32Array): Promise<void> {
    return this.#attempt(() => this.#inner.finish(out));
  }

  restore(bytes: Uint8Array): void {
    attempt(this.#name, () => this.#inner.restore?.(bytes));
  }

  dispose(): Promise<void> {
    return this.#attempt(() => this.#inner.dispose?.());
  }

  async #attempt(call: () => void | Promise<void>): Promise<void> {
    try {
      await call();
    } catch (e) {
      throw failed(this.#name, e);
    }
  }
}

function attempt<T>(name: string, call: () => T): T {
  try {
    return call();
  } catch (e) {
    throw failed(name, e);
  }
}

function failed(name: string, e: unknown): FlError {
  if (e instanceof FlError && !e.retryable) return e; // GU1
  const said = e instanceof Error ? e.message : String(e);
  return new FlError("FL_PART_FAILED", { part: name, reason: `aggregation ${name}: ${said}` }, { cause: e });
}
