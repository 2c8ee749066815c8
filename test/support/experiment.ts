/**
 * A whole experiment in one process: the real machines and services of an Aggregator and its Collaborators over a memory
 * world, with a trainer so small that its model can be computed on paper.
 *
 * The trainer's `train` adds an amount that depends on (collaborator, round, element) only, so `expected` below says what
 * the federation must arrive at, bit for bit, without any of its code.
 */
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { type AggregatorOutput, aggregatorMachine } from "../../actors/aggregator/machine.ts";
import { AggregatorServices } from "../../actors/aggregator/services.ts";
import { resolveAssigner } from "../../actors/assigner/resolve.ts";
import { type CollaboratorOutput, collaboratorMachine } from "../../actors/collaborator/machine.ts";
import { CollaboratorServices } from "../../actors/collaborator/services.ts";
import { planned, started, submitted } from "../../actors/director/lifecycle.ts";
import { resolveStragglers } from "../../actors/straggler/resolve.ts";
import type { RunContext, Trainer } from "../../src/engine/engine.ts";
import { FlError } from "../../src/errors.ts";
import { host } from "../../src/host.ts";
import type { Aggregation } from "../../src/parts/aggregation.ts";
import type { AssignerPart } from "../../src/parts/assigner.ts";
import type { StragglerPart } from "../../src/parts/straggler.ts";
import { type Plan, parsePlan, ratesFinal } from "../../src/plan/plan.ts";
import type { Clock } from "../../src/ports.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { parseSafetensors } from "../../src/tensor/safetensors.ts";
import { decode } from "../../src/wire/codec.ts";
import type { Event, ExperimentRecord, Metric, RoundRecord, Uploaded } from "../../src/wire/messages.ts";
import * as messages from "../../src/wire/messages.ts";
import { buckets, shelves } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { FED, type TestPorts, type TestWorld, testWorld } from "./ports.ts";

export const EXP = "e";
export const weightOf = (name: string): number => name.charCodeAt(0) - 96; // a 1, b 2, c 3

const startOf = (i: number): number => Math.fround(0.25 * (i % 7) - 0.5);
const amount = (name: string, round: number, i: number): number =>
  Math.fround(((weightOf(name) * 31 + round * 17 + i * 13) % 64) / 64 - 0.4);

/** What FedAvg makes of it, in plain f64: the sums are exact at these magnitudes. */
export function expected(length: number, rounds: number, whoIn: (round: number) => readonly string[]): Float32Array {
  const model = Float32Array.from({ length }, (_, i) => startOf(i));
  for (let round = 1; round <= rounds; round++) {
    const names = whoIn(round);
    const total = names.reduce((sum, n) => sum + weightOf(n), 0);
    for (let i = 0; i < length; i++) {
      const sum = names.reduce((s, n) => s + weightOf(n) * Math.fround(model[i]! + amount(n, round, i)), 0);
      model[i] = sum / total;
    }
  }
  return model;
}

/** Called in each task, before it does anything; what it throws the task throws. */
export type Hook = (context: RunContext & { task: string }) => Promise<void> | void;

export type FakeTrainer = Trainer & { readonly ran: string[]; disposed: boolean };

export function fakeTrainer(length: number, hook: Hook = () => {}): FakeTrainer {
  const weights = Float32Array.from({ length }, (_, i) => startOf(i));
  let running = false;
  const idle = (): void => {
    if (running) throw new FlError("FL_STATE", { reason: "a task is running on this trainer" }); // E3
  };
  return {
    layout: layoutOf([{ name: "w", dtype: "f32", shape: [length] }]),
    tasks: ["train", "validate"],
    ran: [],
    disposed: false,
    read(out) {
      idle();
      out.set(weights);
    },
    write(values) {
      idle();
      weights.set(values);
    },
    async run(task, context) {
      idle();
      running = true;
      try {
        await hook({ ...context, task });
        const { collaborator, round, signal } = context;
        if (signal.aborted) throw new FlError("FL_CANCELLED");
        this.ran.push(`${collaborator} ${task} ${round}`);
        if (task === "validate") return { accuracy: round / 10, samples: 5 };
        for (const i of weights.keys()) weights[i]! += amount(collaborator, round, i);
        return { loss: 1 / round, samples: weightOf(collaborator) };
      } finally {
        running = false;
      }
    },
    save: async () => {},
    dispose() {
      this.disposed = true;
    },
    memory: () => ({ tensors: 0 }),
  };
}

export type Running<O> = {
  readonly done: Promise<O>;
  readonly ports: TestPorts;
  /** asks it to leave */
  leave(): void;
  /** kill -9: nothing more is said or heard */
  kill(): Promise<void>;
};

type Options = {
  names?: readonly string[];
  length?: number;
  plan?: Record<string, unknown>;
  lose?: (subject: string) => boolean;
  clock?: Clock;
  /** the world it runs in, and its name there; one of its own by default */
  world?: TestWorld;
  exp?: string;
  /** the initial model, as ann has uploaded it */
  model?: Uploaded;
};

/** Parts that a plan would name by path. */
type Parts = {
  readonly aggregation?: Aggregation;
  readonly assigner?: AssignerPart;
  readonly stragglers?: StragglerPart;
};

export function experiment(
  t: { teardown(end: () => Promise<void>): void },
  { names = ["a", "b", "c"], length = 8, plan: written = {}, lose = () => false, clock, ...options }: Options = {},
) {
  const { world = testWorld({ lose, clock }), exp = EXP, model: given } = options;
  const plan: Plan = parsePlan({ version: 1, rounds: 3, ...written });
  const archive = { digest: "0".repeat(64), bytes: 0 };
  const asWritten = plan as unknown as Record<string, unknown>;
  const submission = { v: 1 as const, name: exp, plan: asWritten, archive, ...(given && { model: given }) };
  /** the present attempt at it */
  let record = started(planned(submitted(submission, { owner: "ann", seq: 1, at: 0 })), names, 0);
  const connect = (name: string) => {
    const ports = world.ports(name);
    return { ports, wire: new Wire(ports, FED) };
  };

  /** The experiment's record as its Director writes it, for whoever reads it. */
  const recorded = async (more: Partial<ExperimentRecord> = {}): Promise<void> => {
    await (await reader.table(buckets.experiments)).put({ exp }, { ...record, ...more });
  };

  const aggregator = async ({ aggregation = fedavg.create(), ...own }: Parts = {}) => {
    const { ports, wire } = connect("aggregator");
    const services = await AggregatorServices.create({
      ...{ wire, record, plan, aggregation },
      assigner: own.assigner ? { ...own.assigner.create(), informed: true } : await resolveAssigner(plan.assigner),
      stragglers: own.stragglers?.create() ?? (await resolveStragglers(plan.stragglers)),
      remembers: own.assigner !== undefined || own.stragglers !== undefined,
    });
    const stop = new AbortController();
    const hosted = await host(aggregatorMachine.provide({ actors: services.actors }), {
      id: "aggregator",
      input: {
        ...{ experiment: exp, rounds: plan.rounds, collaborators: names, rates: ratesFinal(plan) },
      },
      ...{ ports, stop: stop.signal, leave: { type: "leave" } },
    });
    hosted.actor.on("*", (announcement) => services.ledger.announce(announcement));
    const running: Running<AggregatorOutput> = {
      done: hosted.done.then(async (output) => {
        await services.ledger.settle();
        await services.dispose();
        return output;
      }),
      ports,
      leave: () => stop.abort(),
      kill: async () => {
        running.done.catch(() => {});
        await ports.bus.close();
        hosted.actor.stop();
      },
    };
    t.teardown(running.kill); // no test leaves anybody at work
    return { ...running, actor: hosted.actor };
  };

  const collaborator = async (name: string, trainer: FakeTrainer = fakeTrainer(length)) => {
    const { ports, wire } = connect(name);
    const split = { size: 5, samples: new Float32Array(5), targets: new Float32Array(5) };
    const services = await CollaboratorServices.create({
      ...{ wire, experiment: exp, owner: "ann", name, attempt: record.attempt, plan },
      prepare: async () => ({ trainer, data: { train: split, validation: split } }),
    });
    const stop = new AbortController();
    const hosted = await host(collaboratorMachine.provide({ actors: services.actors }), {
      ...{ id: "collaborator", input: { experiment: exp, name }, ports },
      ...{ stop: stop.signal, leave: { type: "leave" } },
    });
    const running: Running<CollaboratorOutput> = {
      done: hosted.done.then(async (output) => {
        await services.dispose();
        return output;
      }),
      ports,
      leave: () => stop.abort(),
      kill: async () => {
        running.done.catch(() => {});
        await ports.bus.close();
        hosted.actor.stop();
      },
    };
    t.teardown(running.kill);
    return { ...running, trainer, actor: hosted.actor };
  };

  const { wire: reader } = connect("reader");
  const model = async (which: "last" | "best" | `round-${number}`): Promise<Float32Array> => {
    const bytes = await (await reader.shelf(shelves.models)).get(`${exp}.${which}`);
    if (bytes === undefined) throw new Error(`there is no ${which} model`);
    return parseSafetensors(bytes).values;
  };
  const round = async (): Promise<RoundRecord | undefined> =>
    (await (await reader.table(buckets.rounds)).get({ exp }))?.value;
  /** All that was recorded, in order. */
  const all = async <T>(
    which: "events" | "metrics",
    schema: typeof messages.event | typeof messages.metric,
  ): Promise<T[]> => {
    const journal = await reader.journal(which);
    const found: T[] = [];
    for (let seq = 1; ; seq++) {
      const stored = await journal.read(seq);
      if (stored === undefined) return found;
      found.push(decode<unknown>(schema, stored.data, stored.contentType, which) as T);
    }
  };
  return {
    ...{ world, reader, plan, names, length, recorded, aggregator, collaborator, model, round },
    /** Resolves when the round record satisfies the predicate. */
    until: async (holds: (record: RoundRecord) => boolean): Promise<void> => {
      const rows = await reader.table(buckets.rounds);
      const ends = new AbortController();
      await new Promise<void>((resolve, reject) => {
        const look = ({ value }: { value: RoundRecord | undefined }) =>
          value !== undefined && holds(value) && resolve();
        rows.watch({ exp }, look, ends.signal).catch(reject);
      });
      ends.abort();
    },
    /** Puts it into the queue once more: processes started from now on belong to the new attempt. */
    again: ({ fresh = false } = {}) => {
      record = { ...record, attempt: record.attempt + 1, fresh };
    },
    events: () => all<Event>("events", messages.event),
    metrics: () => all<Metric>("metrics", messages.metric),
  };
}

/** Something to wait for, and to let happen. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
