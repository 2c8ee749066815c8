/**
 * What the Aggregator tells the record: the round's metrics and what happened.
 *
 * L1 Appended beside the round's path, never on it; all stored before the outcome is (`settle`).
 * L2 Every line carries an id of its own, so that a restarted Aggregator that says it again says it once.
 */
import type { Journal } from "../../src/ports.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import type { Announcement } from "./machine.ts";

const ORIGIN = "aggregator";

export class Ledger {
  readonly #wire: Wire;
  readonly #exp: string;
  readonly #metrics: Journal;
  readonly #events: Journal;
  readonly #pending = new Set<Promise<unknown>>();

  static async open(wire: Wire, exp: string): Promise<Ledger> {
    const [metrics, events] = await Promise.all([wire.journal("metrics"), wire.journal("events")]);
    return new Ledger(wire, exp, metrics, events);
  }

  private constructor(wire: Wire, exp: string, metrics: Journal, events: Journal) {
    this.#wire = wire;
    this.#exp = exp;
    this.#metrics = metrics;
    this.#events = events;
  }

  /** The round's means, by `<task label>.<metric>`. */
  metrics(round: number, means: Readonly<Record<string, number>>): void {
    const place = { exp: this.#exp, origin: ORIGIN };
    const at = this.#wire.ports.clock.now();
    for (const [name, value] of Object.entries(means)) {
      const dot = name.indexOf(".");
      const [task, metric] = [name.slice(0, dot), name.slice(dot + 1)];
      const payload = { v: 1 as const, experiment: this.#exp, round, origin: ORIGIN, task, metric, value, at };
      this.#beside(
        this.#wire.append(subjects.metric, this.#metrics, place, payload, `${this.#exp}.${round}.${ORIGIN}.${name}`),
      );
    }
  }

  announce({ type, round, detail, failure }: Announcement): void {
    const at = this.#wire.ports.clock.now();
    const payload = {
      v: 1 as const,
      experiment: this.#exp,
      type,
      origin: ORIGIN,
      round,
      at,
      detail,
      failure: failure ?? null,
    };
    // a round opens and closes once; a collaborator may be lost again and again
    const which = type === "round.opened" || type === "round.closed" ? "" : `${detail.collaborator ?? ""}.${at}`;
    const id = `${this.#exp}.${type}.${round}.${which}`;
    this.#beside(this.#wire.append(subjects.event, this.#events, { exp: this.#exp, origin: ORIGIN }, payload, id));
  }

  #beside(writing: Promise<unknown>): void {
    const kept: Promise<unknown> = writing
      .catch((e) => this.#wire.ports.log.error({ err: e }, "not recorded"))
      .finally(() => this.#pending.delete(kept));
    this.#pending.add(kept);
  }

  /** Resolves when all that was said so far is stored. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }
}
