/**
 * The Envoy of one shard: keeps its Director informed, reviews each experiment it is assigned, and keeps a Collaborator running
 * for each that it is to run.
 *
 *   link: registering ⇄ pausing | yielding → online      work: idle ⇄ following the assignments
 *
 * V1 The assignments' present value decides what is reviewed and which collaborators run (law L3): what is not in it, or is there
 *    with another plan or archive, or as another attempt, is stopped.
 * V2 Without a Director the envoy goes on trying, and what it runs goes on running.
 * V3 A refused shard ends the envoy: another try would be refused as well.
 * V4 While another process has its name it runs nothing and goes on trying, soon at first, as that one may be about to go,
 *    then at the Director's period. It runs nothing either before it was first accepted.
 * V5 Nothing runs here that was not approved here, whatever the assignment says. What is to run and was rejected is reported to
 *    its Aggregator as what cannot run.
 */
import { assign, enqueueActions, setup, stopChild } from "xstate";
import { asFlError, FlError, fromWire, type WireError } from "../../src/errors.ts";
import type { Heartbeat, Registered } from "../../src/wire/messages.ts";
import { type ChildOutput, childMachine } from "../child/machine.ts";
import { callbackPort, promisePort } from "../provided.ts";

export type EnvoyInput = { readonly name: string };
export type RunningState = Heartbeat["running"][number]["state"];

/** An experiment as it is assigned, with what tells it from another of its name, and from itself before. */
export type Assigned = {
  readonly experiment: string;
  readonly attempt: number;
  readonly phase: "review" | "run";
  readonly planDigest: string;
  readonly archiveDigest: string;
};
/** What this envoy has made of it. */
export type Verdict = { readonly approved: true } | { readonly approved: false; readonly error: WireError };
/** An experiment in hand. */
export type Held = Assigned & { readonly state: RunningState; readonly verdict: Verdict | null };

type Context = EnvoyInput & {
  periodMs: number;
  tries: number;
  /** whether the name is its own (V4) */
  accepted: boolean;
  held: Readonly<Record<string, Held>>;
  failure: WireError | null;
};

/** XState's own event when a spawned actor has ended. */
type ChildDone = { type: `xstate.done.actor.collaborator.${string}`; output: ChildOutput; actorId: string };
type ReviewDone = { type: `xstate.done.actor.review.${string}`; output: Verdict; actorId: string };
type ReviewFailed = { type: `xstate.error.actor.review.${string}`; error: unknown; actorId: string };

export type EnvoyEvent =
  | { type: "assignments.changed"; assigned: readonly Assigned[] }
  | { type: "director.unknown" }
  /** what a part needs to go on is not to be had; it cannot work without */
  | { type: "watch.failed"; error: WireError }
  | { type: "leave" }
  | ChildDone
  | ReviewDone
  | ReviewFailed;

export type EnvoyOutput = { state: "left" } | { state: "failed"; error: WireError };

const PAUSES_MS = [100, 250, 500, 1_000, 2_000];
const childId = (experiment: string): string => `collaborator.${experiment}`;
const reportId = (experiment: string): string => `reportFailure.${experiment}`;
const reviewId = (experiment: string): string => `review.${experiment}`;
const idsOf = (experiment: string): string[] => [reviewId, childId, reportId].map((id) => id(experiment));

const isSame = (a: Assigned, b: Assigned): boolean =>
  a.attempt === b.attempt && a.planDigest === b.planDigest && a.archiveDigest === b.archiveDigest;
/** What is reviewed and may run needs no second review; what was about to run, and is to be reviewed again, does. */
const goesOn = (held: Held | undefined, now: Assigned): held is Held =>
  held !== undefined && isSame(held, now) && !(held.phase === "run" && now.phase === "review");

const refused = (error: unknown): Verdict => ({ approved: false, error: asFlError(error).toJSON() });

type Spawned = {
  readonly src: "review" | "collaborator" | "reportFailure";
  readonly id: string;
  readonly input: unknown;
};

/** What an experiment has to have at work, by what is known of it (V5). */
function next(name: string, held: Held): { held: Held; spawn: Spawned | null } {
  const { experiment, phase, planDigest, archiveDigest, verdict } = held;
  if (verdict === null || phase === "review" || held.state !== "reviewing") return { held, spawn: null };
  if (!verdict.approved) {
    const input = { experiment, error: verdict.error };
    return { held: { ...held, state: "failed" }, spawn: { src: "reportFailure", id: reportId(experiment), input } };
  }
  const config = { name, experiment, planDigest, archiveDigest };
  const input = { role: "collaborator", config };
  return { held: { ...held, state: "running" }, spawn: { src: "collaborator", id: childId(experiment), input } };
}

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
    /** decides whether it may run here, and tells the Director until that is recorded */
    review: promisePort<Verdict, Assigned>("review"),
    collaborator: childMachine,
    /** tells an experiment's Aggregator that its collaborator cannot run here, for as long as it is assigned */
    reportFailure: promisePort<void, { experiment: string; error: WireError }>("reportFailure"),
  },
  actions: {
    follow: enqueueActions(({ context, enqueue }, { assigned }: { assigned: readonly Assigned[] }) => {
      const now = new Map(assigned.map((a) => [a.experiment, a]));
      const held: Record<string, Held> = {};
      for (const [experiment, before] of Object.entries(context.held)) {
        const after = now.get(experiment);
        if (after !== undefined && goesOn(before, after)) continue;
        for (const id of idsOf(experiment)) enqueue.stopChild(id);
      }
      for (const [experiment, after] of now) {
        const before = context.held[experiment];
        if (goesOn(before, after)) {
          const { held: there, spawn } = next(context.name, { ...before, phase: after.phase });
          held[experiment] = there;
          if (spawn !== null) enqueue.spawnChild(spawn.src, { id: spawn.id, input: spawn.input as never });
        } else {
          held[experiment] = { ...after, state: "reviewing", verdict: null };
          enqueue.spawnChild("review", { id: reviewId(experiment), input: after });
        }
      }
      enqueue.assign({ held });
    }),
    reviewed: enqueueActions(({ context, enqueue }, p: { actorId: string; verdict: Verdict }) => {
      const experiment = p.actorId.slice(reviewId("").length);
      enqueue(stopChild(p.actorId)); // a child that is done stays in the snapshot until then
      const before = context.held[experiment];
      if (before === undefined) return;
      const { held, spawn } = next(context.name, { ...before, verdict: p.verdict });
      enqueue.assign({ held: { ...context.held, [experiment]: held } });
      if (spawn !== null) enqueue.spawnChild(spawn.src, { id: spawn.id, input: spawn.input as never });
    }),
    childEnded: enqueueActions(({ context, enqueue }, p: { actorId: string; output: ChildOutput }) => {
      const experiment = p.actorId.slice(childId("").length);
      enqueue(stopChild(p.actorId));
      const before = context.held[experiment];
      if (p.output.state !== "failed" || before === undefined) return;
      enqueue.assign({ held: { ...context.held, [experiment]: { ...before, state: "failed" as const } } });
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
  context: ({ input }) => ({ ...input, periodMs: 10_000, tries: 0, accepted: false, held: {}, failure: null }),
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
                actions: { type: "follow", params: { assigned: [] } }, // V4
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
                  actions: { type: "follow", params: ({ event }) => ({ assigned: event.assigned }) }, // V1
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
            "xstate.done.actor.review.*": {
              actions: {
                type: "reviewed",
                params: ({ event }) => ({ actorId: event.actorId, verdict: event.output }),
              },
            },
            "xstate.error.actor.review.*": {
              actions: {
                type: "reviewed", // what could not be reviewed is not approved
                params: ({ event }) => ({ actorId: event.actorId, verdict: refused(event.error) }),
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
