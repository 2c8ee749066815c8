/**
 * What the demo shows while it runs: a block redrawn in place on a terminal, one line a round elsewhere, objects for programs.
 *
 * G1 Programs are told of an envoy when its state or its task changes, not each time it has done some more.
 * G2 After a resume, rounds that an earlier run has shown are not lines again; the table on a terminal has them all.
 */
import type { Event, Progress } from "../wire/messages.ts";
import type { Console } from "./console.ts";
import { demoView } from "./demo-view.ts";
import type { Live } from "./live.ts";
import type { RoundRow, Rounds } from "./rounds.ts";
import { emitRow, remarkOf, rowLine } from "./watch.ts";

const TICK_MS = 200;

export type StageSetup = {
  readonly experiment: string;
  readonly rounds: number;
  readonly envoys: readonly string[];
  /** rounds that have been shown before (G2) */
  readonly quietUpTo: number;
};

export class DemoStage {
  readonly #out: Console;
  readonly #setup: StageSetup;
  readonly #live: Live | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #told = new Map<string, string>();
  #rows: readonly RoundRow[] = [];
  #progress: Progress | undefined;
  #drawn = "";

  constructor(out: Console, setup: StageSetup) {
    this.#out = out;
    this.#setup = setup;
    this.#live = out.live();
    this.#timer = setInterval(() => this.#draw(), TICK_MS);
    this.#draw();
  }

  row(row: RoundRow): void {
    const { experiment, rounds, quietUpTo } = this.#setup;
    if (row.round <= quietUpTo) return; // G2
    emitRow(this.#out, experiment, rounds, row);
    if (this.#live === undefined) this.#out.say(rowLine(rounds, row));
  }

  event(event: Event, rounds: Rounds): void {
    this.#rows = rounds.rows;
    const remark = (event.round ?? 0) < this.#setup.quietUpTo ? undefined : remarkOf(event);
    if (remark !== undefined && event.type !== "experiment.failed") this.#out.notice(remark);
  }

  progress(progress: Progress): void {
    this.#progress = progress;
    for (const peer of progress.peers) {
      const now = `${progress.round} ${peer.state} ${peer.doing}`;
      if (this.#told.get(peer.name) === now) continue; // G1
      this.#told.set(peer.name, now);
      this.#out.emit("collaborator", { experiment: this.#setup.experiment, ...peer });
    }
  }

  #draw(): void {
    if (this.#live === undefined) return;
    const { experiment, rounds, envoys } = this.#setup;
    const scene = {
      ...{ experiment, rounds, envoys },
      rows: [...this.#rows],
      progress: this.#progress,
      seconds: performance.now() / 1_000,
    };
    const block = demoView(scene, process.stdout.rows || 24, this.#out.paint);
    if (block.join("\n") === this.#drawn) return;
    this.#drawn = block.join("\n");
    this.#live.draw(block);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#draw();
    this.#live?.end();
  }
}
