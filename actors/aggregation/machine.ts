/**
 * An aggregation actor's part in one experiment: one round after the other, for as long as the Aggregator wants it.
 *
 *   idle → beginning → open → closing → closed → beginning (next round) …
 *   anywhere → beginning (another session) · left
 *
 * AM1 A session begins once: it is ignored when it is the present one already. One that failed may be begun again.
 * AM2 Nothing lasts beyond the process. Whoever asks for a session that is not the present one learns that it is lost, and
 *     the round is done again from the updates that collaborators keep; so the machine is not persisted.
 * AM3 Updates are not events: they are independent of each other, and what they change is in the rule's own memory
 *     (holding.ts). The machine says when that memory begins, closes and ends.
 */
import { assign, setup } from "xstate";
import { asFlError, type WireError } from "../../src/errors.ts";
import type { AggregationBegin } from "../../src/wire/messages.ts";
import { callbackPort, promisePort } from "../provided.ts";

type Input = { readonly experiment: string };
type Context = Input & {
  begin: AggregationBegin | null;
  /** of the rule's own state, once the round is closed */
  stateBytes: number | null;
  /** why the present session ended before its time */
  failure: WireError | null;
};

export type RoundEvent =
  | { type: "round.begin"; begin: AggregationBegin }
  | { type: "round.finish"; session: string }
  /** the Aggregator has no use for this session any more, or is gone */
  | { type: "session.abandoned"; session: string }
  | { type: "leave" };

export const aggregationMachine = setup({
  types: {} as { context: Context; input: Input; events: RoundEvent },
  actors: {
    /** fetches what the round starts from and begins it */
    begin: promisePort<void, AggregationBegin>("begin"),
    /** combines; the size of the state that is left */
    finish: promisePort<number | null, { session: string }>("finish"),
    /** asks the Aggregator now and then whether it is still there; sends session.abandoned */
    watch: callbackPort<Input>("watch"),
  },
  actions: {
    take: assign({ begin: (_, p: { begin: AggregationBegin }) => p.begin, stateBytes: null, failure: null }),
    failWith: assign({ failure: (_, p: { error: unknown }) => asFlError(p.error).toJSON() }),
  },
  guards: {
    isPresent: ({ context }, p: { session: string }) => context.begin?.session === p.session,
  },
}).createMachine({
  id: "aggregation",
  context: ({ input }) => ({ ...input, begin: null, stateBytes: null, failure: null }),
  initial: "active",
  states: {
    active: {
      invoke: { id: "watch", src: "watch", input: ({ context }) => context, onError: "left" },
      initial: "idle",
      on: {
        leave: "left",
        "session.abandoned": {
          guard: { type: "isPresent", params: ({ event }) => ({ session: event.session }) },
          target: "left",
        },
        "round.begin": [
          { guard: { type: "isPresent", params: ({ event }) => ({ session: event.begin.session }) } }, // AM1
          {
            target: ".beginning",
            actions: { type: "take", params: ({ event }) => ({ begin: event.begin }) },
          },
        ],
        "round.finish": {}, // closed already, or lost: whoever asks is told (AM2)
      },
      states: {
        idle: {
          on: {
            "round.begin": {
              target: "beginning",
              actions: { type: "take", params: ({ event }) => ({ begin: event.begin }) },
            },
          },
        },
        beginning: {
          invoke: {
            id: "begin",
            src: "begin",
            input: ({ context }) => context.begin!,
            onDone: "open",
            onError: { target: "idle", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
          },
        },
        open: {
          on: {
            "round.finish": {
              guard: { type: "isPresent", params: ({ event }) => ({ session: event.session }) },
              target: "closing",
            },
          },
        },
        closing: {
          invoke: {
            id: "finish",
            src: "finish",
            input: ({ context }) => ({ session: context.begin!.session }),
            onDone: { target: "closed", actions: assign({ stateBytes: ({ event }) => event.output }) },
            onError: { target: "idle", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
          },
        },
        closed: {},
      },
    },
    left: { type: "final" },
  },
});
