/**
 * One child process that has to be there until its work is done: started, and started again when it dies.
 *
 *   running ⇄ pausing → ended | failed | left
 *
 * P1 A child that tells its output has ended. One that tells a coded failure which a restart cannot mend has failed.
 * P2 Any other end is a crash: it is restarted after a growing pause, MOST times in a row; a child that lived for
 *    STEADY_MS begins a new row.
 */
import { assign, setup } from "xstate";
import { asFlError, codes, FlError, type WireError } from "../../src/errors.ts";
import { promisePort } from "../provided.ts";

export const MOST = 4;
const STEADY_MS = 60_000;
const PAUSES_MS = [20, 200, 500, 1_000];

/** Which entrypoint, and what is its own in the argument: server and federation are added where it is started. */
export type ChildInput = { readonly role: string; readonly config: Readonly<Record<string, unknown>> };
/** How a run of the child ended. */
export type ChildRun =
  | { how: "output"; output: unknown }
  | { how: "failed"; error: WireError }
  /** it was asked to by this process, and left in order */
  | { how: "left" }
  | { how: "crashed"; reason: string; tail: readonly string[]; livedMs: number };

type Context = ChildInput & { crashes: number; run: ChildRun | null; failure: WireError | null };

export type ChildOutput =
  | { state: "ended"; output: unknown }
  | { state: "failed"; error: WireError }
  | { state: "left" };

export const childMachine = setup({
  types: {} as {
    context: Context;
    input: ChildInput;
    events: { type: "leave" } | { type: "clock.resumed" };
    output: ChildOutput;
  },
  actors: { run: promisePort<ChildRun, ChildInput>("run") },
  actions: {
    keep: assign({ run: (_, p: { run: ChildRun }) => p.run }),
    crashed: assign({
      crashes: ({ context: { run, crashes } }) => (run?.how === "crashed" && run.livedMs < STEADY_MS ? crashes + 1 : 1),
    }),
    fail: assign({
      failure: ({ context: { run, role } }) => {
        if (run?.how === "failed") return run.error;
        const { reason, tail } = run?.how === "crashed" ? run : { reason: "", tail: [] };
        return new FlError("FL_PROCESS_CRASHED", { role, reason, tail: [...tail] }).toJSON();
      },
    }),
    failWith: assign({ failure: (_, p: { error: unknown }) => asFlError(p.error).toJSON() }),
  },
  guards: {
    hasOutput: ({ context }) => context.run?.how === "output",
    isFinal: ({ context }) => context.run?.how === "failed" && !mendable(context.run.error), // P1
    isTooOften: ({ context }) => context.crashes > MOST,
  },
  delays: { pause: ({ context }) => PAUSES_MS[Math.min(context.crashes, PAUSES_MS.length) - 1] ?? 0 },
}).createMachine({
  id: "child",
  context: ({ input }) => ({ ...input, crashes: 0, run: null, failure: null }),
  initial: "running",
  on: { leave: ".left", "clock.resumed": {} },
  states: {
    running: {
      invoke: {
        id: "run",
        src: "run",
        input: ({ context }) => ({ role: context.role, config: context.config }),
        onDone: { target: "judging", actions: { type: "keep", params: ({ event }) => ({ run: event.output }) } },
        onError: { target: "failed", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    judging: {
      always: [
        { guard: "hasOutput", target: "ended" },
        { guard: "isFinal", target: "failed", actions: "fail" },
        { target: "counting", actions: "crashed" },
      ],
    },
    counting: {
      always: [{ guard: "isTooOften", target: "failed", actions: "fail" }, { target: "pausing" }],
    },
    pausing: { after: { pause: "running" }, on: { "clock.resumed": "running" } },
    ended: { type: "final" },
    failed: { type: "final" },
    left: { type: "final" },
  },
  output: ({ context }): ChildOutput => {
    if (context.failure !== null) return { state: "failed", error: context.failure };
    if (context.run?.how === "output") return { state: "ended", output: context.run.output };
    return { state: "left" };
  },
});

/** Whether another process could do better: the cause lay outside, or a successor's write came in between. */
const mendable = ({ code }: WireError): boolean => code === "FL_FENCED" || codes[code].retryable;
