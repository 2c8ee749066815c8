/**
 * One experiment as an aggregation actor serves it: its machine, and what the machine orders done with its holding.
 *
 * SE1 An experiment whose Aggregator does not want its session any more, or is gone, is let go of; nobody has to say so.
 * SE2 What is asked for a session that is not the present one is FL_PART_LOST; while leaving, FL_CLOSED.
 */
import { type EventObject, fromCallback, fromPromise, waitFor } from "xstate";
import { asFlError, FlError, fromWire } from "../../src/errors.ts";
import { type Hosted, host } from "../../src/host.ts";
import type { Aggregation } from "../../src/parts/aggregation.ts";
import { STALL_MS } from "../../src/transfer/pull.ts";
import type { AggregationAccept, AggregationBegin, AggregationPull } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { Holding, unknown } from "./holding.ts";
import { aggregationMachine, type RoundEvent } from "./machine.ts";

const WATCH_MS = 30_000;
/** one miss may be a connection that is coming back */
const MISSES = 2;

export type ServedParts = {
  readonly wire: Wire;
  readonly exp: string;
  /** the name behind `nats:` */
  readonly name: string;
  readonly create: (options: Record<string, unknown>) => Aggregation;
  readonly stop: AbortSignal;
};

export class Served {
  readonly #wire: Wire;
  readonly #place: { exp: string; name: string };
  readonly #holding: Holding;
  readonly #hosted: Hosted<typeof aggregationMachine>;
  /** Resolves when everything has been let go of. */
  readonly done: Promise<void>;

  static async open({ wire, exp, name, create, stop }: ServedParts): Promise<Served> {
    const place = { exp, name };
    const holding = new Holding({
      create,
      take: (pull, signal) => {
        const { session } = pull;
        const options = { timeoutMs: STALL_MS, signal };
        return wire.request(subjects.aggregationTake, { ...place, session }, pull, options);
      },
    });
    const provided = aggregationMachine.provide({
      actors: {
        begin: fromPromise<void, AggregationBegin>(({ input, signal }) => holding.begin(input, signal)),
        finish: fromPromise<number | null, { session: string }>(({ input }) => holding.finish(input.session)),
        watch: fromCallback<EventObject, { experiment: string }>(({ sendBack }) =>
          watch(wire, place, holding, sendBack),
        ),
      },
    });
    const hosted = await host(provided, {
      id: `aggregation.${exp}`,
      input: { experiment: exp },
      ports: wire.ports,
      stop,
      leave: { type: "leave" },
    });
    return new Served(wire, place, holding, hosted);
  }

  private constructor(
    wire: Wire,
    place: { exp: string; name: string },
    holding: Holding,
    hosted: Hosted<typeof aggregationMachine>,
  ) {
    this.#wire = wire;
    this.#place = place;
    this.#holding = holding;
    this.#hosted = hosted;
    this.done = this.#end();
  }

  async #end(): Promise<void> {
    const { log } = this.#wire.ports;
    const { exp } = this.#place;
    await this.#hosted.done.catch((e) => log.error({ exp, err: e }, "aggregation failed"));
    await this.#holding.free().catch((e) => log.error({ exp, err: e }, "aggregation not freed"));
    log.info({ exp }, "experiment let go of");
  }

  get active(): boolean {
    return this.#hosted.actor.getSnapshot().status === "active";
  }

  /** Resolves when the round is open. @throws what it failed with (SE2) */
  async begin(begin: AggregationBegin): Promise<void> {
    this.#hosted.actor.send({ type: "round.begin", begin });
    await this.#present(begin.session, "beginning");
  }

  /** Resolves when the update counts. */
  accept(accept: AggregationAccept): Promise<void> {
    return this.#holding.accept(accept);
  }

  /** Resolves when the next model is there, to the size of the rule's state. */
  async finish(session: string): Promise<number | null> {
    this.#hosted.actor.send({ type: "round.finish", session });
    return (await this.#present(session, "closing")).stateBytes;
  }

  give(pull: AggregationPull): Uint8Array {
    return this.#holding.give(pull);
  }

  /** Waits while the session is in this state. */
  async #present(session: string, busy: "beginning" | "closing") {
    const { actor } = this.#hosted;
    const { context, status } = await waitFor(
      actor,
      (s) => s.context.begin?.session !== session || !s.matches({ active: busy }),
    ).catch(() => actor.getSnapshot()); // it has ended: its last state says how
    if (status !== "active") throw new FlError("FL_CLOSED", { reason: "the aggregation is leaving" });
    if (context.begin?.session !== session) throw unknown(session);
    if (context.failure !== null) throw fromWire(context.failure);
    return context;
  }
}

/** Asks the Aggregator now and then whether the present session still lasts (SE1). */
function watch(
  wire: Wire,
  place: { exp: string; name: string },
  holding: Holding,
  sendBack: (event: RoundEvent) => void,
): () => void {
  const ends = new AbortController();
  const { clock } = wire.ports;
  let misses = 0;
  const isWanted = async (session: string): Promise<boolean> => {
    const probe: AggregationPull = { session, transfer: "probe", index: 0 };
    const options = { timeoutMs: STALL_MS, signal: ends.signal };
    try {
      await wire.request(subjects.aggregationTake, { ...place, session }, probe, options);
      return true;
    } catch (e) {
      return asFlError(e).code !== "FL_NO_RESPONDER"; // slow is not gone
    }
  };
  const look = async (): Promise<void> => {
    const session = holding.latest;
    if (session !== undefined) misses = (await isWanted(session)) ? 0 : misses + 1;
    if (ends.signal.aborted) return;
    if (misses >= MISSES && session !== undefined) sendBack({ type: "session.abandoned", session });
    cancel = clock.after(WATCH_MS, look);
  };
  let cancel = clock.after(WATCH_MS, look);
  return () => {
    cancel();
    ends.abort();
  };
}
