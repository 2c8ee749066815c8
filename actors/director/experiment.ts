/**
 * One experiment as its Director sees it: wait for envoys, run its Aggregator, write down how it went.
 *
 *   choosing → reviewing → starting → running → ending → done
 *
 * E1 Every state's effect is idempotent, so a restarted Director takes the experiment up in the state it was saved in.
 * E2 Whatever happens, `ending` writes the record: a failure keeps the cause it was born with.
 * E3 Cancelling a running experiment asks its Aggregator to end it, which its collaborators see in the round record. What
 *    comes back then, be it a failure, ends as cancelled.
 * E4 Nothing is started that its reviewers have not approved; what they reject ends as rejected, with their reason.
 */
import { assign, sendTo, setup } from "xstate";
import { asFlError } from "../../src/errors.ts";
import type { Failure, Outcome } from "../../src/wire/messages.ts";
import type { AggregatorOutput } from "../aggregator/machine.ts";
import { type ChildOutput, childMachine } from "../child/machine.ts";
import { promisePort } from "../provided.ts";

export type ExperimentInput = { readonly name: string };
export type Ending =
  | { state: "finished"; outcome: Outcome }
  | { state: "failed"; failure: Failure }
  | { state: "rejected"; failure: Failure }
  | { state: "cancelled" };

type Context = ExperimentInput & { collaborators: readonly string[]; cancelled: boolean; ending: Ending | null };

const failed = (context: Context, role: Failure["role"], error: unknown): Ending => ({
  state: "failed",
  failure: { role, name: context.name, round: null, error: asFlError(error).toJSON() },
});

export const experimentMachine = setup({
  types: {} as {
    context: Context;
    input: ExperimentInput;
    events: { type: "cancel" } | { type: "clock.resumed" };
  },
  actors: {
    /** waits until enough envoys are online; resolves to those who take part */
    choose: promisePort<{ collaborators: string[] }, ExperimentInput>("choose"),
    /** asks the reviewers of the Director and of those who take part; resolves to why one of them rejected it, or null (E4) */
    review: promisePort<Failure | null, { name: string; collaborators: readonly string[] }>("review"),
    /** records it as in progress and assigns it to its envoys */
    start: promisePort<void, { name: string; collaborators: readonly string[] }>("start"),
    aggregator: childMachine,
    /** asks the Aggregator to end the experiment, until it does */
    cancelRun: promisePort<void, ExperimentInput>("cancelRun"),
    /** records the ending and takes the assignments back */
    end: promisePort<void, { name: string; collaborators: readonly string[]; ending: Ending }>("end"),
  },
  actions: {
    judge: assign({
      ending: ({ context }, { output }: { output: ChildOutput }): Ending => {
        if (context.cancelled) return { state: "cancelled" };
        if (output.state === "failed") {
          const failure = { role: "aggregator" as const, name: context.name, round: null, error: output.error };
          return { state: "failed", failure };
        }
        const told = (output.state === "ended" ? output.output : { state: "left" }) as AggregatorOutput;
        return told.state === "finished" || told.state === "failed" ? told : { state: "cancelled" };
      },
    }),
    cancel: assign({ ending: { state: "cancelled" } }),
    reject: assign({ ending: (_, p: { failure: Failure }) => ({ state: "rejected" as const, failure: p.failure }) }),
    failWith: assign({ ending: ({ context }, p: { error: unknown }) => failed(context, "director", p.error) }),
  },
}).createMachine({
  id: "experiment",
  context: ({ input }) => ({ ...input, collaborators: [], cancelled: false, ending: null }),
  initial: "choosing",
  on: { cancel: { target: ".ending", actions: "cancel" }, "clock.resumed": {} },
  states: {
    choosing: {
      invoke: {
        id: "choose",
        src: "choose",
        input: ({ context }) => context,
        onDone: { target: "reviewing", actions: assign({ collaborators: ({ event }) => event.output.collaborators }) },
        onError: { target: "ending", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    reviewing: {
      invoke: {
        id: "review",
        src: "review",
        input: ({ context }) => context,
        onDone: [
          { guard: ({ event }) => event.output === null, target: "starting" },
          { target: "ending", actions: { type: "reject", params: ({ event }) => ({ failure: event.output! }) } },
        ],
        onError: { target: "ending", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    starting: {
      invoke: {
        id: "start",
        src: "start",
        input: ({ context }) => context,
        onDone: "running",
        onError: { target: "ending", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    running: {
      invoke: {
        id: "aggregator",
        src: "aggregator",
        input: ({ context }) => ({ role: "aggregator", config: { name: context.name } }),
        onDone: { target: "ending", actions: { type: "judge", params: ({ event }) => ({ output: event.output }) } },
        onError: { target: "ending", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
      },
      on: {
        "clock.resumed": { actions: sendTo("aggregator", { type: "clock.resumed" }) },
        cancel: { target: ".cancelling", actions: assign({ cancelled: true }) }, // E3
      },
      initial: "open",
      states: {
        open: {},
        cancelling: {
          on: { cancel: {} },
          // That it could not be asked is no reason to give up: the Aggregator's end is waited for in any case.
          invoke: { id: "cancelRun", src: "cancelRun", input: ({ context }) => context, onDone: {}, onError: {} },
        },
      },
    },
    ending: {
      on: { cancel: {} },
      invoke: {
        id: "end",
        src: "end",
        input: ({ context }) => ({ ...context, ending: context.ending! }),
        onDone: "done",
        onError: "done", // the store's adapter retries for as long as there is a connection; the cause is in the log
      },
    },
    done: { type: "final" },
  },
});
