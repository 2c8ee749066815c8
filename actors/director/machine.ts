/**
 * The Director of a federation: takes submissions in, runs experiments in their turn, carries out what is asked of them.
 *
 * D1 What lasts is the experiments' records, each written before this machine hears of it (law L1). It acts on what they say
 *    now (law L3): a restarted Director reads them and goes on. Nothing else of it is kept.
 * D2 An experiment has one actor, from when it is taken in until it has ended or rests; one that goes on is another attempt and
 *    has another. Until it is in progress, its actor is dropped with what made it wait.
 * D3 An experiment that ended, however it ended, never blocks the next.
 * D4 Who starts when is worked out elsewhere (actors/director/choice.ts), from the line that is told here whenever it changes.
 */
import { enqueueActions, setup, stopChild } from "xstate";
import { asFlError, fromWire, type WireError } from "../../src/errors.ts";
import type { ExperimentState, Order } from "../../src/wire/messages.ts";
import { callbackPort, promisePort } from "../provided.ts";
import type { Candidate, Lineup } from "./choice.ts";
import { type ExperimentInput, type ExperimentReady, experimentMachine } from "./experiment.ts";

export type DirectorInput = { readonly name: string; readonly limit: number; readonly share: boolean };

/** What the machine needs to know of a record. */
export type Entry = Candidate & {
  readonly attempt: number;
  readonly state: ExperimentState;
  readonly order: Order | null;
  /** the Director's own reviewer has approved of it */
  readonly reviewed: boolean;
};
/** An experiment's actor: which attempt it is, how far, and with whom. */
type Acting = {
  readonly attempt: number;
  readonly phase: "reviewing" | "waiting" | "running";
  readonly collaborators: readonly string[];
};

type Context = DirectorInput & {
  /** those about which something is to be done */
  entries: Readonly<Record<string, Entry>>;
  acting: Readonly<Record<string, Acting>>;
  failure: WireError | null;
};

type ExperimentDone = { type: `xstate.done.actor.experiment.${string}`; actorId: string };

export type DirectorEvent =
  /** its record has changed; null: nothing is to be done about it any more */
  | { type: "experiment.changed"; experiment: string; entry: Entry | null }
  | { type: "experiment.cast"; experiment: string; collaborators: readonly string[] }
  | ExperimentReady
  /** what a part needs to go on is not to be had; it cannot work without */
  | { type: "watch.failed"; error: WireError }
  | { type: "leave" }
  | ExperimentDone;

export type DirectorOutput = { state: "left" } | { state: "failed"; error: WireError };

const childId = (experiment: string, attempt: number): string => `experiment.${experiment}.${attempt}`;
const nameIn = (actorId: string): string => actorId.split(".")[1] ?? "";

const without = <T>(all: Readonly<Record<string, T>>, name: string): Record<string, T> => {
  const { [name]: _, ...rest } = all;
  return rest;
};

/** Those in line, and those that run (D4). */
export function lineOf({ entries, acting, limit, share }: Context): Lineup {
  const waiting: Entry[] = [];
  const running: Lineup["running"][number][] = [];
  for (const entry of Object.values(entries)) {
    const { name, attempt } = entry;
    const actor = acting[name];
    if (actor?.attempt !== attempt) continue;
    if (actor.phase === "waiting") waiting.push(entry);
    const runs = actor.phase === "running" && inputOf(entry).from !== "end";
    // who has joined since is in the record
    if (runs) running.push({ name, collaborators: [...new Set([...actor.collaborators, ...entry.collaborators])] });
  }
  return { waiting, running, limit, share };
}

/** Where its actor takes it up. One whose envoys were asked is cast again, unless something else is to become of it. */
function inputOf({ name, attempt, state, collaborators, order, reviewed }: Entry): Omit<ExperimentInput, "director"> {
  const rest = { name, attempt, collaborators, order, reviewed };
  if (state === "in_progress") return { ...rest, from: "progress" };
  if (state === "in_review" && order !== null) return { ...rest, from: "review" };
  return { ...rest, from: state === "pending" || state === "in_review" ? "queue" : "end" };
}

export const directorMachine = setup({
  types: {} as { context: Context; input: DirectorInput; events: DirectorEvent; output: DirectorOutput },
  actors: {
    /** reads the records; those about which something is to be done */
    recover: promisePort<readonly Entry[], DirectorInput>("recover"),
    /** tells of each record that changes; sends experiment.changed */
    records: callbackPort<DirectorInput>("records"),
    /** consumes the submissions */
    submissions: callbackPort<DirectorInput>("submissions"),
    /** answers requests from owners and envoys */
    desk: callbackPort<DirectorInput>("desk"),
    /** fails what has not ended by its deadline */
    deadlines: callbackPort<DirectorInput>("deadlines"),
    /** is told the line; sends experiment.cast */
    casting: callbackPort<DirectorInput, { type: "line"; lineup: Lineup }>("casting"),
    experiment: experimentMachine,
  },
  actions: {
    take: enqueueActions(({ context, enqueue }, p: { experiment: string; entry: Entry | null }) => {
      const rest = without(context.entries, p.experiment);
      enqueue.assign({ entries: p.entry === null ? rest : { ...rest, [p.experiment]: p.entry } });
    }),
    takeAll: enqueueActions(({ enqueue }, p: { entries: readonly Entry[] }) => {
      enqueue.assign({ entries: Object.fromEntries(p.entries.map((e) => [e.name, e])) });
    }),
    /** Makes the actors what the records ask for (D1, D2). */
    settle: enqueueActions(({ context, enqueue, self }) => {
      let acting = context.acting;
      for (const [name, { attempt, phase }] of Object.entries(acting)) {
        const entry = context.entries[name];
        if (phase === "running") {
          if (entry?.attempt !== attempt || entry.order === null) continue; // it ends by itself
          enqueue.sendTo(childId(name, attempt), { type: "ordered", order: entry.order });
        } else if (entry === undefined || entry.attempt !== attempt || inputOf(entry).from !== "queue") {
          enqueue(stopChild(childId(name, attempt)));
          acting = without(acting, name);
        }
      }
      for (const entry of Object.values(context.entries)) {
        if (acting[entry.name] !== undefined) continue;
        const input = { ...inputOf(entry), director: self };
        enqueue.spawnChild("experiment", { id: childId(entry.name, entry.attempt), input });
        const { attempt, collaborators } = entry;
        const phase = input.from === "queue" ? "reviewing" : "running";
        acting = { ...acting, [entry.name]: { attempt, phase, collaborators } };
      }
      enqueue.assign({ acting });
    }),
    inLine: enqueueActions(({ context, enqueue }, p: { experiment: string; attempt: number }) => {
      const acting = context.acting[p.experiment];
      if (acting?.attempt !== p.attempt || acting.phase !== "reviewing") return;
      enqueue.assign({ acting: { ...context.acting, [p.experiment]: { ...acting, phase: "waiting" } } });
    }),
    start: enqueueActions(({ context, enqueue }, p: { experiment: string; collaborators: readonly string[] }) => {
      const acting = context.acting[p.experiment];
      if (acting?.phase !== "waiting") return; // told before
      const { collaborators } = p;
      enqueue.assign({ acting: { ...context.acting, [p.experiment]: { ...acting, phase: "running", collaborators } } });
      enqueue.sendTo(childId(p.experiment, acting.attempt), { type: "go", collaborators });
    }),
    retire: enqueueActions(({ context, enqueue }, p: { actorId: string }) => {
      enqueue(stopChild(p.actorId));
      enqueue.assign({ acting: without(context.acting, nameIn(p.actorId)) });
    }),
    tellLine: enqueueActions(({ context, enqueue }) => {
      enqueue.sendTo("casting", { type: "line", lineup: lineOf(context) });
    }),
    failWith: enqueueActions(({ enqueue }, p: { error: unknown }) => {
      enqueue.assign({ failure: asFlError(p.error).toJSON() });
    }),
  },
}).createMachine({
  id: "director",
  context: ({ input }) => ({ ...input, entries: {}, acting: {}, failure: null }),
  initial: "recovering",
  on: {
    leave: ".left",
    "watch.failed": {
      target: ".failed",
      actions: { type: "failWith", params: ({ event }) => ({ error: fromWire(event.error) }) },
    },
  },
  states: {
    recovering: {
      invoke: {
        id: "recover",
        src: "recover",
        input: ({ context }) => context,
        onDone: {
          target: "serving",
          actions: { type: "takeAll", params: ({ event }) => ({ entries: event.output }) },
        },
        onError: { target: "failed", actions: { type: "failWith", params: ({ event }) => ({ error: event.error }) } },
      },
    },
    serving: {
      entry: ["settle", "tellLine"],
      invoke: (["casting", "records", "deadlines", "submissions", "desk"] as const).map((src) => ({
        id: src,
        src,
        input: ({ context }) => context,
        onError: {
          target: "failed" as const,
          actions: { type: "failWith" as const, params: ({ event }) => ({ error: event.error }) },
        },
      })),
      on: {
        "experiment.changed": {
          actions: [
            { type: "take", params: ({ event }) => ({ experiment: event.experiment, entry: event.entry }) },
            "settle",
            "tellLine",
          ],
        },
        "experiment.ready": {
          actions: [
            { type: "inLine", params: ({ event }) => ({ experiment: event.experiment, attempt: event.attempt }) },
            "tellLine",
          ],
        },
        "experiment.cast": {
          actions: [
            {
              type: "start",
              params: ({ event }) => ({ experiment: event.experiment, collaborators: event.collaborators }),
            },
            "tellLine",
          ],
        },
        "xstate.done.actor.experiment.*": {
          actions: [{ type: "retire", params: ({ event }) => ({ actorId: event.actorId }) }, "settle", "tellLine"], // D3
        },
      },
    },
    left: { type: "final" },
    failed: { type: "final" },
  },
  output: ({ context }): DirectorOutput =>
    context.failure === null ? { state: "left" } : { state: "failed", error: context.failure },
});
