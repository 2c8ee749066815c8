/**
 * A Collaborator of one experiment: it follows the round record and does what the current round asks of it.
 *
 *   preparing → following { waiting · working → offering → waiting · working → reporting → waiting } → ended
 *
 * C1 Only the record's present value counts: a newer round ends whatever an older one had under way (law L3), and so does
 *    a record of the same round that asks this collaborator for the first time, or no more (round 0 goes on to another).
 * C2 An update is kept until the round moves on. A new epoch of the same round is a restarted Aggregator, which asks for it
 *    again: it is offered again, not trained again.
 * C3 A task that fails ends this round here, not the process: the Aggregator is told and the next round is tried.
 * C4 What cannot be prepared (workspace, shard, engine) ends the process with its coded cause.
 */
import { assign, setup } from "xstate";
import { asFlError, fromWire, type WireError } from "../../src/errors.ts";
import { callbackPort, promisePort } from "../provided.ts";

export type CollaboratorInput = { readonly experiment: string; readonly name: string };

/** A round as the machine needs to know it. */
export type Place = { readonly epoch: number; readonly round: number };

type Context = CollaboratorInput & {
  place: Place;
  /** the record of `place` asks something of this collaborator */
  asked: boolean;
  /** the round's update is ready and kept */
  ready: boolean;
  taskError: WireError | null;
  failure: WireError | null;
  /** how it ends if not with a failure */
  ended: "ended" | "left";
};

export type CollaboratorEvent =
  | { type: "round.seen"; place: Place; asked: boolean; over: boolean }
  /** what a part needs to go on is not to be had; it cannot work without */
  | { type: "watch.failed"; error: WireError }
  | { type: "leave" };

export type CollaboratorOutput = { state: "ended" | "left" } | { state: "failed"; error: WireError };

type Seen = { readonly place: Place; readonly asked: boolean };

/** What is asked here and now is something else than before. */
const isNew = ({ place, asked }: Context, seen: Seen): boolean =>
  seen.place.round > place.round ||
  (seen.place.round === place.round && seen.place.epoch >= place.epoch && seen.asked !== asked);

export const collaboratorMachine = setup({
  types: {} as {
    context: Context;
    input: CollaboratorInput;
    events: CollaboratorEvent;
    output: CollaboratorOutput;
  },
  actors: {
    /** loads workspace, shard and engine */
    prepare: promisePort<void, CollaboratorInput>("prepare"),
    /** watches the round record; sends round.seen */
    rounds: callbackPort<CollaboratorInput>("rounds"),
    /** tells everyone that this process lives and how far it is */
    pulse: callbackPort<CollaboratorInput>("pulse"),
    /** fetches the model and runs the round's tasks */
    work: promisePort<void, Place>("work"),
    /** offers the update until it has its verdict */
    offer: promisePort<void, Place>("offer"),
    report: promisePort<void, Place & { error: WireError }>("report"),
  },
  actions: {
    see: assign({ place: (_, p: { place: Place }) => p.place }),
    begin: assign({
      place: (_, p: Seen) => p.place,
      asked: (_, p) => p.asked,
      ready: false,
      taskError: null,
    }),
    failWith: assign({ failure: (_, p: { error: unknown }) => asFlError(p.error).toJSON() }),
  },
  guards: {
    isNew: ({ context }, p: Seen) => isNew(context, p),
    isNewWork: ({ context }, p: Seen) => p.asked && isNew(context, p),
    isNewEpoch: ({ context }, p: { place: Place }) =>
      p.place.round === context.place.round && p.place.epoch > context.place.epoch,
    isKept: ({ context }, p: { place: Place }) =>
      context.ready && p.place.round === context.place.round && p.place.epoch > context.place.epoch,
    isFailed: ({ context }, p: { place: Place }) =>
      context.taskError !== null && p.place.round === context.place.round && p.place.epoch > context.place.epoch,
  },
}).createMachine({
  id: "collaborator",
  context: ({ input }) => ({
    ...input,
    place: { epoch: 0, round: -1 },
    asked: false,
    ready: false,
    taskError: null,
    failure: null,
    ended: "ended",
  }),
  initial: "preparing",
  on: {
    leave: { target: ".left", actions: assign({ ended: "left" }) },
    "watch.failed": {
      target: ".failed",
      actions: { type: "failWith", params: ({ event }) => ({ error: fromWire(event.error) }) },
    },
  },
  states: {
    preparing: {
      invoke: {
        id: "prepare",
        src: "prepare",
        input: ({ context }) => context,
        onDone: "following",
        onError: { target: "failed", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    following: {
      initial: "waiting",
      invoke: [
        {
          id: "rounds",
          src: "rounds",
          input: ({ context }) => context,
          onError: { target: "failed", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
        },
        {
          id: "pulse",
          src: "pulse",
          input: ({ context }) => context,
          onError: { target: "failed", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
        },
      ],
      on: {
        "round.seen": [
          { guard: ({ event }) => event.over, target: "ended" },
          {
            guard: { type: "isNewWork", params: ({ event }) => ({ place: event.place, asked: event.asked }) },
            target: ".working", // C1
            actions: { type: "begin", params: ({ event }) => ({ place: event.place, asked: event.asked }) },
          },
          {
            guard: { type: "isNew", params: ({ event }) => ({ place: event.place, asked: event.asked }) },
            target: ".waiting",
            actions: { type: "begin", params: ({ event }) => ({ place: event.place, asked: event.asked }) },
          },
          {
            guard: { type: "isKept", params: ({ event }) => ({ place: event.place }) },
            target: ".offering", // C2
            actions: { type: "see", params: ({ event }) => ({ place: event.place }) },
          },
          {
            guard: { type: "isFailed", params: ({ event }) => ({ place: event.place }) },
            target: ".reporting",
            actions: { type: "see", params: ({ event }) => ({ place: event.place }) },
          },
          {
            guard: { type: "isNewEpoch", params: ({ event }) => ({ place: event.place }) },
            actions: { type: "see", params: ({ event }) => ({ place: event.place }) },
          },
          {}, // what is known already, or older
        ],
      },
      states: {
        waiting: {},
        working: {
          invoke: {
            id: "work",
            src: "work",
            input: ({ context }) => context.place,
            onDone: { target: "offering", actions: assign({ ready: true }) },
            onError: {
              target: "reporting",
              actions: assign({ taskError: ({ event }) => asFlError(event.error, "FL_TASK_FAILED").toJSON() }), // C3
            },
          },
        },
        offering: {
          invoke: {
            id: "offer",
            src: "offer",
            input: ({ context }) => context.place,
            onDone: "waiting",
            onError: {
              target: "#collaborator.failed",
              actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) },
            },
          },
        },
        reporting: {
          invoke: {
            id: "report",
            src: "report",
            input: ({ context }) => ({ ...context.place, error: context.taskError! }),
            onDone: "waiting",
            onError: {
              target: "#collaborator.failed",
              actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) },
            },
          },
        },
      },
    },
    ended: { type: "final" },
    failed: { type: "final" },
    left: { type: "final" },
  },
  output: ({ context }): CollaboratorOutput =>
    context.failure === null ? { state: context.ended } : { state: "failed", error: context.failure },
});
