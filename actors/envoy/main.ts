/**
 * The Envoy's process: one shard, for as long as its owner lets it run.
 *
 * P1 It answers for its name from before it registers until it has ended: a Director asks it before it gives the name away.
 */
import { randomUUID } from "node:crypto";
import { type EventObject, fromCallback, fromPromise } from "xstate";
import { asFlError, fromWire } from "../../src/errors.ts";
import { host } from "../../src/host.ts";
import type { Registered } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { childMachine } from "../child/machine.ts";
import { Nursery } from "../child/nursery.ts";
import { resolveMonitor } from "../device-monitor/resolve.ts";
import { runRole, wears } from "../entrypoint.ts";
import { consult } from "../reviewer/consult.ts";
import { digestOf } from "../reviewer/request.ts";
import { envoyConfig, trainingConfig } from "./config.ts";
import { startHeartbeats } from "./heartbeats.ts";
import { type Assigned, type EnvoyEvent, type EnvoyInput, envoyMachine, type Held, type Verdict } from "./machine.ts";
import { reportFailure } from "./report.ts";
import { type Assignment, reviewAssigned } from "./review.ts";
import { resolveShard } from "./shard.ts";

const REQUEST_MS = 5_000;

runRole(envoyConfig, "envoy", wears.envoy, async ({ config, wire, ports, stop, ready, waiting, parent }) => {
  const { name: envoy, shard, monitor: use, review } = config;
  const { log } = ports;
  const { description, sampleShape, targetShape } = await resolveShard(shard, {
    python: config.python,
    onLine: (line) => log.info({ line }, "shard"),
  });
  const monitor = await resolveMonitor(use, { wire, envoy });
  const consultation = await consult(review, { wire, role: "envoy", name: envoy, parent });
  const instance = randomUUID();
  wire.serve(
    subjects.probe,
    { envoy, instance },
    () => ({ ok: true }),
    (error) => ({ ok: false, error: error.toJSON() }),
  ); // P1
  const training = Object.keys(trainingConfig.shape).flatMap((key) => {
    const value = config[key as keyof typeof config];
    return value === undefined ? [] : [[key, value]];
  });
  const nursery = new Nursery(config, { shard, ...Object.fromEntries(training) }, log);

  let yielding = false;
  const register = async (signal: AbortSignal): Promise<Registered> => {
    const shapes = { sample_shape: [...sampleShape], target_shape: [...targetShape] };
    const info = { v: 1 as const, instance, description, ...shapes };
    const answer = await wire.request(subjects.register, { envoy }, info, { timeoutMs: REQUEST_MS, signal });
    const { accepted, period_ms, error } = answer;
    if (accepted) {
      log.info({ period_ms }, "registered");
      ready();
    } else if (error?.code === "FL_EXISTS" && !yielding) {
      log.warn({ code: error.code, reason: error.detail.reason }, "the name is taken; trying until it is free");
      waiting(fromWire(error));
    }
    yielding = !accepted;
    return answer;
  };

  /** the newest */
  let assignments: ReadonlyMap<string, Assignment> = new Map();
  const machine = envoyMachine.provide({
    actors: {
      register: fromPromise<Registered, EnvoyInput>(({ signal }) => register(signal)),
      heartbeats: fromCallback<EventObject, { periodMs: number }>(({ sendBack, input }) =>
        startHeartbeats({
          ...{ wire, envoy, instance, monitor, periodMs: input.periodMs },
          running: () => Object.values(held()).map(({ experiment, state }) => ({ experiment, state })),
          unknown: () => sendBack({ type: "director.unknown" } satisfies EnvoyEvent),
        }),
      ),
      assignments: fromCallback<EventObject, EnvoyInput>(({ sendBack }) => {
        const ends = new AbortController();
        const watch = async (): Promise<void> => {
          const table = await wire.table(buckets.assignments);
          await table.watch(
            { envoy },
            ({ value }) => {
              assignments = new Map(value?.experiments.map((e) => [e.name, e]));
              sendBack({ type: "assignments.changed", assigned: [...assignments.values()].map(assignedOf) });
            },
            ends.signal,
          );
        };
        watch().catch((e) => sendBack({ type: "watch.failed", error: asFlError(e).toJSON() } satisfies EnvoyEvent));
        return () => ends.abort();
      }),
      review: fromPromise<Verdict, Assigned>(({ input, signal }) =>
        reviewAssigned({ wire, envoy, consultation }, input, assignments.get(input.experiment)!, signal),
      ),
      collaborator: childMachine.provide({ actors: { run: nursery.run } }),
      reportFailure: fromPromise(({ input: { experiment, error }, signal }) =>
        reportFailure({ wire, envoy, experiment, error: fromWire(error) }, signal),
      ),
    },
  });
  const hosted = await host(machine, { id: "envoy", input: { name: envoy }, ports, stop, leave: { type: "leave" } });
  const held = (): Readonly<Record<string, Held>> => hosted.actor.getSnapshot().context.held;
  const output = await hosted.done;
  await nursery.settled();
  await monitor.dispose?.();
  await consultation.dispose();
  if (output.state === "failed") throw fromWire(output.error);
  return output;
});

function assignedOf({ name, attempt, phase, plan, archive }: Assignment): Assigned {
  return { experiment: name, attempt, phase, planDigest: digestOf(plan), archiveDigest: archive.digest };
}
