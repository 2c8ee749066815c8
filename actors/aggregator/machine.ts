/**
 * The Aggregator of one experiment: its rounds, from the checkpoint it finds to the outcome.
 *
 *   recovering → opening → collecting → closing ─┬→ opening (next round)
 *                                                └→ concluding → finished
 *   anywhere → failing → failed · cancelling → cancelled · left
 *
 * A1 What lasts is the round record, written once per round by `openRound` with compare-and-set; the machine itself is not
 *    persisted. A restarted Aggregator recovers from the record and owns the next epoch (laws L1, L2).
 * A2 A round is closed by the last update that can come, or by the deadline if the quorum is there, or by the quorum once the
 *    straggler policy has said that it is enough. `closeRound` says who contributed: an update that was being taken in at that
 *    moment counts if it was whole. Only who was asked counts, for the quorum as for the last update.
 * A3 Round 0 makes the initial model on one collaborator; the round after the last rates the final model and trains nothing.
 * A4 A collaborator that failed stays out of this round only. A silent one is shown as silent and waited for until the
 *    deadline: liveness is not progress.
 * A5 An aggregation actor that lost its round's updates ends this process, not the experiment: the next one is offered them
 *    again.
 * A6 A failure is announced once in its round, however often it is said.
 * A7 An aggregation actor that is waited for holds back neither the round nor its deadline. If the deadline passes without a
 *    quorum meanwhile, that actor is the cause.
 */
import { assign, emit, setup } from "xstate";
import { asFlError, fromWire, type WireError } from "../../src/errors.ts";
import type { Plateau } from "../../src/plan/rating.ts";
import type { Failure, ModelChange, ModelRef, Outcome, Scored } from "../../src/wire/messages.ts";
import type { Announcement } from "../ledger.ts";
import { callbackPort, promisePort } from "../provided.ts";
import * as tally from "./tally.ts";

export type AggregatorInput = {
  readonly experiment: string;
  readonly rounds: number;
  readonly collaborators: readonly string[];
  /** the final model gets a round of rating: the plan has tasks that rate the global model, and others that change it */
  readonly rates: boolean;
};

/** The checkpoint: what the round record holds and the next round starts from. */
export type Checkpoint = {
  readonly round: number;
  /** rounds of training that are in the model */
  readonly trained: number;
  readonly model: ModelRef | null;
  /** how the model came of the one before it, where models are compressed */
  readonly change?: ModelChange | undefined;
  readonly best: Scored | null;
  readonly metrics: Readonly<Record<string, number>>;
  readonly plateau: Plateau | null;
  /** rounds whose models are kept */
  readonly kept: readonly number[];
  readonly state: ModelRef | null;
};

type Context = AggregatorInput &
  tally.Tally & {
    checkpoint: Checkpoint;
    /** how long the deadline is away from when the round was opened, or null */
    deadlineMs: number | null;
    /** the straggler policy has waited enough for the open round */
    enough: boolean;
    /** the aggregation actor that is waited for, or null */
    awaited: string | null;
    /** how it ends if neither with an outcome nor with a failure */
    ended: "cancelled" | "left";
    outcome: Outcome | null;
    failure: Failure | null;
  };

export type Recovered = { checkpoint: Checkpoint; ended: Exclude<AggregatorOutput, { state: "left" }> | null };
export type Opened = {
  /** all of the experiment by now, and those who were asked in this round */
  collaborators: readonly string[];
  expected: readonly string[];
  quorum: number;
  deadlineMs: number | null;
};
export type Closed = {
  checkpoint: Checkpoint;
  contributors: readonly string[];
  /** who was asked and has neither contributed nor failed */
  late: readonly string[];
  seconds: number;
  stop: boolean;
};

export type AggregatorEvent =
  | { type: "update.accepted"; collaborator: string }
  | { type: "update.refused"; collaborator: string; error: WireError }
  | { type: "collaborator.failed"; collaborator: string; round: number; error: WireError }
  | { type: "collaborator.lost"; collaborator: string }
  | { type: "collaborator.returned"; collaborator: string }
  | { type: "aggregation.lost"; error: WireError }
  | { type: "policy.enough"; round: number }
  /** something that the plan relies on does not work */
  | { type: "part.failed"; error: WireError }
  /** the part that keeps the round waiting, as the plan names it; null: none does any more */
  | { type: "aggregation.awaited"; part: string | null }
  | { type: "cancel" }
  /** it was ordered to, for this reason */
  | { type: "fail"; failure: Failure }
  | { type: "leave" };

export type AggregatorOutput =
  | { state: "finished"; outcome: Outcome }
  | { state: "failed"; failure: Failure }
  | { state: "cancelled" }
  | { state: "left" };

const failureOf = (context: Context, error: unknown): Failure => ({
  role: "aggregator",
  name: context.experiment,
  round: context.checkpoint.round,
  error: asFlError(error).toJSON(),
});

/** What is told of a round that has closed. */
const told = ({ contributors, late, checkpoint: { metrics }, seconds }: Closed) => ({
  ...{ contributors, late, metrics, seconds },
});

/** a timer's longest delay; a round without a deadline has no better use for it */
const NEVER_MS = 2 ** 31 - 1;

// --- what several states say alike ------------------------------------------------------------------------------------

type Of<T extends AggregatorEvent["type"]> = { event: Extract<AggregatorEvent, { type: T }> };

/** A part that failed fails the experiment. */
const toFailing = {
  target: "#aggregator.failing",
  actions: { type: "failWith", params: ({ event }: { event: { error: unknown } }) => ({ error: event.error }) },
} as const;

/** So does one that says so itself. */
const toFailingWith = {
  target: "#aggregator.failing",
  actions: {
    type: "failWith",
    params: ({ event }: Of<"aggregation.lost" | "part.failed">) => ({ error: fromWire(event.error) }),
  },
} as const;

/** What happened to a collaborator, passed on as it happened. */
const passOn = {
  type: "announce",
  params: ({ event }: Of<"update.refused" | `collaborator.${"failed" | "lost" | "returned"}`>) => ({
    type: event.type,
    detail: { collaborator: event.collaborator, ...("error" in event && { error: event.error }) },
  }),
} as const;

/** The record says that the experiment has ended already. */
const endedAs = <S extends NonNullable<Recovered["ended"]>["state"]>(state: S) =>
  ({
    guard: ({ event }: { event: { output: Recovered } }) => event.output.ended?.state === state,
    target: `#aggregator.${state}`,
    actions: { type: "takeEnd", params: ({ event }: { event: { output: Recovered } }) => event.output },
  }) as const;

/** While a round is open; that is before `openRound` has its acknowledgement, too: a quick collaborator may be first. */
const whileOpen = {
  "update.accepted": { actions: { type: "accept", params: ({ event }: Of<"update.accepted">) => event } },
  "collaborator.failed": {
    guard: { type: "isNews", params: ({ event }: Of<"collaborator.failed">) => event },
    actions: [{ type: "keepFailure", params: ({ event }: Of<"collaborator.failed">) => event }, passOn],
  },
  "policy.enough": {
    guard: { type: "isOpen", params: ({ event }: Of<"policy.enough">) => event },
    actions: "waitNoLonger",
  },
} as const;

export const aggregatorMachine = setup({
  types: {} as {
    context: Context;
    input: AggregatorInput;
    events: AggregatorEvent;
    emitted: Announcement;
    output: AggregatorOutput;
  },
  actors: {
    /** answers offers, watches who lives; sends the collaborator, update and aggregation events */
    intake: callbackPort<AggregatorInput>("intake"),
    recover: promisePort<Recovered, AggregatorInput>("recover"),
    openRound: promisePort<Opened, { checkpoint: Checkpoint; skip: readonly string[] }>("openRound"),
    closeRound: promisePort<Closed, { checkpoint: Checkpoint; failed: readonly string[] }>("closeRound"),
    conclude: promisePort<Outcome, { checkpoint: Checkpoint }>("conclude"),
    abandon: promisePort<void, { checkpoint: Checkpoint; failure: Failure | null }>("abandon"),
  },
  actions: {
    accept: assign({
      accepted: ({ context }, p: { collaborator: string }) =>
        context.accepted.includes(p.collaborator) ? context.accepted : [...context.accepted, p.collaborator],
    }),
    keepFailure: assign({ failed: ({ context }, p: tally.Failed) => tally.withFailure(context, p) }),
    takeEnd: assign((_, { ended }: Recovered): Partial<Context> => {
      if (ended?.state === "finished") return { outcome: ended.outcome };
      return ended?.state === "failed" ? { failure: ended.failure } : { ended: "cancelled" };
    }),
    takeClosed: assign(({ context }, { checkpoint, stop }: Closed) => {
      // a reached target skips to the round that rates the final model (A3)
      const round = stop ? Math.max(checkpoint.round, context.rounds + 1) : checkpoint.round;
      return { checkpoint: { ...checkpoint, round }, expected: [], accepted: [], failed: [], enough: false };
    }),
    waitNoLonger: assign({ enough: true }),
    failWith: assign({ failure: ({ context }, p: { error: unknown }) => failureOf(context, p.error) }),
    failForQuorum: assign({ failure: ({ context }) => tally.quorumFailure(context) }),
    failAtDeadline: assign({ failure: ({ context }) => tally.deadlineFailure(context, context.awaited) }), // A7
    announce: emit(({ context }, p: Pick<Announcement, "type" | "detail">) => {
      return { ...p, round: context.checkpoint.round };
    }),
  },
  guards: {
    everyoneIsIn: ({ context }) => tally.everyoneIsIn(context),
    quorumIsIn: ({ context }) => tally.quorumIsIn(context),
    enoughAreIn: ({ context }) => context.enough && tally.quorumIsIn(context),
    isOpen: ({ context }, p: { round: number }) => p.round === context.checkpoint.round,
    quorumIsLost: ({ context }) => tally.quorumIsLost(context),
    initialIsLost: ({ context }) => tally.initialIsLost(context),
    isNews: ({ context }, p: tally.Failed & { round: number }) => tally.isNews(context, p), // A6
    hasDeadline: ({ context }) => context.deadlineMs !== null,
    isOver: ({ context }) => context.checkpoint.round > context.rounds + (context.rates ? 1 : 0),
  },
  delays: { deadline: ({ context }) => context.deadlineMs ?? NEVER_MS },
}).createMachine({
  id: "aggregator",
  context: ({ input }) => ({
    ...input,
    checkpoint: { round: 0, trained: 0, model: null, best: null, metrics: {}, plateau: null, kept: [], state: null },
    expected: [],
    accepted: [],
    failed: [],
    quorum: 0,
    deadlineMs: null,
    enough: false,
    awaited: null,
    ended: "left",
    outcome: null,
    failure: null,
  }),
  initial: "active",
  states: {
    active: {
      initial: "recovering",
      invoke: { id: "intake", src: "intake", input: ({ context }) => context, onError: toFailing },
      on: {
        cancel: { target: "cancelling", actions: assign({ ended: "cancelled" }) },
        fail: { target: "failing", actions: assign({ failure: ({ event }) => event.failure }) },
        leave: "left",
        "aggregation.lost": toFailingWith, // A5
        "part.failed": toFailingWith,
        "aggregation.awaited": { actions: assign({ awaited: ({ event }) => event.part }) },
        "collaborator.lost": { actions: passOn },
        "collaborator.returned": { actions: passOn },
        "update.refused": { actions: passOn },
        // what comes while no round is open came too late or will be offered again
        "update.accepted": {},
        "collaborator.failed": {},
        "policy.enough": {},
      },
      states: {
        recovering: {
          invoke: {
            id: "recover",
            src: "recover",
            input: ({ context }) => context,
            onDone: [
              endedAs("finished"),
              endedAs("failed"),
              endedAs("cancelled"),
              { target: "deciding", actions: assign({ checkpoint: ({ event }) => event.output.checkpoint }) },
            ],
            onError: toFailing,
          },
        },
        opening: {
          on: whileOpen,
          invoke: {
            id: "openRound",
            src: "openRound",
            input: ({ context: { checkpoint, failed } }) => ({ checkpoint, skip: failed.map((f) => f.collaborator) }),
            onDone: {
              target: "collecting",
              actions: assign(({ event }) => event.output),
            },
            onError: toFailing,
          },
        },
        collecting: {
          on: whileOpen,
          always: [
            { guard: "everyoneIsIn", target: "closing" },
            { guard: "enoughAreIn", target: "closing" },
            { guard: "initialIsLost", target: "opening" },
            { guard: "quorumIsLost", target: "#aggregator.failing", actions: "failForQuorum" },
          ],
          after: {
            deadline: [
              { guard: "quorumIsIn", target: "closing" },
              { guard: "hasDeadline", target: "#aggregator.failing", actions: "failAtDeadline" },
              { target: "collecting", reenter: true },
            ],
          },
        },
        closing: {
          invoke: {
            id: "closeRound",
            src: "closeRound",
            input: ({ context: { checkpoint, failed } }) => ({ checkpoint, failed: failed.map((f) => f.collaborator) }),
            onDone: {
              target: "deciding",
              actions: [
                { type: "announce", params: ({ event }) => ({ type: "round.closed", detail: told(event.output) }) },
                { type: "takeClosed", params: ({ event }) => event.output },
              ],
            },
            onError: toFailing,
          },
        },
        deciding: { always: [{ guard: "isOver", target: "concluding" }, { target: "opening" }] },
        concluding: {
          invoke: {
            id: "conclude",
            src: "conclude",
            input: ({ context }) => ({ checkpoint: context.checkpoint }),
            onDone: { target: "#aggregator.finished", actions: assign({ outcome: ({ event }) => event.output }) },
            onError: toFailing,
          },
        },
      },
    },
    failing: {
      invoke: {
        id: "abandon",
        src: "abandon",
        input: ({ context }) => ({ checkpoint: context.checkpoint, failure: context.failure }),
        onDone: "failed",
        // the failure itself is what counts; that it could not be recorded is in the log
        onError: "failed",
      },
      on: { leave: "left" },
    },
    cancelling: {
      invoke: {
        id: "abandon",
        src: "abandon",
        input: ({ context }) => ({ checkpoint: context.checkpoint, failure: null }),
        onDone: "cancelled",
        onError: "cancelled",
      },
      on: { leave: { target: "left", actions: assign({ ended: "left" }) } },
    },
    finished: { type: "final" },
    failed: { type: "final" },
    cancelled: { type: "final" },
    left: { type: "final" },
  },
  output: ({ context }): AggregatorOutput => {
    if (context.outcome !== null) return { state: "finished", outcome: context.outcome };
    if (context.failure !== null) return { state: "failed", failure: context.failure };
    return { state: context.ended };
  },
});
