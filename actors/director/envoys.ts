/**
 * The envoys of a federation: who is registered (stored), who is online and what they report (in memory), and what each is
 * assigned (stored).
 *
 * N1 An envoy is online while its last sign of life is younger than MISSED periods.
 * N2 An assignment is written by compare-and-set and holds all experiments an envoy is to run; taking one back is the same
 *    write without it. Both may be repeated.
 * N3 The first shard's shapes are the federation's, unless the Director was given them, each by itself: a shard with others is
 *    refused.
 * N4 A name is one process's at a time. Whoever else registers under it is refused while that one answers; one that does not
 *    is replaced at once, however young its last sign of life: NATS knows who listens.
 */
import { asFlError, FlError } from "../../src/errors.ts";
import type {
  AssignmentRecord,
  EnvoyRecord,
  EnvoyStatus,
  ExperimentRecord,
  Heartbeat,
  HeartbeatReply,
  Registered,
  ShardInfo,
} from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import type { Rows, Wire } from "../../src/wire/wire.ts";

const MISSED = 2.5;
/** how long a process that is there may take to say so; well below an envoy's own patience */
const PROBE_MS = 2_000;

export type Shapes = { readonly sample_shape: readonly number[]; readonly target_shape: readonly number[] };
export type EnvoysOptions = {
  /** the Director's own name */
  readonly director: string;
  readonly periodMs: number;
  /** what it was told, if it was told anything */
  readonly shapes?: Partial<Shapes> | undefined;
};
type Seen = { at: number; heartbeat: Heartbeat | undefined };

export class Envoys {
  readonly #wire: Wire;
  readonly #records: Rows<"{envoy}", EnvoyRecord>;
  readonly #assignments: Rows<"{envoy}", AssignmentRecord>;
  readonly #director: string;
  readonly #periodMs: number;
  readonly #registered: Map<string, EnvoyRecord>;
  readonly #seen = new Map<string, Seen>();
  readonly #listeners = new Set<() => void>();
  #shapes: Partial<Shapes>;

  static async open(wire: Wire, options: EnvoysOptions): Promise<Envoys> {
    const [records, assignments] = await Promise.all([wire.table(buckets.envoys), wire.table(buckets.assignments)]);
    const known = (await records.all()).map((r) => r.value).sort((a, b) => a.registered_at - b.registered_at);
    return new Envoys(wire, records, assignments, known, options);
  }

  private constructor(
    wire: Wire,
    records: Rows<"{envoy}", EnvoyRecord>,
    assignments: Rows<"{envoy}", AssignmentRecord>,
    known: readonly EnvoyRecord[],
    { director, periodMs, shapes }: EnvoysOptions,
  ) {
    this.#wire = wire;
    this.#records = records;
    this.#assignments = assignments;
    this.#director = director;
    this.#periodMs = periodMs;
    this.#registered = new Map(known.map((r) => [r.name, r]));
    this.#shapes = { ...shapesOf(known[0]), ...shapes };
  }

  /** Called when somebody registers or shows a sign of life after having been away. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async register(name: string, info: ShardInfo): Promise<Registered> {
    const period_ms = this.#periodMs;
    for (;;) {
      const present = this.#registered.get(name);
      if (present?.instance === undefined || present.instance === info.instance) break;
      if (await this.#answers(name, present.instance)) {
        const reason = `another envoy called ${name} is online`;
        return { accepted: false, period_ms, error: new FlError("FL_EXISTS", { reason }).toJSON() }; // N4
      }
      if (this.#registered.get(name) === present) break; // else a third was quicker
    }
    // Until the name is taken nothing is waited for: of two that come at once the second finds the first.
    const { sample_shape, target_shape } = info;
    const want = { sample_shape, target_shape, ...this.#shapes };
    if (!same(want.sample_shape, sample_shape) || !same(want.target_shape, target_shape)) {
      const reason = `samples ${show(sample_shape)} and targets ${show(target_shape)} where the federation has ${show(want.sample_shape)} and ${show(want.target_shape)}`;
      return { accepted: false, period_ms, error: new FlError("FL_SHARD_REFUSED", { reason }).toJSON() }; // N3
    }
    this.#shapes = want;
    const before = this.#registered.get(name);
    const now = this.#wire.ports.clock.now();
    const record: EnvoyRecord = { ...info, name, registered_at: before?.registered_at ?? now };
    this.#registered.set(name, record);
    this.#seen.set(name, { at: now, heartbeat: this.#seen.get(name)?.heartbeat });
    if (JSON.stringify(before) !== JSON.stringify(record)) await this.#records.put({ envoy: name }, record);
    this.#changed();
    return { accepted: true, period_ms };
  }

  heartbeat(name: string, heartbeat: Heartbeat): HeartbeatReply {
    const record = this.#registered.get(name);
    const known = record !== undefined && record.instance === heartbeat.instance; // N4
    const was = this.online(name);
    if (known) this.#seen.set(name, { at: this.#wire.ports.clock.now(), heartbeat });
    if (known && !was) this.#changed();
    return { known, period_ms: this.#periodMs };
  }

  async #answers(envoy: string, instance: string): Promise<boolean> {
    try {
      const place = { envoy, instance, director: this.#director };
      return (await this.#wire.request(subjects.probe, place, {}, { timeoutMs: PROBE_MS })).ok;
    } catch (e) {
      const { code } = asFlError(e);
      if (code !== "FL_NO_RESPONDER" && code !== "FL_TIMEOUT") throw e;
      return false;
    }
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  online(name: string): boolean {
    const seen = this.#seen.get(name);
    return seen !== undefined && this.#wire.ports.clock.now() - seen.at < this.patienceMs; // N1
  }

  /** Whether an envoy has ever registered under this name. */
  known(name: string): boolean {
    return this.#registered.has(name);
  }

  names(): string[] {
    return [...this.#registered.keys()].sort();
  }

  /** How long an envoy that lives may take to show itself, in milliseconds (N1). */
  get patienceMs(): number {
    return MISSED * this.#periodMs;
  }

  /** Of the federation's data, as far as they are known (N3). */
  get shapes(): Partial<Shapes> {
    return this.#shapes;
  }

  list(): EnvoyStatus[] {
    return this.names().map((name) => {
      const { v: _, instance: __, ...record } = this.#registered.get(name)!;
      const seen = this.#seen.get(name);
      const { running = [], report = null } = seen?.heartbeat ?? {};
      const valid_ms = this.patienceMs;
      return { ...record, online: this.online(name), seen_at: seen?.at ?? null, valid_ms, running, report };
    });
  }

  /** Gives an experiment to an envoy: for review, or to run it (N2). */
  assign(envoy: string, record: ExperimentRecord, phase: "review" | "run"): Promise<void> {
    const { name, owner, attempt, submission, plan_digest } = record;
    const { archive, plan } = submission;
    const assigned = { name, owner, attempt, archive, plan, plan_digest, phase };
    return this.#assigned(envoy, (list) => [...list.filter((e) => e.name !== name), assigned]);
  }

  /** Whether an envoy has been given an experiment, and it has not been taken back. */
  async holds(envoy: string, experiment: string): Promise<boolean> {
    const row = await this.#assignments.get({ envoy });
    return row?.value.experiments.some((e) => e.name === experiment) ?? false;
  }

  /** Takes it back (N2). */
  release(envoy: string, experiment: string): Promise<void> {
    return this.#assigned(envoy, (list) => list.filter((e) => e.name !== experiment));
  }

  async #assigned(
    envoy: string,
    change: (list: AssignmentRecord["experiments"]) => AssignmentRecord["experiments"],
  ): Promise<void> {
    for (;;) {
      const row = await this.#assignments.get({ envoy });
      const before = row?.value.experiments ?? [];
      const experiments = change(before);
      if (JSON.stringify(experiments) === JSON.stringify(before)) return;
      const record: AssignmentRecord = { v: 1, experiments };
      try {
        if (row === undefined) await this.#assignments.create({ envoy }, record);
        else await this.#assignments.update({ envoy }, record, row.revision);
        return;
      } catch (e) {
        const raced = e instanceof FlError && (e.code === "FL_FENCED" || e.code === "FL_EXISTS");
        if (!raced) throw e; // two experiments of this Director may start at the same time
      }
    }
  }
}

const shapesOf = (shard: Shapes | undefined): Partial<Shapes> =>
  shard === undefined ? {} : { sample_shape: shard.sample_shape, target_shape: shard.target_shape };
const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);
const show = (shape: readonly number[]): string => `[${shape.join(", ")}]`;
