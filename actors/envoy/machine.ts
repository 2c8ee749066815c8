/**
 * The Envoy of one shard: keeps its Director informed, and one Collaborator running for each experiment it is assigned.
 *
 *   link: registering ⇄ pausing | yielding → online      work: idle ⇄ following the assignments
 *
 * V1 The assignments' present value decides which collaborators run (law L3): what is in it runs, what is not is stopped.
 * V2 Without a Director the envoy goes on trying, and what it runs goes on running.
 * V3 A refused shard ends the envoy: another try would be refused as well.
 * V4 While another process has its name it runs nothing and goes on trying, soon at first, as that one may be about to go,
 *    then at the Director's period. It runs nothing either before it was first accepted.
 */
import { assign, enqueueActions, setup, stopChild } from "xstate";
import { asFlError, FlError, fromWire, type WireError } from "../../src/errors.ts";
import type { Heartbeat, Registered } from "../../src/wire/messages.ts";
import { type ChildOutput, childMachine } from "../child/machine.ts";
import { callbackPort, promisePort } from "../provided.ts";

export type EnvoyInput = { readonly name: string };
export type RunningState = Heartbeat["running"][number]["state"];

type Context = EnvoyInput & {
  periodMs: number;
  tries: number;
  /** whether the name is its own (V4) */
  accepted: boolean;
  running: Readonly<Record<string, RunningState>>;
  failure: WireError | null;
};

/** XState's own event when a spawned actor has ended. */
type ChildDone = { type: `xstate.done.actor.collaborator.${string}`; output: ChildOutput; actorId: string };

export type EnvoyEvent =
  | { type: "assignments.changed"; experiments: readonly string[] }
  | { type: "director.unknown" }
  /** what a part needs to go on is not to be had; it cannot work without */
  | { type: "watch.failed"; error: WireError }
  | { type: "leave" }
  | ChildDone;

export type EnvoyOutput = { state: "left" } | { state: "failed"; error: WireError };

const PAUSES_MS = [100, 250, 500, 1_000, 2_000];
const childId = (experiment: string): string => `collaborator.${experiment}`;
const reportId = (experiment: string): string => `reportFailure.${experiment}`;

export const envoyMachine = setup({
  types: {} as {
    context: Context;
    input: EnvoyInput;
    events: EnvoyEvent;
    output: EnvoyOutput;
  },
  actors: {
    register: promisePort<Registered, EnvoyInput>("register"),
    /** reports at the Director's period; sends director.unknown */
    heartbeats: callbackPort<{ periodMs: number }>("heartbeats"),
    /** watches this envoy's assignments; sends assignments.changed */
    assignments: callbackPort<EnvoyInput>("assignments"),
    collaborator: childMachine,
    /** tells an experiment's Aggregator that its collaborator cannot run here, for as long as it is assigned */
    reportFailure: promisePort<void, { experiment: string; error: WireError }>("reportFailure"),
  },
  actions: {
    follow: enqueueActions(({ context, enqueue }, p: { experiments: readonly string[] }) => {
      for (const experiment of Object.keys(context.running)) {
        if (p.experiments.includes(experiment)) continue;
        enqueue.stopChild(childId(experiment));
        enqueue.stopChild(reportId(experiment));
      }
      for (const experiment of p.experiments) {
        if (context.running[experiment] !== undefined) continue;
        enqueue.spawnChild("collaborator", {
          id: childId(experiment),
          input: { role: "collaborator", config: { name: context.name, experiment } },
        });
      }
      enqueue.assign({
        running: Object.fromEntries(p.experiments.map((e) => [e, context.running[e] ?? ("running" as const)])),
      });
    }),
    childEnded: enqueueActions(({ context, enqueue }, p: { actorId: string; output: ChildOutput }) => {
      const experiment = p.actorId.slice(childId("").length);
      enqueue(stopChild(p.actorId)); // a child that is done stays in the snapshot until then
      if (p.output.state !== "failed" || context.running[experiment] === undefined) return;
      enqueue.assign({ running: { ...context.running, [experiment]: "failed" as const } });
      enqueue.spawnChild("reportFailure", {
        id: reportId(experiment),
        input: { experiment, error: p.output.error },
      });
    }),
    failWith: assign({ failure: (_, p: { error: unknown }) => asFlError(p.error).toJSON() }),
  },
  guards: {
    isAccepted: (_, p: Registered) => p.accepted,
    isTaken: (_, p: Registered) => p.error?.code === "FL_EXISTS",
    mayWork: ({ context }) => context.accepted,
    mayNotWork: ({ context }) => !context.accepted,
    isRetryable: (_, p: { error: unknown }) => asFlError(p.error).retryable,
  },
  delays: {
    pause: ({ context }) => PAUSES_MS[Math.min(context.tries, PAUSES_MS.length) - 1] ?? 0,
    patience: ({ context }) => Math.min(PAUSES_MS[context.tries - 1] ?? context.periodMs, context.periodMs),
  },
}).createMachine({
  id: "envoy",
  context: ({ input }) => ({ ...input, periodMs: 10_000, tries: 0, accepted: false, running: {}, failure: null }),
  initial: "active",
  states: {
    active: {
      type: "parallel",
      on: {
        leave: "left",
        "watch.failed": {
          target: "failed",
          actions: { type: "failWith", params: ({ event }) => ({ error: fromWire(event.error) }) },
        },
      },
      states: {
        link: {
          initial: "registering",
          states: {
            registering: {
              invoke: {
                id: "register",
                src: "register",
                input: ({ context }) => context,
                onDone: [
                  {
                    guard: { type: "isAccepted", params: ({ event }) => event.output },
                    target: "online",
                    actions: assign({ periodMs: ({ event }) => event.output.period_ms, tries: 0, accepted: true }),
                  },
                  {
                    guard: { type: "isTaken", params: ({ event }) => event.output },
                    target: "yielding", // V4
                    actions: assign({
                      periodMs: ({ event }) => event.output.period_ms,
                      tries: ({ context }) => context.tries + 1,
                      accepted: false,
                    }),
                  },
                  {
                    target: "#envoy.failed", // V3
                    actions: {
                      type: "failWith",
                      params: ({ event }) => ({
                        error: new FlError("FL_SHARD_REFUSED", {
                          reason: event.output.error?.detail.reason ?? event.output.error?.message,
                        }),
                      }),
                    },
                  },
                ],
                onError: [
                  {
                    guard: { type: "isRetryable", params: ({ event }) => ({ error: event.error }) },
                    target: "pausing", // V2
                    actions: assign({ tries: ({ context }) => context.tries + 1 }),
                  },
                  {
                    target: "#envoy.failed",
                    actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) },
                  },
                ],
              },
            },
            pausing: { after: { pause: "registering" } },
            yielding: { after: { patience: "registering" } },
            online: {
              invoke: {
                id: "heartbeats",
                src: "heartbeats",
                input: ({ context }) => ({ periodMs: context.periodMs }),
                onError: {
                  target: "#envoy.failed",
                  actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) },
                },
              },
              on: { "director.unknown": "registering" },
            },
          },
        },
        work: {
          initial: "idle",
          states: {
            idle: { always: { guard: "mayWork", target: "following" } },
            following: {
              always: {
                guard: "mayNotWork",
                target: "idle",
                actions: { type: "follow", params: { experiments: [] } }, // V4
              },
              invoke: {
                id: "assignments",
                src: "assignments",
                input: ({ context }) => context,
                onError: {
                  target: "#envoy.failed",
                  actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) },
                },
              },
              on: {
                "assignments.changed": {
                  actions: { type: "follow", params: ({ event }) => ({ experiments: event.experiments }) }, // V1
                },
              },
            },
          },
          on: {
            "xstate.done.actor.collaborator.*": {
              actions: {
                type: "childEnded",
                params: ({ event }) => ({ actorId: event.actorId, output: event.output }),
              },
            },
          },
        },
      },
    },
    left: { type: "final" },
    failed: { type: "final" },
  },
  output: ({ context }): EnvoyOutput =>
    context.failure === null ? { state: "left" } : { state: "failed", error: context.failure },
});
