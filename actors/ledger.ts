/**
 * What an actor tells the record about one experiment: metrics, and what happened.
 *
 * L1 Appended beside the round's path, never on it; all stored before the experiment's outcome is (`settle`).
 * L2 Every line carries an id of its own, so that a restarted actor that says it again says it once. What another attempt at
 *    the experiment says of the same round is another line.
 */
import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { WireError } from "../src/errors.ts";
import type { Journal } from "../src/ports.ts";
import type { Event } from "../src/wire/messages.ts";
import { subjects } from "../src/wire/table.ts";
import type { Wire } from "../src/wire/wire.ts";

/** What happened, before it has a time and a place. */
export type Announcement = Pick<Event, "type" | "round" | "detail"> & {
  failure?: Event["failure"];
  /** tells it from another of its type and round; without it `detail` does */
  key?: string | undefined;
};

/** An experiment, by its owner and its name. */
export type Owned = { readonly owner: string; readonly exp: string };

export class Ledger {
  readonly #wire: Wire;
  readonly #of: Owned;
  readonly #origin: string;
  /** the experiment and the attempt at it: what every id begins with */
  readonly #run: string;
  readonly #metrics: Journal;
  readonly #events: Journal;
  readonly #pending = new Set<Promise<unknown>>();

  /** `origin`: a collaborator's name, `aggregator` or `director`; `attempt`: the experiment's, of those who end with it */
  static async open(wire: Wire, of: Owned, origin: string, attempt = 1): Promise<Ledger> {
    const [metrics, events] = await Promise.all([wire.journal("metrics"), wire.journal("events")]);
    return new Ledger(wire, of, origin, attempt, metrics, events);
  }

  private constructor(wire: Wire, of: Owned, origin: string, attempt: number, metrics: Journal, events: Journal) {
    this.#wire = wire;
    this.#of = of;
    this.#origin = origin;
    this.#run = `${of.exp}.${attempt}`;
    this.#metrics = metrics;
    this.#events = events;
  }

  /** Metrics of one task in one round. `task` is its label in the plan. */
  metrics(round: number, task: string, values: Readonly<Record<string, number>>): void {
    const { exp } = this.#of;
    const place = { ...this.#of, origin: this.#origin };
    const at = this.#wire.ports.clock.now();
    for (const [metric, value] of Object.entries(values)) {
      const payload = { v: 1 as const, experiment: exp, round, origin: this.#origin, task, metric, value, at };
      const id = `${this.#run}.${round}.${this.#origin}.${task}.${metric}`;
      this.#beside(() => this.#wire.append(subjects.metric, this.#metrics, place, payload, id));
    }
  }

  announce({ type, round, detail, failure, key }: Announcement): void {
    const at = this.#wire.ports.clock.now();
    const { exp } = this.#of;
    const place = { ...this.#of, origin: this.#origin };
    const payload = {
      ...{ v: 1 as const, experiment: exp, type, origin: this.#origin, round, at, detail },
      failure: failure ?? null,
    };
    // a round opens and closes once; a collaborator may be lost again and again, and a name be asked for by several
    const again = /^(collaborator|update|aggregator)\.|\.waiting$/.test(type);
    // a failure is the same one for the next Aggregator of its round (L2)
    const when = type === "collaborator.failed" ? digestOf(detail.error) : at;
    const which = key ?? (again ? `${detail.collaborator ?? ""}.${when}` : (detail.seq ?? ""));
    const id = `${this.#run}.${type}.${round}.${which}`;
    this.#beside(() => this.#wire.append(subjects.event, this.#events, place, payload, id));
  }

  /** In the next turn of the event loop: what the round waits for goes first (L1). */
  #beside(write: () => Promise<unknown>): void {
    const kept: Promise<unknown> = turn()
      .then(write)
      .catch((e) => this.#wire.ports.log.error({ err: e }, "not recorded"))
      .finally(() => this.#pending.delete(kept));
    this.#pending.add(kept);
  }

  /** Resolves when all that was said so far is stored. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }
}

const digestOf = (error: unknown): string => {
  const { code, message } = error as WireError;
  return createHash("sha256").update(`${code} ${message}`).digest("hex").slice(0, 16);
};
