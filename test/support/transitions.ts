/**
 * Pure transition tests: a machine, its input, and events by hand; nothing runs.
 *
 * The events that XState raises itself have no exported creators; here are the three, in one place.
 */
import { type AnyStateMachine, type InputFrom, initialTransition, type SnapshotFrom, transition } from "xstate";

export type Sent = { readonly type: string; readonly [field: string]: unknown };

export const done = (id: string, output: unknown = undefined) => ({
  type: `xstate.done.actor.${id}`,
  output,
  actorId: id,
});
export const failed = (id: string, error: unknown) => ({ type: `xstate.error.actor.${id}`, error, actorId: id });
export const after = (delay: string, stateId: string) => ({ type: `xstate.after.${delay}.${stateId}` });

/** What a transition asks to be done: its type, and what is emitted, spawned, stopped or scheduled. */
export type Asked = { readonly type: string; readonly params: unknown };

export type Run<T extends AnyStateMachine> = {
  readonly snapshot: SnapshotFrom<T>;
  /** of the last event only */
  readonly actions: readonly Asked[];
};

const asked = (actions: readonly { type: string; params?: unknown }[]): Asked[] =>
  actions.map(({ type, params }) => ({ type, params }));

/** The machine after these events. */
export function run<T extends AnyStateMachine>(machine: T, input: InputFrom<T>, ...events: readonly Sent[]): Run<T> {
  const [snapshot, actions] = initialTransition(machine, input as never);
  return go(machine, { snapshot: snapshot as SnapshotFrom<T>, actions: asked(actions as never) }, ...events);
}

/** The same, from where another run ended. */
export function go<T extends AnyStateMachine>(machine: T, from: Run<T>, ...events: readonly Sent[]): Run<T> {
  let { snapshot, actions } = from;
  for (const event of events) {
    const [next, did] = transition(machine, snapshot, event as never);
    snapshot = next as SnapshotFrom<T>;
    actions = asked(did as never);
  }
  return { snapshot, actions };
}

/** The events that the actions of a run emit. */
export const emitted = (actions: readonly Asked[]): Record<string, unknown>[] =>
  actions.filter((a) => a.type === "xstate.emit").map((a) => (a.params as { event: Record<string, unknown> }).event);

/** What was invoked with which input, by id. */
export const invoked = (actions: readonly Asked[]): Record<string, unknown> =>
  Object.fromEntries(
    actions
      .filter((a) => a.type === "xstate.spawnChild")
      .map((a) => [(a.params as { id: string }).id, (a.params as { input: unknown }).input]),
  );

/** The ids of the children that live. */
export const children = (snapshot: { children: Record<string, unknown> }): string[] =>
  Object.entries(snapshot.children)
    .filter(([, child]) => child !== undefined)
    .map(([id]) => id)
    .sort();
