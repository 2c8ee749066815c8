/**
 * The Director's desk: answers owners and envoys on the bus.
 *
 * K1 A question that cannot be answered is answered with its coded reason, never with silence.
 */
import { FlError } from "../../src/errors.ts";
import type { ModelReply, Progress } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { type Standing, waitingOf } from "./choice.ts";
import type { Envoys } from "./envoys.ts";
import type { DirectorEvent } from "./machine.ts";
import { hasEnded, type Records } from "./records.ts";

export type Desk = {
  readonly wire: Wire;
  readonly records: Records;
  readonly envoys: Envoys;
  readonly standing: () => Standing;
  readonly sendBack: (event: DirectorEvent) => void;
};

/** Serves until the returned function is called. */
export function openDesk({ wire, records, envoys, standing, sendBack }: Desk): () => void {
  /** the newest progress of each running experiment */
  const progress = new Map<string, Progress>();
  const found = async (experiment: string) => {
    const record = await records.get(experiment);
    if (record === undefined) throw new FlError("FL_NOT_FOUND", { reason: `there is no experiment ${experiment}` });
    return record;
  };
  const ends = [
    wire.on(subjects.progress, {}, ({ exp }, told) => {
      progress.set(exp, told);
    }),
    wire.serve(
      subjects.register,
      {},
      ({ envoy }, info) => envoys.register(envoy, info),
      (error) => ({ accepted: false, period_ms: 10_000, error: error.toJSON() }),
    ),
    wire.serve(
      subjects.heartbeat,
      {},
      ({ envoy }, heartbeat) => envoys.heartbeat(envoy, heartbeat),
      (error) => ({ known: false, period_ms: 10_000, error: error.toJSON() }),
    ),
    wire.serve(
      subjects.status,
      {},
      async (_, { experiment: name }) => {
        const experiment = await found(name);
        if (hasEnded(experiment)) progress.delete(name);
        const waiting = waitingOf(experiment, standing(), envoys);
        return { status: { experiment, progress: progress.get(name) ?? null, waiting } };
      },
      (error) => ({ error: error.toJSON() }),
    ),
    wire.serve(
      subjects.list,
      {},
      async () => ({ experiments: await records.list() }),
      (error) => ({ experiments: [], error: error.toJSON() }),
    ),
    wire.serve(
      subjects.envoys,
      {},
      () => ({ envoys: envoys.list() }),
      (error) => ({ envoys: [], error: error.toJSON() }),
    ),
    wire.serve(
      subjects.cancel,
      {},
      async (_, { experiment }) => {
        const { state } = await found(experiment);
        if (hasEnded({ state })) {
          throw new FlError("FL_STATE", { reason: `experiment ${experiment} is ${state}` });
        }
        sendBack({ type: "experiment.cancel", experiment });
        return { ok: true };
      },
      (error) => ({ ok: false, error: error.toJSON() }),
    ),
    wire.serve(
      subjects.model,
      {},
      async (_, { experiment, which }): Promise<ModelReply> => {
        const { submission, outcome } = await found(experiment);
        const { archive, plan } = submission;
        if (outcome !== null) return { object: outcome.objects[which], archive, plan };
        const row = await (await wire.table(buckets.rounds)).get({ exp: experiment });
        const ref = which === "best" ? row?.value.best?.model : row?.value.model;
        if (row === undefined || ref === undefined || ref === null || row.value.specs === null) {
          throw new FlError("FL_STATE", { reason: `experiment ${experiment} has no ${which} model yet` });
        }
        return { ref, specs: row.value.specs, archive, plan };
      },
      (error) => ({ error: error.toJSON() }),
    ),
  ];
  return () => {
    for (const end of ends) end();
  };
}
