/**
 * Keeps the line moving: works out who starts (actors/director/choice.ts) whenever the line or the envoys change, or when an
 * envoy's time to show itself has passed.
 *
 * G1 A start may be told more than once, until the line says that it was heard.
 * G2 That an experiment begins to wait is told once for its turn and once for envoys, not whenever somebody comes or goes.
 */
import type { Clock } from "../../src/ports.ts";
import { cast, type Hold, type Lineup, type Roll } from "./choice.ts";
import type { Envoys } from "./envoys.ts";

export type CastingOptions = {
  readonly envoys: Roll & Pick<Envoys, "onChange">;
  readonly clock: Clock;
  readonly starts: (name: string, collaborators: readonly string[]) => void;
  readonly waits: (name: string, hold: Hold) => void;
  /** those who are about to join one that runs */
  readonly joining: (name: string) => readonly string[];
};

type Seen = { readonly since: number; turn: boolean; envoys: boolean };

export class Casting {
  readonly #options: CastingOptions;
  readonly #end: () => void;
  #cancel = (): void => {};
  #lineup: Lineup = { waiting: [], running: [], limit: 0, share: false };
  /** those in line, since when, and whether it was told that they wait */
  #seen = new Map<string, Seen>();

  constructor(options: CastingOptions) {
    this.#options = options;
    this.#end = options.envoys.onChange(() => this.#look());
  }

  /** The line as it is now. */
  line(lineup: Lineup): void {
    const now = this.#options.clock.now();
    this.#lineup = lineup;
    this.#seen = new Map(
      lineup.waiting.map(({ name }) => [name, this.#seen.get(name) ?? { since: now, turn: false, envoys: false }]),
    );
    this.#look();
  }

  /** What keeps an experiment that is in line from starting; null if nothing does, or it is in none. */
  holdOf(name: string): Hold | null {
    return this.#cast().waits.get(name) ?? null;
  }

  /** Whether none that runs has this envoy, or they may share it. */
  isFree(envoy: string): boolean {
    return this.#lineup.share || !this.#running().some(({ collaborators }) => collaborators.includes(envoy));
  }

  #running(): Lineup["running"] {
    const { joining } = this.#options;
    return this.#lineup.running.map(({ name, collaborators }) => ({
      ...{ name, collaborators: [...new Set([...collaborators, ...joining(name)])] },
    }));
  }

  #cast(): ReturnType<typeof cast> {
    const now = this.#options.clock.now();
    return cast(
      { ...this.#lineup, running: this.#running() },
      this.#options.envoys,
      (name) => now - (this.#seen.get(name)?.since ?? now),
    );
  }

  #look(): void {
    this.#cancel();
    const { starts, waits, againMs } = this.#cast();
    if (againMs !== null) this.#cancel = this.#options.clock.after(againMs, () => this.#look());
    for (const [name, hold] of waits) this.#told(name, hold);
    for (const { name, collaborators } of starts) this.#options.starts(name, collaborators);
  }

  /** G2 */
  #told(name: string, hold: Hold): void {
    const seen = this.#seen.get(name);
    const what = "lacking" in hold ? "envoys" : "turn";
    if (seen === undefined || seen[what]) return;
    seen[what] = true;
    this.#options.waits(name, hold);
  }

  stop(): void {
    this.#cancel();
    this.#end();
  }
}
