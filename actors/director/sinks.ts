/**
 * The metric sinks that a Director is told to run, for every experiment: a process of their own for each, which reads the
 * experiment's metrics as any other reader does.
 *
 * DS1 An experiment neither waits for its sinks nor ends with them: what becomes of them is in the log.
 * DS2 Asked for again, for an experiment that a restarted Director takes up or that was retried, they go on where they left off.
 */
import { asFlError, FlError, fromWire } from "../../src/errors.ts";
import { host } from "../../src/host.ts";
import type { Ports } from "../../src/ports.ts";
import { childMachine } from "../child/machine.ts";
import type { Nursery } from "../child/nursery.ts";
import { resolveSink } from "../sink/resolve.ts";

export type SinksOptions = {
  readonly sinks: readonly string[];
  readonly nursery: Pick<Nursery, "run">;
  readonly ports: Ports;
  readonly stop: AbortSignal;
};

export class Sinks {
  readonly #options: SinksOptions;
  readonly #begun = new Set<string>();
  /** asked for while they still ran: of an experiment that was retried, say */
  readonly #again = new Set<string>();

  /** @throws FL_PART_UNKNOWN, FL_PART_FAILED, FL_USAGE for a sink that could not serve experiments side by side */
  static async open(options: SinksOptions): Promise<Sinks> {
    for (const { text, sink, target } of await Promise.all(options.sinks.map((text) => resolveSink(text)))) {
      if (sink.target === "FILE" && !target.includes("{experiment}")) {
        const reason = `sink ${text}: experiments may run at the same time, so the name of its file must have {experiment} in it`;
        throw new FlError("FL_USAGE", { sink: text, reason });
      }
    }
    return new Sinks(options);
  }

  private constructor(options: SinksOptions) {
    this.#options = options;
  }

  /** Starts those of this experiment, one after the other; never fails (DS1). */
  begin(experiment: string): void {
    const { sinks, nursery, ports, stop } = this.#options;
    if (sinks.length === 0) return;
    if (this.#begun.has(experiment)) {
      this.#again.add(experiment);
      return;
    }
    this.#begun.add(experiment);
    const log = ports.log.child({ experiment });
    const told = (e: unknown): void => {
      const error = asFlError(e);
      if (!stop.aborted) log.error({ code: error.code, err: error }, "metric sinks failed");
    };
    host(childMachine.provide({ actors: { run: nursery.run } }), {
      id: `sink.${experiment}`,
      input: { role: "sink", config: { name: experiment, sinks } },
      ports,
      stop,
      leave: { type: "leave" },
    })
      .then(({ done }) => done)
      .then((output) => {
        if (output.state === "failed") throw fromWire(output.error);
      })
      .catch(told)
      .finally(() => {
        this.#begun.delete(experiment);
        if (this.#again.delete(experiment) && !stop.aborted) this.begin(experiment); // DS2
      });
  }
}
