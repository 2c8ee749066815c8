/**
 * The children of one process: starts them with the process's own server, federation and certificate, and waits for them at its end.
 *
 * Y1 A process that ends after `settled` leaves no child behind.
 * Y2 What a child that was killed has left in its temporary folders is gone before it counts as ended.
 * Y3 A child starts when the one before it of the same role and configuration is gone: no name is two processes'.
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
  /** the newest child of each role and configuration, until it is gone */
  readonly #running = new Map<string, Promise<unknown>>();

  /** `shared` goes into every child's configuration */
  constructor(told: RoleConfig, extra: Record<string, unknown>, lines: Log) {
    const { url, fed, log, creds, tlsCa, tlsCert, tlsKey } = told;
    this.#shared = { url, fed, log, creds, tlsCa, tlsCert, tlsKey, ...extra };
    this.#log = lines;
  }

  /** The `run` of a child machine. */
  get run(): PromiseActorLogic<ChildRun, ChildInput> {
    return fromPromise<ChildRun, ChildInput>(({ input, signal }) => {
      const key = keyOf(input);
      const run = this.gone(input).then(() => this.#fork(input, signal));
      const kept: Promise<unknown> = run.finally(() => {
        if (this.#running.get(key) === kept) this.#running.delete(key);
      });
      this.#running.set(key, kept);
      return run;
    });
  }

  #fork({ role, config }: ChildInput, signal: AbortSignal): Promise<ChildRun> {
    if (signal.aborted) return Promise.resolve({ how: "left" }); // it was called off before its turn
    const options = { signal, log: this.#log, leaf: true };
    return forkRole({ role, config: { ...this.#shared, ...config } }, options).then(async (ended) => {
      if (ended.how === "crashed") await sweepScratch(); // Y2
      return ended;
    });
  }

  /** Resolves when no child of this role and configuration is left (Y2). */
  async gone(child: ChildInput): Promise<void> {
    await this.#running.get(keyOf(child));
  }

  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }
}

const keyOf = ({ role, config }: ChildInput): string => JSON.stringify([role, config]);
