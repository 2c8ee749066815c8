/**
 * What waits for a person's decision, in the memory of the process that asked for it.
 *
 * K1 A request is on the docket from when it is asked until it is decided or nobody needs it any more, and never after.
 * K2 One decision counts: the first. A decision about something else than what was looked at is refused.
 */
import { FlError } from "../../src/errors.ts";
import type { Decision, ReviewRequest } from "../../src/parts/reviewer.ts";
import type { Clock } from "../../src/ports.ts";

export type Pending = {
  readonly request: ReviewRequest;
  readonly since: number;
  readonly deadlineAt: number | null;
};
/** What was looked at; what is left out is not compared. */
export type Looked = { readonly planDigest?: string | undefined; readonly archiveDigest?: string | undefined };

type Entry = Pending & { settle(decision: Decision): void };

export class Docket {
  readonly #clock: Clock;
  readonly #limitMs: number | null;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(pending: Pending, over: boolean) => void>();

  constructor(clock: Clock, limitMs: number | null) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Resolves with what a person decides. @throws the signal's reason */
  ask(request: ReviewRequest, signal: AbortSignal): Promise<Decision> {
    signal.throwIfAborted();
    const since = this.#clock.now();
    return new Promise((resolve, reject) => {
      const over = (): void => {
        signal.removeEventListener("abort", abort);
        if (this.#entries.get(request.experiment) !== entry) return;
        this.#entries.delete(request.experiment);
        this.#tell(entry, true);
      };
      const abort = (): void => {
        over();
        reject(signal.reason);
      };
      const entry: Entry = {
        ...{ request, since, deadlineAt: this.#limitMs === null ? null : since + this.#limitMs },
        settle: (decision) => {
          over();
          resolve(decision);
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#entries.set(request.experiment, entry);
      this.#tell(entry, false);
    });
  }

  /** In the order in which they were asked for. */
  list(): readonly Pending[] {
    return [...this.#entries.values()].sort((a, b) => a.since - b.since);
  }

  /** @throws FL_NOT_FOUND */
  get(experiment: string): Pending {
    return this.#entry(experiment);
  }

  /** @throws FL_NOT_FOUND, FL_STATE if something else was looked at (K2) */
  decide(experiment: string, decision: Decision, { planDigest, archiveDigest }: Looked = {}): void {
    const { request, settle } = this.#entry(experiment);
    const same =
      (planDigest ?? request.planDigest) === request.planDigest &&
      (archiveDigest ?? request.archiveDigest) === request.archiveDigest;
    if (!same) throw new FlError("FL_STATE", { reason: `${experiment} is not what was looked at: look again` });
    settle(decision);
  }

  /** Called when a request comes, and when it is over. Returns what ends it. */
  onChange(listener: (pending: Pending, over: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #entry(experiment: string): Entry {
    const entry = this.#entries.get(experiment);
    if (entry !== undefined) return entry;
    throw new FlError("FL_NOT_FOUND", { reason: `no decision about ${experiment} is waited for here` });
  }

  #tell(pending: Pending, over: boolean): void {
    for (const listener of [...this.#listeners]) listener(pending, over);
  }
}
