/**
 * The one place that makes a running actor from a machine.
 *
 * Owns loading and saving of its snapshot, fencing, logging of what it does, and stopping it. Knows no role.
 * H1 A persisted actor has one owner: starting claims the record; whoever finds another owner in it stops (law L2).
 * H2 A snapshot is written when its durable part changed, one write at a time, always the newest (not once per event).
 * H3 `flush` resolves when all that happened before the call is stored: acknowledge to the outside only after it. It
 *    rejects if that could not be stored.
 * H4 A restored actor is sent `clock.resumed`, as XState does not re-arm `after` on restore; machines keep deadlines as
 *    points in time and re-arm on it.
 * H5 Stopping is an event: the `leave` event goes first, and `stop()` follows when the machine has ended or 5 s have passed.
 * H6 An event that no state handles is a dead letter: counted and logged (law L7).
 */
import { randomUUID } from "node:crypto";
import {
  type Actor,
  type AnyActorLogic,
  createActor,
  type EventFromLogic,
  type InputFrom,
  type InspectionEvent,
  type OutputFrom,
  type SnapshotFrom,
} from "xstate";
import { asFlError, FlError } from "./errors.ts";
import type { Log, Ports } from "./ports.ts";
import type { SnapshotRecord } from "./wire/messages.ts";
import type { buckets } from "./wire/table.ts";
import type { Rows } from "./wire/wire.ts";

const LEAVE_MS = 5_000;

export type Persistence<T extends AnyActorLogic> = {
  readonly rows: Rows<typeof buckets.snapshots.key, SnapshotRecord>;
  readonly role: string;
  readonly name: string;
  /**
   * The part of the context that must last, as JSON; a write happens when it changes (H2). Without it only the ownership is
   * kept: what must last is elsewhere.
   */
  readonly durable?: (snapshot: SnapshotFrom<T>) => unknown;
};

export type HostOptions<T extends AnyActorLogic> = {
  readonly id: string;
  readonly input: InputFrom<T>;
  readonly ports: Pick<Ports, "log" | "counters" | "clock">;
  /** aborted: the process is asked to go */
  readonly stop: AbortSignal;
  readonly leave: EventFromLogic<T>;
  readonly persistence?: Persistence<T>;
};

export type Hosted<T extends AnyActorLogic> = {
  readonly actor: Actor<T>;
  /** true if a stored snapshot was taken up */
  readonly restored: boolean;
  /** The machine's output. @throws what the machine failed with, FL_FENCED (H1), FL_CLOSED when stopped before its end */
  readonly done: Promise<OutputFrom<T>>;
  flush(): Promise<void>;
};

export async function host<T extends AnyActorLogic>(logic: T, options: HostOptions<T>): Promise<Hosted<T>> {
  const { id, ports, stop } = options;
  const log = ports.log.child({ actor: id });
  const saver = options.persistence && (await Saver.claim(logic, options.persistence, log));
  const actor = createActor(logic, {
    id,
    input: options.input,
    inspect: inspector(log, ports),
    logger: (...args: unknown[]) => log.debug({ args }, "machine says"),
    // Restoring revives references in place: the record is parsed afresh, so it is ours to give.
    ...(saver?.restored === undefined ? {} : { snapshot: saver.restored as never }),
  } as never) as Actor<T>;

  const scope = new AbortController();
  const done = new Promise<OutputFrom<T>>((resolve, reject) => {
    const fail = (e: unknown): void => {
      reject(asFlError(e));
      actor.stop();
      scope.abort();
    };
    actor.subscribe({
      next: (snapshot) => saver?.changed(actor, snapshot as SnapshotFrom<T>, fail),
      error: fail,
      complete: () => {
        const snapshot = actor.getSnapshot() as { status: string; output?: unknown };
        scope.abort();
        if (snapshot.status === "done") resolve(snapshot.output as OutputFrom<T>);
        else reject(new FlError("FL_CLOSED", { actor: id }));
      },
    });
    saver?.watch(scope.signal, () => fail(new FlError("FL_FENCED", { actor: id })));
  });
  done.catch(() => {}); // whoever awaits `done` sees it; nobody has to

  actor.start();
  if (saver?.restored !== undefined) {
    actor.send({ type: "clock.resumed", now: ports.clock.now() } as EventFromLogic<T>);
  }
  const leaveNow = (): void => {
    if ((actor.getSnapshot() as { status: string }).status !== "active") return;
    actor.send(options.leave);
    const cancel = ports.clock.after(LEAVE_MS, () => actor.stop());
    done.then(cancel, cancel);
  };
  if (stop.aborted) leaveNow();
  else stop.addEventListener("abort", leaveNow, { once: true, signal: scope.signal });
  return {
    actor,
    restored: saver?.restored !== undefined,
    done,
    flush: () => saver?.flush() ?? Promise.resolve(),
  };
}

/** Writes one actor's snapshots (H1–H3). */
class Saver<T extends AnyActorLogic> {
  readonly restored: unknown;
  readonly #owner: string;
  readonly #machine: string;
  readonly #persistence: Persistence<T>;
  #revision: number;
  #stored = "";
  #wanted = "";
  #snapshot: unknown;
  #writing: Promise<void> | undefined;
  /** why nothing is stored any more */
  #failed: FlError | undefined;
  readonly #log: Log;

  private constructor(
    p: Persistence<T>,
    machine: string,
    owner: string,
    restored: unknown,
    revision: number,
    log: Log,
  ) {
    this.#persistence = p;
    this.#machine = machine;
    this.#owner = owner;
    this.restored = restored;
    this.#revision = revision;
    this.#log = log;
  }

  static async claim<T extends AnyActorLogic>(logic: T, p: Persistence<T>, log: Log): Promise<Saver<T>> {
    const machine = (logic as { id?: string }).id ?? p.role;
    const owner = randomUUID();
    const key = { role: p.role, name: p.name };
    const row = await p.rows.get(key);
    if (row !== undefined && row.value.machine !== machine) {
      throw new FlError("FL_SNAPSHOT_VERSION", { stored: row.value.machine, machine });
    }
    const stored = p.durable === undefined ? undefined : row?.value.snapshot;
    const claimed: SnapshotRecord = { v: 1, machine, owner, snapshot: stored ?? null };
    const revision = await (row === undefined
      ? p.rows.create(key, claimed)
      : p.rows.update(key, claimed, row.revision)
    ).catch((e) => {
      throw asFlError(e).code === "FL_EXISTS" ? new FlError("FL_FENCED", key, { cause: e }) : e; // another was quicker
    });
    const restored = claimed.snapshot === null ? undefined : claimed.snapshot;
    log.debug({ restored: restored !== undefined, revision }, "snapshot claimed");
    return new Saver(p, machine, owner, restored, revision, log);
  }

  changed(actor: Actor<T>, snapshot: SnapshotFrom<T>, fail: (e: unknown) => void): void {
    if (this.#persistence.durable === undefined) return;
    const durable = JSON.stringify(this.#persistence.durable(snapshot));
    if (durable === this.#wanted || this.#failed !== undefined) return;
    if ((snapshot as { status: string }).status !== "active") return; // an actor that left goes on from its last active snapshot when it returns
    this.#wanted = durable;
    // Taken now, as JSON: what is written later must be what was true when the change happened.
    this.#snapshot = JSON.parse(JSON.stringify(actor.getPersistedSnapshot()));
    this.#writing ??= this.#write().catch((e) => {
      this.#failed = asFlError(e);
      this.#writing = undefined;
      this.#log.error({ err: e }, "snapshot not stored");
      fail(e);
    });
  }

  async #write(): Promise<void> {
    const { rows, role, name } = this.#persistence;
    while (this.#stored !== this.#wanted) {
      const wanted = this.#wanted;
      const record: SnapshotRecord = { v: 1, machine: this.#machine, owner: this.#owner, snapshot: this.#snapshot };
      this.#revision = await rows.update({ role, name }, record, this.#revision);
      this.#stored = wanted;
    }
    this.#writing = undefined;
  }

  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#failed !== undefined) throw this.#failed;
  }

  watch(signal: AbortSignal, fenced: () => void): void {
    const { rows, role, name } = this.#persistence;
    rows
      .watch(
        { role, name },
        // only what was written after us: a replica may still show who owned it before
        ({ value, revision }) =>
          value !== undefined && value.owner !== this.#owner && revision > this.#revision && fenced(),
        signal,
      )
      .catch((e) => this.#log.warn({ err: e }, "snapshot watch ended"));
  }
}

/** XState's inspection as log lines, and dead letters as counts (H6). */
function inspector(log: Log, ports: Pick<Ports, "counters">): (e: InspectionEvent) => void {
  return (e) => {
    if (e.type === "@xstate.microstep") {
      const transitions = (e as unknown as { _transitions: unknown[] })._transitions;
      if (transitions.length === 0 && !e.event.type.startsWith("xstate.")) {
        ports.counters.drop(log, "deadletter", { event: e.event.type });
      }
    } else if (e.type === "@xstate.event") {
      log.trace({ event: e.event.type }, "event");
    } else if (e.type === "@xstate.snapshot" && "value" in e.snapshot) {
      log.trace({ state: e.snapshot.value, event: e.event.type }, "state");
    }
  };
}
