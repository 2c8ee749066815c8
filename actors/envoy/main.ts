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
import { runRole } from "../entrypoint.ts";
import { envoyConfig } from "./config.ts";
import { startHeartbeats } from "./heartbeats.ts";
import { type EnvoyEvent, type EnvoyInput, envoyMachine, type RunningState } from "./machine.ts";
import { reportFailure } from "./report.ts";
import { resolveShard } from "./shard.ts";

const REQUEST_MS = 5_000;

runRole(envoyConfig, "envoy", async ({ config, wire, ports, stop, ready, waiting }) => {
  const { name: envoy, shard, monitor: use, backend } = config;
  const { log } = ports;
  const { description, sampleShape, targetShape } = await resolveShard(shard);
  const monitor = await resolveMonitor(use, { wire, envoy });
  const instance = randomUUID();
  wire.serve(
    subjects.probe,
    { envoy, instance },
    () => ({ ok: true }),
    (error) => ({ ok: false, error: error.toJSON() }),
  ); // P1
  const nursery = new Nursery(config, backend === undefined ? { shard } : { shard, backend }, log);

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

  const machine = envoyMachine.provide({
    actors: {
      register: fromPromise<Registered, EnvoyInput>(({ signal }) => register(signal)),
      heartbeats: fromCallback<EventObject, { periodMs: number }>(({ sendBack, input }) =>
        startHeartbeats({
          ...{ wire, envoy, instance, monitor, periodMs: input.periodMs },
          running: () => Object.entries(states()).map(([experiment, state]) => ({ experiment, state })),
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
              const experiments = (value?.experiments ?? []).map((e) => e.name);
              sendBack({ type: "assignments.changed", experiments } satisfies EnvoyEvent);
            },
            ends.signal,
          );
        };
        watch().catch((e) => sendBack({ type: "watch.failed", error: asFlError(e).toJSON() } satisfies EnvoyEvent));
        return () => ends.abort();
      }),
      collaborator: childMachine.provide({ actors: { run: nursery.run } }),
      reportFailure: fromPromise(({ input: { experiment, error }, signal }) =>
        reportFailure({ wire, envoy, experiment, error: fromWire(error) }, signal),
      ),
    },
  });
  const hosted = await host(machine, { id: "envoy", input: { name: envoy }, ports, stop, leave: { type: "leave" } });
  const states = (): Readonly<Record<string, RunningState>> => hosted.actor.getSnapshot().context.running;
  const output = await hosted.done;
  await nursery.settled();
  await monitor.dispose?.();
  if (output.state === "failed") throw fromWire(output.error);
  return output;
});
