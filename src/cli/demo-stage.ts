/**
 * What the demo shows while it runs: a block redrawn in place on a terminal, one line a round elsewhere, objects for programs.
 *
 * G1 Programs are told of an envoy when its state or its task changes, not each time it has done some more.
 * G2 After a resume, rounds that an earlier run has shown are not lines again; the table on a terminal has them all.
 */

import type { RoundRow, Rounds } from "../client/rounds.ts";
import type { Event, Progress } from "../wire/messages.ts";
import type { Console } from "./console.ts";
import { type DemoScene, demoView } from "./demo-view.ts";
import type { Live } from "./live.ts";
import { emitRow, remarkOf, rowLine, waitingIn } from "./watch.ts";

const TICK_MS = 200;

export class DemoStage {
  readonly #out: Console;
  readonly #live: Live | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #told = new Map<string, string>();
  #scene: Omit<DemoScene, "seconds"> = { title: "demo", stage: "starting nats-server", rounds: 0, rows: [], peers: [] };
  #shownBefore = 0;
  #drawn = "";
  #over = false;

  constructor(out: Console) {
    this.#out = out;
    this.#live = out.live();
    if (this.#live !== undefined) this.#timer = setInterval(() => this.#draw(), TICK_MS);
  }

  /** whether it draws a block; else there are lines */
  get live(): boolean {
    return this.#live !== undefined;
  }

  /** in a few words, what goes on before the first round and after the last */
  stage(stage: string): void {
    this.#set({ stage });
  }

  /** The experiment is known; `resumedAt`: the round it goes on with. */
  begin(experiment: string, rounds: number, envoys: readonly string[], resumedAt: number | undefined): void {
    this.#shownBefore = (resumedAt ?? 0) - 1;
    this.#set({ title: experiment, rounds, peers: envoys.map((name) => ({ name, state: "starting" })) });
  }

  /** An envoy's process is there, or not. */
  envoy(name: string, state: string): void {
    this.#set({ peers: this.#scene.peers.map((p) => (p.name === name ? { name, state } : p)) });
  }

  row(row: RoundRow): void {
    if (row.round <= this.#shownBefore) return; // G2
    const { title, rounds } = this.#scene;
    emitRow(this.#out, title, rounds, row);
    if (this.#live === undefined) this.#out.say(rowLine(rounds, row));
  }

  event(event: Event, rounds: Rounds): void {
    this.#set({ rows: [...rounds.rows] });
    const remark = (event.round ?? 0) < this.#shownBefore ? undefined : remarkOf(event);
    const own = waitingIn(event)?.ahead.length === 0; // it waits for the envoys that are being started
    if (remark !== undefined && event.type !== "experiment.failed" && !own) this.#out.notice(remark);
  }

  progress(progress: Progress): void {
    const { title, rounds, peers } = this.#scene;
    const now = new Map(progress.peers.map((p) => [p.name, p]));
    const stage =
      progress.round === 0
        ? "making the first model"
        : progress.round > rounds
          ? "rating the final model"
          : `round ${progress.round} of ${rounds}`;
    this.#set({
      stage,
      peers: peers.map((before) => {
        const peer = now.get(before.name);
        return peer === undefined || peer.state === "absent" ? before : peer;
      }),
    });
    for (const peer of progress.peers) {
      const said = `${progress.round} ${peer.state} ${peer.doing}`;
      if (this.#told.get(peer.name) === said) continue; // G1
      this.#told.set(peer.name, said);
      this.#out.emit("collaborator", { experiment: title, ...peer });
    }
  }

  /** The block stays as it is then; the first to call it says how it ended. */
  end(stage: string): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#timer);
    this.#scene = { ...this.#scene, stage, peers: this.#scene.peers.map(({ name }) => ({ name, state: "" })) };
    this.#draw();
    this.#live?.end();
  }

  /** Drawn at the next tick: many changes come at once. */
  #set(change: Partial<DemoScene>): void {
    this.#scene = { ...this.#scene, ...change };
  }

  #draw(): void {
    if (this.#live === undefined) return;
    const seconds = Math.floor(performance.now() / 1_000);
    const block = demoView({ ...this.#scene, seconds }, process.stdout.rows || 24, this.#out.paint);
    const text = block.join("\n");
    if (text === this.#drawn) return;
    this.#drawn = text;
    this.#live.draw(block);
  }
}
