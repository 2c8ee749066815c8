/**
 * The Director of a federation: takes submissions in, runs them in order, answers questions about them.
 *
 * D1 What is queued or running is in the snapshot, stored before the submission is acknowledged (law L1).
 * D2 Experiments run in the order of their submission, `limit` at a time (in series by default).
 * D3 An experiment that ended, however it ended, never blocks the next.
 */
import { enqueueActions, setup, stopChild } from "xstate";
import { asFlError, fromWire, type WireError } from "../../src/errors.ts";
import { callbackPort, promisePort } from "../provided.ts";
import { experimentMachine } from "./experiment.ts";

export type DirectorInput = { readonly name: string; readonly limit: number };
type Context = DirectorInput & {
  queue: readonly string[];
  running: readonly string[];
  failure: WireError | null;
};

type ExperimentDone = { type: `xstate.done.actor.experiment.${string}`; actorId: string };

export type DirectorEvent =
  | { type: "experiment.submitted"; experiment: string }
  | { type: "experiment.cancel"; experiment: string }
  | { type: "clock.resumed"; now: number }
  /** what a part needs to go on is not to be had; it cannot work without */
  | { type: "watch.failed"; error: WireError }
  | { type: "leave" }
  | ExperimentDone;

export type DirectorOutput = { state: "left" } | { state: "failed"; error: WireError };

const childId = (experiment: string): string => `experiment.${experiment}`;

export const directorMachine = setup({
  types: {} as { context: Context; input: DirectorInput; events: DirectorEvent; output: DirectorOutput },
  actors: {
    /** consumes the submissions; sends experiment.submitted and acknowledges when the snapshot is stored */
    submissions: callbackPort<DirectorInput>("submissions"),
    /** answers requests from owners and envoys; sends experiment.cancel */
    desk: callbackPort<DirectorInput>("desk"),
    experiment: experimentMachine,
    /** records an experiment that was cancelled while it waited */
    withdraw: promisePort<void, { experiment: string }>("withdraw"),
  },
  actions: {
    admit: enqueueActions(({ context, enqueue }, p: { experiment: string }) => {
      if (context.queue.includes(p.experiment) || context.running.includes(p.experiment)) return;
      enqueue.assign({ queue: [...context.queue, p.experiment] });
    }),
    startNext: enqueueActions(({ context, enqueue }) => {
      const [next, ...queue] = context.queue;
      if (next === undefined) return;
      enqueue.assign({ queue, running: [...context.running, next] });
      enqueue.spawnChild("experiment", { id: childId(next), input: { name: next } });
    }),
    retire: enqueueActions(({ context, enqueue }, p: { actorId: string }) => {
      const experiment = p.actorId.slice(childId("").length);
      enqueue(stopChild(p.actorId));
      enqueue.assign({ running: context.running.filter((e) => e !== experiment) });
    }),
    cancel: enqueueActions(({ context, enqueue }, p: { experiment: string }) => {
      if (context.running.includes(p.experiment)) enqueue.sendTo(childId(p.experiment), { type: "cancel" });
      if (!context.queue.includes(p.experiment)) return;
      enqueue.assign({ queue: context.queue.filter((e) => e !== p.experiment) });
      enqueue.spawnChild("withdraw", { id: `withdraw.${p.experiment}`, input: { experiment: p.experiment } });
    }),
    resume: enqueueActions(({ context, enqueue }) => {
      for (const experiment of context.running) enqueue.sendTo(childId(experiment), { type: "clock.resumed" });
    }),
    failWith: enqueueActions(({ enqueue }, p: { error: unknown }) => {
      enqueue.assign({ failure: asFlError(p.error).toJSON() });
    }),
  },
  guards: {
    hasRoom: ({ context }) => context.queue.length > 0 && context.running.length < context.limit,
  },
}).createMachine({
  id: "director",
  context: ({ input }) => ({ ...input, queue: [], running: [], failure: null }),
  initial: "serving",
  states: {
    serving: {
      invoke: [
        {
          id: "submissions",
          src: "submissions",
          input: ({ context }) => context,
          onError: { target: "failed", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
        },
        {
          id: "desk",
          src: "desk",
          input: ({ context }) => context,
          onError: { target: "failed", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
        },
      ],
      always: { guard: "hasRoom", actions: "startNext" },
      on: {
        "experiment.submitted": {
          actions: { type: "admit", params: ({ event }) => ({ experiment: event.experiment }) },
        },
        "experiment.cancel": { actions: { type: "cancel", params: ({ event }) => ({ experiment: event.experiment }) } },
        "xstate.done.actor.experiment.*": {
          actions: { type: "retire", params: ({ event }) => ({ actorId: event.actorId }) }, // D3
        },
        "clock.resumed": { actions: "resume" },
        leave: "left",
        "watch.failed": {
          target: "failed",
          actions: { type: "failWith", params: ({ event }) => ({ error: fromWire(event.error) }) },
        },
      },
    },
    left: { type: "final" },
    failed: { type: "final" },
  },
  output: ({ context }): DirectorOutput =>
    context.failure === null ? { state: "left" } : { state: "failed", error: context.failure },
});
