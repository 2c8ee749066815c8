/**
 * The children of one process: starts them with the process's own server and federation, and waits for them at its end.
 *
 * Y1 A process that ends after `settled` leaves no child behind.
 * Y2 What a child that was killed has left in its temporary folders is gone before it counts as ended.
 */
import { fromPromise, type PromiseActorLogic } from "xstate";
import type { Log } from "../../src/ports.ts";
import { sweepScratch } from "../../src/scratch.ts";
import type { RoleConfig } from "../entrypoint.ts";
import { forkRole } from "./fork.ts";
import type { ChildInput, ChildRun } from "./machine.ts";

export class Nursery {
  readonly #shared: Record<string, unknown>;
  readonly #log: Log;
  readonly #running = new Set<Promise<unknown>>();

  /** `shared` goes into every child's configuration */
  constructor({ url, fed, log }: Pick<RoleConfig, "url" | "fed" | "log">, extra: Record<string, unknown>, lines: Log) {
    this.#shared = { url, fed, log, ...extra };
    this.#log = lines;
  }

  /** The `run` of a child machine. */
  get run(): PromiseActorLogic<ChildRun, ChildInput> {
    return fromPromise<ChildRun, ChildInput>(({ input: { role, config }, signal }) => {
      const options = { signal, log: this.#log, leaf: true };
      const run = forkRole({ role, config: { ...this.#shared, ...config } }, options).then(async (ended) => {
        if (ended.how === "crashed") await sweepScratch(); // Y2
        return ended;
      });
      const kept: Promise<unknown> = run.finally(() => this.#running.delete(kept));
      this.#running.add(kept);
      return run;
    });
  }

  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
