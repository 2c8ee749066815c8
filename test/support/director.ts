/**
 * A Director in this process: its real machine and services over a memory world, with Aggregators that do what they are told.
 *
 * D1 `dieAt` is kill -9 in front of or behind its n-th write: nothing of that Director is written, said or heard any more.
 * D2 An Aggregator here opens its round record, ends when it is asked to or told to by the test, and goes with its Director.
 */
import { fromPromise } from "xstate";
import type { AggregatorOutput } from "../../actors/aggregator/machine.ts";
import type { ChildInput, ChildRun } from "../../actors/child/machine.ts";
import { type DirectorParts, DirectorServices } from "../../actors/director/services.ts";
import { insist } from "../../actors/insist.ts";
import { digestOf } from "../../actors/reviewer/request.ts";
import { host } from "../../src/host.ts";
import type { Clock, Journal, Ports, Store } from "../../src/ports.ts";
import { upload } from "../../src/transfer/upload.ts";
import { decode } from "../../src/wire/codec.ts";
import type { AssignmentRecord, Event, ExperimentRecord, RoundRecord } from "../../src/wire/messages.ts";
import * as messages from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { FED, testWorld } from "./ports.ts";

type Teardown = { teardown(end: () => Promise<void> | void): void };
type Config = {
  managers?: readonly string[];
  limit?: number;
  share?: boolean;
  periodMs?: number;
  approve?: (name: string) => Promise<boolean>;
};

export type Death = { readonly at: number; readonly how: "before" | "after" };

const WRITES = new Set(["put", "create", "update", "delete", "append", "purge", "removeJournal"]);

type Method = (...args: unknown[]) => unknown;

/** D1 */
class Mortal {
  writes = 0;
  dead = false;
  readonly #death: Death | undefined;
  readonly #died: () => void;
  readonly #lost: Promise<never>;
  #lose = (_: Error): void => {};

  constructor(death: Death | undefined, died: () => void) {
    this.#death = death;
    this.#died = died;
    this.#lost = new Promise((_, reject) => {
      this.#lose = reject;
    });
    this.#lost.catch(() => {});
  }

  die(): void {
    if (this.dead) return;
    this.dead = true;
    this.#lose(new Error("killed"));
    this.#died();
  }

  of<T extends object>(part: T): T {
    const get = (of: T, key: PropertyKey): unknown => {
      const own: unknown = Reflect.get(of, key);
      if (typeof own !== "function") return own;
      return (...args: unknown[]): unknown => this.#call(of, String(key), own as Method, args);
    };
    return new Proxy(part, { get });
  }

  #call(of: object, key: string, method: Method, args: unknown[]): unknown {
    if (this.dead) return new Promise(() => {}); // a killed process hears of nothing any more
    if (key === "work") {
      const [options, handler] = args as Parameters<Journal["work"]>;
      const mine: typeof handler = (message) => Promise.race([handler(message), this.#lost]); // another gets it then
      return this.#alive(method.call(of, options, mine));
    }
    if (!WRITES.has(key)) return this.#alive(method.apply(of, args));
    const here = ++this.writes === this.#death?.at ? this.#death.how : undefined;
    if (here === "before") {
      this.die();
      return new Promise(() => {});
    }
    const written = method.apply(of, args);
    if (here === "after") this.die();
    return this.#alive(written);
  }

  /** What comes of it is heard only by who still lives. */
  #alive(value: unknown): unknown {
    if (!(value instanceof Promise)) return value;
    return new Promise((resolve, reject) => {
      value.then(
        (v) => !this.dead && resolve(isPart(v) ? this.of(v) : v),
        (e) => !this.dead && reject(e),
      );
    });
  }
}

const isPart = (value: unknown): value is object =>
  typeof value === "object" && value !== null && ("entries" in value || "append" in value || "list" in value);

export function directing(t: Teardown, { clock }: { clock?: Clock } = {}) {
  const world = testWorld(clock === undefined ? {} : { clock });
  const wire = world.wire("test");
  /** the Aggregators that run now */
  const aggregators = new Map<string, (output: AggregatorOutput) => void>();

  const start = async (config: Config = {}, death?: Death) => {
    const ports = world.ports("director");
    const stop = new AbortController();
    let gone = (): void => {};
    const mortal = new Mortal(death, () => gone());
    const store: Store = mortal.of(ports.store);
    const own: Ports = { ...ports, store };
    const mine = new Wire(own, FED);
    const running = new Map<string, Promise<unknown>>();

    const run = fromPromise<ChildRun, ChildInput>(({ input, signal }) => {
      const name = String(input.config.name);
      const ran = aggregator(name, signal, () => mortal.dead);
      running.set(name, ran);
      return ran;
    });
    const aggregator = async (exp: string, signal: AbortSignal, dead: () => boolean): Promise<ChildRun> => {
      const rows = await wire.table(buckets.rounds);
      const { attempt, collaborators } = (await experiment(exp))!;
      const found = await rows.get({ exp });
      if (dead()) return { how: "left" };
      const round = opened(exp, attempt, collaborators, found?.value);
      const ran = new Promise<ChildRun>((resolve) => {
        const end = (ran: ChildRun): void => {
          aggregators.delete(exp);
          unserve();
          resolve(ran);
        };
        const over = (output: AggregatorOutput): void => {
          const { state } = output;
          if (state === "left") {
            end({ how: "left" });
            return;
          }
          const failure = state === "failed" ? output.failure : null;
          const outcome = state === "finished" ? output.outcome : null;
          void rows.put({ exp }, { ...round, state, failure, outcome }).then(() => end({ how: "output", output }));
        };
        const unserve = wire.serve(
          subjects.end,
          { exp },
          (_, { failure }) => {
            over(failure === null ? { state: "cancelled" } : { state: "failed", failure });
            return { ok: true };
          },
          (error) => ({ ok: false, error: error.toJSON() }),
        );
        aggregators.set(exp, over);
        ends.add(() => end({ how: "left" }));
        if (signal.aborted) end({ how: "left" });
        else signal.addEventListener("abort", () => end({ how: "left" }), { once: true });
      });
      await rows.put({ exp }, round);
      return ran;
    };
    const ends = new Set<() => void>();

    const died = new Promise<void>((resolve) => {
      gone = () => {
        void ports.bus.close();
        for (const end of ends) end(); // children die with their parent
        resolve();
      };
    });
    let ready = (): void => {};
    const serving = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const hosting = (async () => {
      const services = await DirectorServices.open({
        managers: config.managers ?? [],
        ...{ wire: mine, name: "director", periodMs: config.periodMs ?? 10_000, run, ready: () => ready() },
        gone: async ({ config: { name } }) => void (await running.get(String(name))),
        ...{ consultation: consultation(config.approve), reviewMs: null, began: () => {} },
      });
      const hosted = await host(services.machine, {
        ...{ id: "director", ports: own, stop: stop.signal, leave: { type: "leave" } },
        input: { name: "director", limit: config.limit ?? 1, share: config.share ?? false },
        persistence: { rows: await mine.table(buckets.snapshots), role: "director", name: "director" },
      });
      hosted.done.catch(() => {});
      void died.then(() => hosted.actor.stop());
      return hosted;
    })();
    t.teardown(() => mortal.die());
    await Promise.race([hosting.then(() => serving), died]); // it may die before it serves
    return {
      died,
      done: async () => (await hosting).done,
      kill: () => mortal.die(),
      leave: () => stop.abort(),
      get writes() {
        return mortal.writes;
      },
    };
  };

  const watched = new Set<string>();
  const ends = new AbortController();
  t.teardown(() => ends.abort());
  const approving = async (envoy: string, approved: boolean): Promise<void> => {
    watched.add(envoy);
    const rows = await wire.table(buckets.assignments);
    const approve = async ({ name: exp, plan, archive }: AssignmentRecord["experiments"][number]): Promise<void> => {
      const review = {
        ...{ role: "envoy" as const, name: envoy, by: "auto", at: 0, approved, reason: null },
        ...{ plan_digest: digestOf(plan), archive_digest: archive.digest },
      };
      const ask = () => wire.request(subjects.reviewed, { envoy, exp }, review, { timeoutMs: 10_000 });
      await insist(ends.signal, ask).catch(() => {});
    };
    const look = ({ value }: { value: AssignmentRecord | undefined }): void => {
      for (const assigned of value?.experiments ?? []) if (assigned.phase === "review") void approve(assigned);
    };
    await rows.watch({ envoy }, look, ends.signal);
  };

  const experiment = async (exp: string): Promise<ExperimentRecord | undefined> =>
    (await (await wire.table(buckets.experiments)).get({ exp }))?.value;
  const round = async (exp: string): Promise<RoundRecord | undefined> =>
    (await (await wire.table(buckets.rounds)).get({ exp }))?.value;

  return {
    ...{ world, wire, start, aggregators, experiment, round },
    /** Resolves when the record satisfies the predicate; undefined is one that is gone. */
    async until(exp: string, holds: (record: ExperimentRecord | undefined) => boolean) {
      const rows = await wire.table(buckets.experiments);
      const ends = new AbortController();
      const found = await new Promise<ExperimentRecord | undefined>((resolve, reject) => {
        const look = ({ value }: { value: ExperimentRecord | undefined }): void => {
          if (holds(value)) resolve(value);
        };
        rows
          .watch({ exp }, look, ends.signal)
          .then(() => rows.get({ exp }).then((r) => look({ value: r?.value })), reject);
      });
      ends.abort();
      return found;
    },
    /** Resolves when the Aggregator of this attempt runs. */
    async running(exp: string, attempt = 1): Promise<RoundRecord> {
      const rows = await wire.table(buckets.rounds);
      const ends = new AbortController();
      const found = await new Promise<RoundRecord>((resolve, reject) => {
        const look = ({ value }: { value: RoundRecord | undefined }): void => {
          if (value?.attempt === attempt && value.state === "open") resolve(value);
        };
        rows.watch({ exp }, look, ends.signal).catch(reject);
      });
      ends.abort();
      return found;
    },
    async submit(name: string, plan: Record<string, unknown> = {}, owner = "ann", more: { priority?: number } = {}) {
      const archive = await upload(wire, owner, new TextEncoder().encode(`workspace of ${name}`));
      const submission = { v: 1 as const, name, plan: { version: 1, rounds: 3, ...plan }, archive, ...more };
      await wire.append(subjects.submit, await wire.journal("submissions"), { owner }, submission, `${owner}.${name}`);
    },
    /** An envoy that registers, as its process would, and approves of what it is to look at, or rejects it. */
    async envoy(envoy: string, approves = true): Promise<void> {
      const info = { v: 1 as const, description: "", sample_shape: [2], target_shape: [1] };
      await wire.request(subjects.register, { envoy }, info, { timeoutMs: 10_000 });
      if (!watched.has(envoy)) await approving(envoy, approves);
    },
    async assigned(envoy: string): Promise<string[]> {
      const row = await (await wire.table(buckets.assignments)).get({ envoy });
      return (row?.value as AssignmentRecord | undefined)?.experiments.map((e) => `${e.name} ${e.attempt}`) ?? [];
    },
    /** Resolves when these are the envoy's assignments: name, attempt and phase of each, in order of names. */
    async untilAssigned(envoy: string, wanted: readonly string[]): Promise<void> {
      const rows = await wire.table(buckets.assignments);
      const ends = new AbortController();
      await new Promise<void>((resolve, reject) => {
        const look = ({ value }: { value: AssignmentRecord | undefined }): void => {
          const all = (value?.experiments ?? []).map((e) => `${e.name} ${e.attempt} ${e.phase}`).sort();
          if (JSON.stringify(all) === JSON.stringify(wanted)) resolve();
        };
        rows.watch({ envoy }, look, ends.signal).catch(reject);
      });
      ends.abort();
    },
    /** What the Director has told, in order. */
    async told(exp: string, owner = "ann"): Promise<Event[]> {
      const journal = await wire.journal("events");
      const events: Event[] = [];
      for (let seq = 1; seq < 1_000; seq++) {
        const stored = await journal.read(seq);
        if (stored?.subject !== wire.subject(subjects.event, { owner, exp, origin: "director" })) continue;
        events.push(decode(messages.event, stored.data, stored.contentType, "event"));
      }
      return events;
    },
  };
}

const opened = (
  experiment: string,
  attempt: number,
  collaborators: readonly string[],
  before: RoundRecord | undefined,
): RoundRecord => ({
  ...{ v: 1, experiment, attempt, epoch: (before?.epoch ?? 0) + 1, round: before?.round ?? 1, trained: 0 },
  ...{ state: "open", assigned: Object.fromEntries(collaborators.map((c) => [c, ["train"]])), deadline_at: null },
  ...{ model: null, specs: null, best: null, metrics: {}, state_ref: null, failure: null, outcome: null },
  ...{ quorum: 1, opened_at: 0, plateau: null, kept: [] },
});

/** A reviewer at the Director that says what it is told to. */
const consultation = (approve?: (name: string) => Promise<boolean>): DirectorParts["consultation"] => ({
  immediate: approve === undefined,
  review: async ({ experiment, role, name, planDigest, archiveDigest }) => ({
    ...{ role, name, by: "carol", at: 0, plan_digest: planDigest, archive_digest: archiveDigest, reason: null },
    approved: (await approve?.(experiment)) ?? true,
  }),
});
