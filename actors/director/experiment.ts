/**
 * One experiment as its Director sees it, from when it is taken in until it has ended or rests.
 *
 *   reviewing → waiting → calling → consulting → starting → running ─┬→ ending → done
 *                                                                    └→ pausing → done
 *   entered in progress: starting; entered to be removed: removing → done
 *
 * E1 Every state's effect is idempotent and begins from the record, so a restarted Director takes the experiment up where the
 *    record stands: nothing else of this machine is kept.
 * E2 Whatever happens, `ending` writes the record: a failure keeps the cause it was born with.
 * E3 An order to end a running experiment asks its Aggregator to end it, which its collaborators see in the round record. What
 *    comes back then, be it a failure, ends as was ordered.
 * E4 An order to pause lets the Aggregator leave, and its round record open: that is the checkpoint. An experiment that had
 *    ended by then has ended.
 * E5 What gives something to envoys is not left before it is done, whatever is ordered: it could not be taken back in time.
 */
import { type ActorRef, assign, type Snapshot, sendTo, setup } from "xstate";
import { asFlError, type WireError } from "../../src/errors.ts";
import type { Failure, Order } from "../../src/wire/messages.ts";
import type { AggregatorOutput } from "../aggregator/machine.ts";
import { type ChildOutput, childMachine } from "../child/machine.ts";
import { promisePort } from "../provided.ts";
import type { Ending } from "./lifecycle.ts";

export type ExperimentInput = {
  readonly name: string;
  readonly attempt: number;
  /** where it is taken up: as it was submitted or queued again, with its envoys asked, in progress, or only to be removed */
  readonly from: "queue" | "review" | "progress" | "end";
  readonly collaborators: readonly string[];
  readonly order: Order | null;
  /** the Director's own reviewer has approved of it: it is in line at once */
  readonly reviewed: boolean;
  /** who is told that it is in line; none in tests of this machine alone */
  readonly director?: ActorRef<Snapshot<unknown>, ExperimentReady>;
};
/** What its reviewers have come to. */
export type Reviewed = { readonly approved: true } | { readonly approved: false; readonly failure: Failure };
type Place = Pick<ExperimentInput, "name" | "attempt" | "collaborators">;

type Context = ExperimentInput & { ending: Ending | null };

/** What it tells the Director's machine. */
export type ExperimentReady = { type: "experiment.ready"; experiment: string; attempt: number };

const failedAt = ({ name }: Context, role: Failure["role"], error: WireError): Ending => ({
  state: "failed",
  failure: { role, name, round: null, error },
});

/** How an order ends it; null if it does not. */
const orderedEnding = ({ order }: Pick<Context, "order">): Ending | null => {
  if (order === null || order.verb === "pause") return null;
  return order.verb === "fail" && order.failure !== null
    ? { state: "failed", failure: order.failure }
    : { state: "cancelled" };
};

function judged(context: Context, output: ChildOutput): Ending {
  const ordered = orderedEnding(context);
  if (ordered !== null) return ordered; // E3
  if (output.state === "failed") return failedAt(context, "aggregator", output.error);
  const told = (output.state === "ended" ? output.output : { state: "left" }) as AggregatorOutput;
  return told.state === "finished" || told.state === "failed" ? told : { state: "cancelled" };
}

/** What reviewers have come to is where it goes on. */
const asReviewed = <T extends string>(approved: T) =>
  [
    { guard: ({ event }: { event: { output: Reviewed } }) => event.output.approved, target: approved },
    {
      target: "#experiment.ending",
      actions: { type: "reject", params: ({ event }: { event: { output: Reviewed } }) => event.output },
    },
  ] as const;

/** What cannot be done fails the experiment. */
const toFailed = {
  target: "#experiment.ending",
  actions: { type: "failWith", params: ({ event }: { event: { error: unknown } }) => ({ error: event.error }) },
} as const;

export const experimentMachine = setup({
  types: {} as {
    context: Context;
    input: ExperimentInput;
    events: { type: "go"; collaborators: readonly string[] } | { type: "ordered"; order: Order };
  },
  actors: {
    /** asks the Director's reviewer, unless it has said */
    review: promisePort<Reviewed, Place>("review"),
    /** records whom it asks, and gives it to them to look at; false if it is not to go on any more */
    call: promisePort<boolean, Place>("call"),
    /** waits for what they say */
    consult: promisePort<Reviewed, Place>("consult"),
    /** records it as in progress and assigns it to its envoys; false if it is not to be started any more */
    start: promisePort<boolean, Place>("start"),
    aggregator: childMachine,
    /** asks the Aggregator to end the experiment, until it does */
    endRun: promisePort<void, Place & { order: Order | null }>("endRun"),
    /** waits until the Aggregator has left, takes the assignments back, records that it rests; or resolves to how it had ended */
    rest: promisePort<Ending | null, Place>("rest"),
    /** takes the assignments back and records the ending */
    end: promisePort<void, Place & { ending: Ending }>("end"),
    /** frees all that is kept of it */
    remove: promisePort<void, Place>("remove"),
  },
  actions: {
    order: assign({ order: (_, p: { order: Order }) => p.order }),
    judge: assign({ ending: ({ context }, p: { output: ChildOutput }) => judged(context, p.output) }),
    reject: assign({
      ending: (_, p: Reviewed): Ending | null => (p.approved ? null : { state: "rejected", failure: p.failure }),
    }),
    endAsOrdered: assign({ ending: ({ context }) => orderedEnding(context) }),
    endAs: assign({ ending: (_, p: { ending: Ending | null }) => p.ending }),
    failWith: assign({
      ending: ({ context }, p: { error: unknown }) => failedAt(context, "director", asFlError(p.error).toJSON()),
    }),
  },
  guards: {
    isOver: ({ context }) => context.from === "end",
    isInProgress: ({ context }) => context.from === "progress",
    isReviewed: ({ context }) => context.reviewed,
    isCalled: ({ context }) => context.from === "review",
    isToPause: ({ context }) => context.order?.verb === "pause",
    isToEnd: ({ context }) => orderedEnding(context) !== null,
    isToGo: ({ context }) => context.order?.verb === "remove",
  },
}).createMachine({
  id: "experiment",
  context: ({ input }) => ({ ...input, ending: null }),
  initial: "entering",
  on: { ordered: { actions: { type: "order", params: ({ event }) => ({ order: event.order }) } } },
  states: {
    entering: {
      always: [
        { guard: "isOver", target: "removing" },
        { guard: "isInProgress", target: "starting" },
        { guard: "isCalled", target: "consulting" },
        { guard: "isReviewed", target: "waiting" },
        { target: "reviewing" },
      ],
    },
    reviewing: {
      invoke: {
        id: "review",
        src: "review",
        input: ({ context }) => context,
        onDone: [...asReviewed("waiting")],
        onError: toFailed,
      },
    },
    waiting: {
      entry: sendTo(
        ({ context }) => context.director!,
        ({ context: { name, attempt } }) => ({ type: "experiment.ready" as const, experiment: name, attempt }),
      ),
      on: { go: { target: "calling", actions: assign({ collaborators: ({ event }) => event.collaborators }) } },
    },
    // E5
    calling: {
      invoke: {
        id: "call",
        src: "call",
        input: ({ context }) => context,
        onDone: [{ guard: ({ event }) => event.output, target: "consulting" }, { target: "done" }],
        onError: toFailed,
      },
    },
    consulting: {
      always: [
        { guard: "isToPause", target: "pausing" },
        { guard: "isToEnd", target: "ending", actions: "endAsOrdered" },
      ],
      invoke: {
        id: "consult",
        src: "consult",
        input: ({ context }) => context,
        onDone: [...asReviewed("starting")],
        onError: toFailed,
      },
    },
    // E5
    starting: {
      invoke: {
        id: "start",
        src: "start",
        input: ({ context }) => context,
        onDone: [
          { guard: ({ event }) => !event.output, target: "done" },
          { guard: "isToPause", target: "pausing" },
          { target: "running" },
        ],
        onError: toFailed,
      },
    },
    running: {
      always: { guard: "isToPause", target: "pausing" },
      invoke: {
        id: "aggregator",
        src: "aggregator",
        input: ({ context }) => ({ role: "aggregator", config: { name: context.name } }),
        onDone: { target: "ending", actions: { type: "judge", params: ({ event }) => ({ output: event.output }) } },
        onError: toFailed,
      },
      initial: "open",
      states: {
        open: { always: { guard: "isToEnd", target: "stopping" } },
        stopping: {
          // That it could not be asked is no reason to give up: the Aggregator's end is waited for in any case.
          invoke: { id: "endRun", src: "endRun", input: ({ context }) => context, onDone: {}, onError: {} },
        },
      },
    },
    pausing: {
      invoke: {
        id: "rest",
        src: "rest",
        input: ({ context }) => context,
        onDone: [
          {
            guard: ({ event }) => event.output !== null,
            target: "ending",
            actions: { type: "endAs", params: ({ event }) => ({ ending: event.output }) }, // E4
          },
          { guard: "isToEnd", target: "ending", actions: "endAsOrdered" },
          { target: "done" },
        ],
        onError: toFailed,
      },
    },
    ending: {
      invoke: {
        id: "end",
        src: "end",
        input: ({ context }) => ({ ...context, ending: context.ending! }),
        onDone: [{ guard: "isToGo", target: "removing" }, { target: "done" }],
        onError: "done", // the store's adapter retries for as long as there is a connection; the cause is in the log
      },
    },
    removing: {
      invoke: { id: "remove", src: "remove", input: ({ context }) => context, onDone: "done", onError: "done" },
    },
    done: { type: "final" },
  },
});
