/**
 * Puts an aggregation on the bus: answers the Aggregators of any number of experiments, each by an actor and an instance of
 * the rule of its own (served.ts). The far side is remote.ts, which states the protocol.
 *
 * SA1 Every request is answered within HOLD_MS, with "working" if need be: silence means that this process is gone.
 * SA2 An experiment is known from its first begin on; before, and after it was let go of, its sessions are FL_PART_LOST.
 *     Leaving is answered FL_NO_RESPONDER: the same name may be served again in a moment.
 */
import { setMaxListeners } from "node:events";
import { asFlError, FlError } from "../../src/errors.ts";
import type { AggregationPart } from "../../src/parts/aggregation.ts";
import type { AggregationReply } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { unknown } from "./holding.ts";
import { Served } from "./served.ts";

const HOLD_MS = 2_000;

export type AggregationService = {
  readonly wire: Wire;
  /** the name behind `nats:` */
  readonly name: string;
  readonly part: AggregationPart;
  /** what an experiment's own options are laid over */
  readonly options?: Record<string, unknown>;
  /** aborted: leave */
  readonly stop: AbortSignal;
};

/** Serves from when it returns until `stop` aborts; `done` resolves when all has been let go of after that. */
export function serveAggregation(service: AggregationService): {
  /** the experiments that something is held for */
  readonly experiments: readonly string[];
  readonly done: Promise<void>;
} {
  const { wire, name, stop } = service;
  const served = new Map<string, Promise<Served>>();
  setMaxListeners(0, stop); // one for each experiment
  const known = async (exp: string, session: string): Promise<Served> => {
    const one = await served.get(exp);
    if (one === undefined) throw unknown(session);
    return one;
  };
  const ends = [
    wire.serve(
      subjects.aggregationBegin,
      { name },
      ({ exp }, begin) => held(wire, async () => (await openOne(service, served, exp)).begin(begin)),
      refusal,
    ),
    wire.serve(
      subjects.aggregationAccept,
      { name },
      ({ exp }, accept) => held(wire, async () => (await known(exp, accept.session)).accept(accept)),
      refusal,
    ),
    wire.serve(
      subjects.aggregationFinish,
      { name },
      ({ exp }, { session }) => held(wire, async () => (await known(exp, session)).finish(session)),
      refusal,
    ),
    wire.serve(
      subjects.aggregationGive,
      { name },
      async ({ exp }, pull) => (await known(exp, pull.session)).give(pull),
      () => new Uint8Array(0),
    ),
  ];
  const leave = async (): Promise<void> => {
    for (const end of ends) end();
    for (const one of await Promise.all(served.values())) await one.done;
  };
  const done = new Promise<void>((resolve, reject) => {
    const left = (): void => void leave().then(resolve, reject);
    if (stop.aborted) left();
    else stop.addEventListener("abort", left, { once: true });
  });
  return {
    get experiments() {
      return [...served.keys()];
    },
    done,
  };
}

/** The experiment's actor, made when its first round begins, or begins again after it was let go of. */
async function openOne(
  { wire, name, part, options = {}, stop }: AggregationService,
  served: Map<string, Promise<Served>>,
  exp: string,
): Promise<Served> {
  for (let known = served.get(exp); known !== undefined; known = served.get(exp)) {
    const one = await known;
    if (one.active) return one;
    if (served.get(exp) === known) served.delete(exp);
  }
  const create = (own: Record<string, unknown>) => part.create({ ...options, ...own });
  const opening = Served.open({ wire, exp, name, create, stop });
  served.set(exp, opening); // nothing was awaited since it was found missing: there is one actor for an experiment
  const forget = (): boolean => served.get(exp) === opening && served.delete(exp);
  opening.then((one) => one.done).then(forget, forget);
  return opening;
}

/** Does the work and answers, or answers that there will be an answer (SA1). `work` resolves to the size of a state, if to anything. */
async function held(wire: Wire, work: () => Promise<unknown>): Promise<AggregationReply> {
  let cancel = (): void => {};
  const patience = new Promise<AggregationReply>((resolve) => {
    cancel = wire.ports.clock.after(HOLD_MS, () => resolve({ outcome: "working" }));
  });
  const answer = work().then((value): AggregationReply => {
    return { outcome: "done", state_bytes: typeof value === "number" ? value : null };
  });
  try {
    return await Promise.race([answer, patience]);
  } catch (e) {
    const error = asFlError(e);
    if (error.code === "FL_CLOSED") throw new FlError("FL_NO_RESPONDER", { ...error.detail }, { cause: e }); // SA2
    throw error;
  } finally {
    cancel();
  }
}

const refusal = (error: FlError): AggregationReply => ({ outcome: "failed", error: error.toJSON() });
