/**
 * What the Director's machines invoke: records, envoys, the bus, and the processes of its Aggregators, behind the names they
 * declare.
 *
 * V1 What is to be done about an experiment is told to the machine from its record, whoever changed it, and only when it is
 *    stored (law L1).
 * V2 Assignments are taken back before the record says that an experiment has ended or rests: whoever reads that finds its
 *    envoys free.
 */
import { type EventObject, fromCallback, fromPromise, type PromiseActorLogic } from "xstate";
import { asFlError, FlError } from "../../src/errors.ts";
import type { Journal } from "../../src/ports.ts";
import type { ExperimentRecord, Failure, Order, RoundRecord } from "../../src/wire/messages.ts";
import { buckets, consumers, shelves, subjects } from "../../src/wire/table.ts";
import type { Rows, Wire } from "../../src/wire/wire.ts";
import { type ChildInput, type ChildRun, childMachine } from "../child/machine.ts";
import { insist } from "../insist.ts";
import type { Consultation } from "../reviewer/consult.ts";
import { Casting } from "./casting.ts";
import { type Hold, waitingOf } from "./choice.ts";
import { watchDeadlines } from "./deadlines.ts";
import { openDesk } from "./desk.ts";
import { Envoys, type Shapes } from "./envoys.ts";
import { experimentMachine, type Reviewed } from "./experiment.ts";
import { Joining } from "./joining.ts";
import { called, type Ending, ended, failed, hasEnded, isLive, isUnderWay, rested, started } from "./lifecycle.ts";
import { type DirectorEvent, type DirectorInput, directorMachine, type Entry } from "./machine.ts";
import { step } from "./orders.ts";
import { Records } from "./records.ts";
import { remove } from "./removal.ts";
import { Reviews } from "./reviews.ts";
import { Rights } from "./rights.ts";
import { admit } from "./submissions.ts";
import { wantedOf } from "./wanted.ts";

/** of one ask to an Aggregator that may be restarting */
const END_MS = 5_000;

export type DirectorParts = {
  readonly wire: Wire;
  readonly name: string;
  readonly periodMs: number;
  readonly shapes?: Partial<Shapes> | undefined;
  /** who may see and order everybody's experiments */
  readonly managers: readonly string[];
  /** called when it answers */
  readonly ready: () => void;
  /** runs a child process, and waits until there is none of it any more */
  readonly run: PromiseActorLogic<ChildRun, ChildInput>;
  readonly gone: (child: ChildInput) => Promise<void>;
  readonly consultation: Pick<Consultation, "review" | "immediate">;
  /** how long an envoy's review may take; null: as long as it takes */
  readonly reviewMs: number | null;
  /** told of each experiment that runs, also of one that is taken up again */
  readonly began: (experiment: string) => void;
};

type Place = { name: string; attempt: number; collaborators: readonly string[] };

export class DirectorServices {
  readonly records: Records;
  readonly envoys: Envoys;
  readonly #parts: DirectorParts;
  readonly #wire: Wire;
  readonly #submissions: Journal;
  readonly #rounds: Rows<"{exp}", RoundRecord>;
  readonly #reviews: Reviews;
  readonly #joining: Joining;
  #casting: Casting | undefined;
  /** what goes on when its actor has ended */
  readonly #work = new Set<Promise<void>>();

  /** Everything a federation's streams and buckets need is there before the first question is answered. */
  static async open(parts: DirectorParts): Promise<DirectorServices> {
    const { wire, name, periodMs, shapes } = parts;
    const [records, envoys, submissions, rounds] = await Promise.all([
      Records.open(wire),
      Envoys.open(wire, { director: name, periodMs, shapes }),
      wire.journal("submissions"),
      wire.table(buckets.rounds),
      wire.table(buckets.snapshots),
      wire.journal("metrics"),
      wire.journal("events"),
      wire.journal("uploads"),
      wire.shelf(shelves.models),
    ]);
    return new DirectorServices(parts, records, envoys, submissions, rounds);
  }

  private constructor(
    parts: DirectorParts,
    records: Records,
    envoys: Envoys,
    submissions: Journal,
    rounds: Rows<"{exp}", RoundRecord>,
  ) {
    this.#parts = parts;
    this.#wire = parts.wire;
    this.records = records;
    this.envoys = envoys;
    this.#submissions = submissions;
    this.#rounds = rounds;
    const { wire, consultation, name: director, reviewMs: limitMs } = parts;
    this.#reviews = new Reviews({ wire, records, consultation, director, limitMs });
    const isFree = (envoy: string): boolean => this.#casting?.isFree(envoy) ?? false;
    this.#joining = new Joining({ records, envoys, log: wire.ports.log, isFree });
  }

  /** The machine, with all that it and its experiments invoke. */
  get machine(): typeof directorMachine {
    const experiment = experimentMachine.provide({
      actors: {
        review: fromPromise<Reviewed, Place>(({ input, signal }) => this.#review(input, signal)),
        call: fromPromise<boolean, Place>(({ input }) => this.#call(input)),
        consult: fromPromise<Reviewed, Place>(({ input: { name, collaborators }, signal }) =>
          this.#reviews.ofEnvoys(name, collaborators, signal),
        ),
        start: fromPromise<boolean, Place>(({ input }) => this.#start(input)),
        aggregator: childMachine.provide({ actors: { run: this.#parts.run } }),
        endRun: fromPromise<void, Place & { order: Order | null }>(({ input, signal }) => this.#endRun(input, signal)),
        rest: fromPromise<Ending | null, Place>(({ input }) => this.#rest(input)),
        end: fromPromise<void, Place & { ending: Ending }>(({ input }) => this.#end(input)),
        remove: fromPromise<void, Place>(({ input }) => remove(this.#wire, this.records, input.name)),
      },
    });
    return directorMachine.provide({
      actors: {
        recover: fromPromise<readonly Entry[], DirectorInput>(() => this.#recover()),
        records: fromCallback<EventObject, DirectorInput>(({ sendBack }) =>
          this.records.onChange((name, record) => {
            const entry = record !== undefined && isLive(record) ? this.#entryOf(record) : null;
            sendBack({ type: "experiment.changed", experiment: name, entry } satisfies DirectorEvent); // V1
          }),
        ),
        submissions: fromCallback<EventObject, DirectorInput>(({ sendBack }) => this.#consume(sendBack)),
        desk: fromCallback<EventObject, DirectorInput>(() => {
          const { records, envoys } = this;
          const rights = new Rights(records, this.#parts.managers);
          const holdOf = (name: string): Hold | null => this.#casting?.holdOf(name) ?? null;
          const ends = [openDesk({ wire: this.#wire, records, rights, envoys, holdOf }), this.#reviews.serve()];
          // whoever hears that it is ready may ask at once; a connection that is gone ends it otherwise
          this.#wire.ports.bus.flush().then(this.#parts.ready, () => {});
          return () => {
            for (const end of ends) end();
          };
        }),
        deadlines: fromCallback<EventObject, DirectorInput>(() =>
          watchDeadlines(this.#wire, this.records, (name) => void this.#expire(name)),
        ),
        casting: fromCallback(({ sendBack, receive }) => {
          const casting = new Casting({
            envoys: this.envoys,
            clock: this.#wire.ports.clock,
            starts: (experiment, collaborators) =>
              sendBack({ type: "experiment.cast", experiment, collaborators } satisfies DirectorEvent),
            waits: (name, hold) => void this.#waits(name, hold),
            joining: (name) => this.#joining.takenBy(name),
          });
          this.#casting = casting;
          const end = this.envoys.onChange(() => this.#joining.look()); // after the line: whoever waits goes first
          receive(({ lineup }) => {
            casting.line(lineup);
            this.#joining.look();
          });
          return () => {
            casting.stop();
            end();
            this.#joining.stop();
          };
        }),
        experiment,
      },
    });
  }

  /** Resolves when nothing that the machine began is under way any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#work);
  }

  async #recover(): Promise<readonly Entry[]> {
    const live = (await this.records.list()).filter(isLive);
    if (live.length > 0) this.#wire.ports.log.info({ experiments: live.map((r) => r.name) }, "taken up again");
    return live.map((record) => this.#entryOf(record));
  }

  #entryOf(record: ExperimentRecord): Entry {
    const { name, seq, attempt, priority, resumed, state, order, collaborators } = record;
    const rest = { name, seq, attempt, priority, resumed, state, order, collaborators };
    return { ...rest, wanted: wantedOf(record), reviewed: this.#reviews.approved(record) };
  }

  #consume(sendBack: (event: DirectorEvent) => void): () => void {
    const ends = new AbortController();
    const parts = { wire: this.#wire, records: this.records, envoys: this.envoys };
    const working: Promise<void> = this.#submissions
      .work({ durable: consumers.director.durable, signal: ends.signal }, (message) => admit(parts, message))
      .catch((e) => sendBack({ type: "watch.failed", error: asFlError(e).toJSON() }))
      .finally(() => this.#work.delete(working));
    this.#work.add(working);
    return () => ends.abort();
  }

  /** An experiment begins to wait: who reads its events is told, and who reads the log. */
  async #waits(name: string, hold: Hold): Promise<void> {
    const { log } = this.#wire.ports;
    const owner = this.records.ownerOf(name);
    if (owner === undefined) return; // it has just been removed
    const waiting = waitingOf(hold, (other) => this.records.ownerOf(other) === owner);
    log.info({ experiment: name, ...waiting }, "experiment waits");
    const told = { type: "experiment.waiting" as const, round: null, detail: { ...waiting } };
    await this.records
      .announce({ owner, exp: name }, told)
      .catch((e) => log.warn({ experiment: name, err: e }, "not announced"));
  }

  async #expire(name: string): Promise<void> {
    const { clock, log } = this.#wire.ports;
    const expired = (record: ExperimentRecord): ExperimentRecord => {
      const { deadline_at } = record;
      if (deadline_at === null || deadline_at > clock.now() || hasEnded(record)) return record;
      const error = new FlError("FL_DEADLINE", { deadline_at }).toJSON();
      const failure: Failure = { role: "director", name: this.#parts.name, round: null, error };
      return failed(record, failure, clock.now());
    };
    await step(this.records, name, expired).catch((e) => {
      // one that is being ended otherwise is ended by that
      if (asFlError(e).code !== "FL_STATE") log.error({ experiment: name, err: e }, "deadline not kept");
    });
  }

  async #review({ name }: Place, signal: AbortSignal): Promise<Reviewed> {
    const record = await this.records.get(name);
    const collaborators = record === undefined ? "all" : wantedOf(record).collaborators;
    return this.#reviews.own(name, collaborators === "all" ? this.envoys.names() : collaborators, signal);
  }

  async #call({ name, attempt, collaborators }: Place): Promise<boolean> {
    const record = await this.records.change(name, (before) => ({
      record: before.attempt === attempt ? called(before, collaborators) : before,
    }));
    if (record.attempt !== attempt || !isUnderWay(record)) return false;
    await Promise.all(record.collaborators.map((envoy) => this.envoys.assign(envoy, record, "review")));
    return true;
  }

  async #start({ name, attempt, collaborators }: Place): Promise<boolean> {
    const now = this.#wire.ports.clock.now();
    const record = await this.records.change(name, (before) => {
      if (before.attempt !== attempt) return { record: before };
      const record = started(before, collaborators, now);
      const detail = { collaborators: record.collaborators, attempt };
      return { record, told: { type: "experiment.started", round: null, detail } };
    });
    if (record.state !== "in_progress" || record.attempt !== attempt) return false;
    await Promise.all(record.collaborators.map((envoy) => this.envoys.assign(envoy, record, "run")));
    this.#joining.open(record);
    this.#parts.began(name);
    return true;
  }

  async #endRun({ name, order }: Place & { order: Order | null }, signal: AbortSignal): Promise<void> {
    const ask = { exp: name, director: this.#parts.name };
    const options = { timeoutMs: END_MS, signal };
    await insist(signal, () => this.#wire.request(subjects.end, ask, { failure: order?.failure ?? null }, options));
  }

  async #rest({ name, attempt, collaborators }: Place): Promise<Ending | null> {
    await this.#parts.gone({ role: "aggregator", config: { name } });
    const round = (await this.#rounds.get({ exp: name }))?.value;
    const over = round?.attempt === attempt ? endingOf(round) : null;
    if (over !== null) return over;
    await this.#release(name, collaborators);
    await step(this.records, name, rested);
    return null;
  }

  async #end({ name, collaborators, ending }: Place & { ending: Ending }): Promise<void> {
    await this.#release(name, collaborators);
    const { clock, log } = this.#wire.ports;
    await this.records.change(name, (before) => {
      const record = ended(before, ending, clock.now());
      const { attempt, state, failure, outcome } = record;
      const type = `experiment.${state as Ending["state"]}` as const;
      return { record, told: { type, round: failure?.round ?? null, detail: { ...outcome, attempt }, failure } };
    });
    log.info({ experiment: name, state: ending.state }, "experiment ended");
  }

  /** Takes it back from all that it was given to, also by a Director before this one (V2). */
  async #release(name: string, collaborators: readonly string[]): Promise<void> {
    const asked = await this.#joining.close(name);
    const record = await this.records.get(name);
    const later = record !== undefined && wantedOf(record).join ? this.envoys.names() : [];
    const all = new Set([...collaborators, ...asked, ...(record?.collaborators ?? []), ...later]);
    await Promise.all([...all].map((envoy) => this.envoys.release(envoy, name)));
  }
}

/** How an experiment has ended, if its round record says that it has. */
function endingOf({ state, outcome, failure }: RoundRecord): Ending | null {
  if (state === "finished" && outcome !== null) return { state, outcome };
  if (state === "failed" && failure !== null) return { state, failure };
  return state === "cancelled" ? { state } : null;
}
