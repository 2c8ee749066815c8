/** The Director's process: the centre of a federation, for as long as it is let run. */
import { type EventObject, fromCallback, fromPromise } from "xstate";
import { asFlError, fromWire } from "../../src/errors.ts";
import { host } from "../../src/host.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import type { ExperimentRecord, Waiting } from "../../src/wire/messages.ts";
import { buckets, consumers, shelves, subjects } from "../../src/wire/table.ts";
import { childMachine } from "../child/machine.ts";
import { Nursery } from "../child/nursery.ts";
import { runRole } from "../entrypoint.ts";
import { insist } from "../insist.ts";
import { consult } from "../reviewer/consult.ts";
import { choose, type Standing, waitingOf } from "./choice.ts";
import { directorConfig } from "./config.ts";
import { openDesk } from "./desk.ts";
import { Envoys } from "./envoys.ts";
import { type Ending, experimentMachine } from "./experiment.ts";
import { type DirectorEvent, type DirectorInput, directorMachine } from "./machine.ts";
import { Records } from "./records.ts";
import { failureOf, Reviews } from "./reviews.ts";
import { Rights } from "./rights.ts";
import { Sinks } from "./sinks.ts";
import { admit } from "./submissions.ts";

/** of one ask to an Aggregator that may be restarting */
const CANCEL_MS = 5_000;

runRole(directorConfig, "director", async ({ config, wire, ports, stop, ready, parent }) => {
  const { name, limit, periodMs, sampleShape, targetShape, review, managers } = config;
  const shapes =
    sampleShape === undefined || targetShape === undefined
      ? undefined
      : { sample_shape: sampleShape, target_shape: targetShape };
  // Everything a federation's streams and buckets need is there before the first question is answered.
  const [records, envoys, submissions, snapshots] = await Promise.all([
    Records.open(wire),
    Envoys.open(wire, { director: name, periodMs, shapes }),
    wire.journal("submissions"),
    wire.table(buckets.snapshots),
    wire.table(buckets.rounds),
    wire.journal("metrics"),
    wire.journal("events"),
    wire.journal("uploads"),
    wire.shelf(shelves.models),
  ]);
  const consultation = await consult(review, { wire, role: "director", name, parent });
  const reviews = new Reviews({ wire, records, envoys, consultation, director: name, limitMs: review.limit ?? null });
  const nursery = new Nursery(config, {}, ports.log);
  const sinks = await Sinks.open({ sinks: config.sinks, nursery, ports, stop });
  const work = new Set<Promise<void>>();
  const standing = (): Standing => hosted.actor.getSnapshot().context;
  /** an experiment begins to wait: who reads its events is told, and who reads the log */
  const waits = async ({ owner, name: exp }: ExperimentRecord, waiting: Waiting): Promise<void> => {
    ports.log.info({ experiment: exp, ...waiting }, "experiment waits");
    const told = { type: "experiment.waiting" as const, round: null, detail: { ...waiting } };
    await records
      .announce({ owner, exp }, told)
      .catch((e) => ports.log.warn({ experiment: exp, err: e }, "not announced"));
  };

  const experiment = experimentMachine.provide({
    actors: {
      choose: fromPromise(async ({ input: { name: exp }, signal }) => {
        const record = await records.present(exp);
        if (record.collaborators.length > 0) return { collaborators: record.collaborators };
        const plan = parsePlan(record.submission.plan);
        const { clock } = ports;
        const told = { clock, signal, waits: (waiting: Waiting) => waits(record, waiting) };
        return { collaborators: [...(await choose(plan, envoys, told))] };
      }),
      review: fromPromise(async ({ input: { name: exp, collaborators }, signal }) => {
        await records.reviewing(exp);
        const { approved, reviews: given } = await reviews.run(exp, collaborators, signal);
        return approved ? null : failureOf(given);
      }),
      start: fromPromise(async ({ input: { name: exp, collaborators } }) => {
        const record = await records.start(exp, collaborators);
        await Promise.all(collaborators.map((envoy) => envoys.assign(envoy, record)));
        sinks.begin(exp);
      }),
      aggregator: childMachine.provide({ actors: { run: nursery.run } }),
      cancelRun: fromPromise<void, { name: string }>(async ({ input: { name: exp }, signal }) => {
        const ask = { exp, director: name };
        await insist(signal, () => wire.request(subjects.end, ask, {}, { timeoutMs: CANCEL_MS, signal }));
      }),
      end: fromPromise<void, { name: string; collaborators: readonly string[]; ending: Ending }>(
        async ({ input: { name: exp, collaborators, ending } }) => {
          await records.end(exp, ending);
          await Promise.all(collaborators.map((envoy) => envoys.release(envoy, exp)));
          ports.log.info({ experiment: exp, state: ending.state }, "experiment ended");
        },
      ),
    },
  });
  const machine = directorMachine.provide({
    actors: {
      submissions: fromCallback<EventObject, DirectorInput>(({ sendBack }) => {
        const ends = new AbortController();
        const submit = async (exp: string): Promise<void> => {
          sendBack({ type: "experiment.submitted", experiment: exp });
          await hosted.flush();
        };
        const queued = async (record: ExperimentRecord): Promise<void> => {
          const waiting = waitingOf(record, standing(), envoys, (exp) => records.ownerOf(exp) === record.owner);
          if (waiting !== null && standing().queue.includes(record.name)) await waits(record, waiting);
        };
        const working: Promise<void> = submissions
          .work({ durable: consumers.director.durable, signal: ends.signal }, (m) =>
            admit({ wire, records, submit, queued }, m),
          )
          .catch((e) => sendBack({ type: "watch.failed", error: asFlError(e).toJSON() } satisfies DirectorEvent))
          .finally(() => work.delete(working));
        work.add(working);
        return () => ends.abort();
      }),
      desk: fromCallback<EventObject, DirectorInput>(({ sendBack }) => {
        const rights = new Rights(records, managers);
        const ends = [openDesk({ wire, records, rights, envoys, standing, sendBack }), reviews.serve()];
        return () => {
          for (const end of ends) end();
        };
      }),
      experiment,
      withdraw: fromPromise(({ input: { experiment: exp } }) => records.end(exp, { state: "cancelled" })),
    },
  });
  const hosted = await host(machine, {
    id: "director",
    input: { name, limit },
    ports,
    stop,
    leave: { type: "leave" },
    persistence: {
      rows: snapshots,
      role: "director",
      name,
      durable: ({ context: { queue, running } }) => ({ queue, running }),
    },
  });
  if (hosted.restored) {
    const { running } = hosted.actor.getSnapshot().context;
    ports.log.info({ running }, "taken up again");
    for (const exp of running) sinks.begin(exp);
  }
  await ports.bus.flush(); // whoever hears that it is ready may ask at once
  ready();
  const output = await hosted.done;
  await Promise.all(work);
  await nursery.settled();
  await consultation.dispose();
  if (output.state === "failed") throw fromWire(output.error);
  return output;
});
