/**
 * What the Aggregator's machine invokes: the record plane, the data plane and the bus, behind the names it declares.
 *
 * S1 A round is open for collaborators when its record is written, and the record is written when its model is stored.
 * S2 The record is written by compare-and-set on the revision this process wrote last: a second Aggregator of the same
 *    experiment, which owns a later epoch, ends this one with FL_FENCED (law L2).
 * S3 A failure that a successor can mend is this process's, not the experiment's: the record stays open for it.
 * S4 What an earlier attempt has come to is a checkpoint only: neither its ending nor its round's deadline is this one's.
 */
import { type EventObject, fromCallback, fromPromise } from "xstate";
import { asFlError, FlError } from "../../src/errors.ts";
import type { Aggregation } from "../../src/parts/aggregation.ts";
import type { StragglerPolicy } from "../../src/parts/straggler.ts";
import { methodOf } from "../../src/plan/method.ts";
import { remembering } from "../../src/plan/optimizer.ts";
import { type Plan, quorumOf } from "../../src/plan/plan.ts";
import type { Journal } from "../../src/ports.ts";
import { layoutOf, specsOf } from "../../src/tensor/layout.ts";
import { withMethod, withSlots } from "../../src/tensor/slots.ts";
import { bytesOf, type ModelPlace, publishModel, readModel } from "../../src/transfer/model-stream.ts";
import { STALL_MS } from "../../src/transfer/pull.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import type { ExperimentRecord, Failure, ModelRef, Outcome, PastRound, RoundRecord } from "../../src/wire/messages.ts";
import { roundState } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import type { Rows, Wire } from "../../src/wire/wire.ts";
import type { ResolvedAssigner } from "../assigner/resolve.ts";
import { Ledger } from "../ledger.ts";
import { assign, trainersOf } from "./assigning.ts";
import { storeChange } from "./changing.ts";
import { checkpointOf, endOf, isMendable, recordOf } from "./checkpoint.ts";
import { History } from "./history.ts";
import { initialModel } from "./initial-model.ts";
import { intake } from "./intake.ts";
import { Keeping } from "./keeping.ts";
import type { AggregatorEvent, AggregatorInput, Checkpoint, Closed, Opened, Recovered } from "./machine.ts";
import { averaged, byTask, ownOf } from "./metrics.ts";
import { storeOutcome } from "./outcome.ts";
import { Patience } from "./patience.ts";
import { Peers } from "./peers.ts";
import { rated } from "./rating.ts";
import { Roster } from "./roster.ts";
import { Shelving } from "./shelving.ts";
import { type Pull, Workbench } from "./workbench.ts";

/** of what the Aggregator itself says */
const ORIGIN = "aggregator";

export type AggregatorParts = {
  readonly wire: Wire;
  readonly record: ExperimentRecord;
  readonly plan: Plan;
  readonly aggregation: Aggregation;
  readonly assigner: ResolvedAssigner;
  /** none: nobody but the deadline ends a round's wait */
  readonly stragglers?: StragglerPolicy | undefined;
  /** a part wants to know what came of earlier rounds */
  readonly remembers?: boolean | undefined;
};

export class AggregatorServices {
  readonly #wire: Wire;
  readonly #record: ExperimentRecord;
  readonly #plan: Plan;
  readonly #bench: Workbench;
  readonly #peers: Peers;
  readonly #rounds: Rows<"{exp}", RoundRecord>;
  readonly #place: ModelPlace;
  readonly #ledger: Ledger;
  readonly #shelving: Shelving;
  readonly #keeping: Keeping;
  readonly #history: History;
  readonly #roster: Roster;
  readonly #assigner: ResolvedAssigner;
  readonly #patience: Patience | undefined;
  #revision = 0;
  #epoch = 0;
  #open: RoundRecord | undefined;
  /** tells the machine */
  #tell: (event: AggregatorEvent) => void = () => {};

  static async create(parts: AggregatorParts): Promise<AggregatorServices> {
    const { wire, record } = parts;
    const [rounds, models, ledger] = await Promise.all([
      wire.table(buckets.rounds),
      wire.journal("model", record.name),
      Ledger.open(wire, { owner: record.owner, exp: record.name }, ORIGIN, record.attempt),
    ]);
    return new AggregatorServices(parts, rounds, models, ledger);
  }

  private constructor(parts: AggregatorParts, rounds: Rows<"{exp}", RoundRecord>, models: Journal, ledger: Ledger) {
    const { wire, record, plan, aggregation, stragglers: policy } = parts;
    this.#wire = wire;
    this.#record = record;
    this.#plan = plan;
    this.#rounds = rounds;
    this.#place = { wire, journal: models, exp: record.name };
    this.#ledger = ledger;
    this.#peers = new Peers(record.collaborators);
    this.#shelving = new Shelving(wire, models, record.name);
    this.#keeping = new Keeping(wire, record.name, plan);
    this.#history = new History(parts.remembers === true || aggregation.history === true);
    this.#roster = new Roster(wire, record, this.#peers);
    this.#assigner = parts.assigner;
    const { clock } = wire.ports;
    this.#patience =
      policy &&
      new Patience({
        ...{ policy, clock },
        enough: (round) => this.#tell({ type: "policy.enough", round }),
        broken: (e) => this.#broken(e),
      });
    const pull: Pull = (collaborator, round, index, signal) =>
      wire.request(
        subjects.pull,
        { exp: record.name, collaborator },
        { round, index },
        { timeoutMs: STALL_MS, signal },
      );
    const onBytes = (collaborator: string, bytes: number): void => this.#peers.bytes(collaborator, bytes);
    this.#bench = new Workbench(aggregation, pull, onBytes, plan);
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** The machine's actors, provided. */
  readonly actors = {
    intake: fromCallback<EventObject, AggregatorInput>(({ sendBack, input }) => {
      this.#tell = sendBack;
      const follows = new AbortController();
      if (this.#plan.join) {
        this.#roster.follow(follows.signal).catch((e) => follows.signal.aborted || this.#broken(e));
      }
      const end = intake({
        wire: this.#wire,
        exp: this.#record.name,
        owner: this.#record.owner,
        bench: this.#bench,
        peers: this.#peers,
        input,
        sendBack: (event) => {
          sendBack(event);
          this.#patience?.heard(event);
        },
        open: () => this.#open,
      });
      return () => {
        follows.abort();
        this.#patience?.close();
        end();
      };
    }),
    recover: fromPromise<Recovered, AggregatorInput>(() => this.#recover()),
    openRound: fromPromise<Opened, { checkpoint: Checkpoint; skip: readonly string[] }>(({ input }) =>
      this.#openRound(input.checkpoint, input.skip),
    ),
    closeRound: fromPromise<Closed, { checkpoint: Checkpoint; failed: readonly string[] }>(({ input }) =>
      this.#closeRound(input.checkpoint, input.failed),
    ),
    conclude: fromPromise<Outcome, { checkpoint: Checkpoint }>(({ input }) => this.#conclude(input.checkpoint)),
    abandon: fromPromise<void, { checkpoint: Checkpoint; failure: Failure | null }>(({ input }) =>
      this.#abandon(input.failure),
    ),
  };

  /** Something that the plan relies on does not work. */
  #broken(e: unknown): void {
    this.#tell({ type: "part.failed", error: asFlError(e).toJSON() });
  }

  // --- rounds -------------------------------------------------------------------------------------------------------

  async #recover(): Promise<Recovered> {
    const exp = this.#record.name;
    const found = await this.#rounds.get({ exp });
    if (found === undefined) {
      this.#revision = 0;
      return this.#begin();
    }
    this.#revision = found.revision;
    const record = found.value;
    this.#epoch = record.epoch;
    const { attempt, fresh } = this.#record;
    if (record.attempt < attempt && fresh) return this.#begin();
    const ended = record.attempt < attempt ? null : endOf(record); // S4
    if (ended !== null) return { checkpoint: checkpointOf(record), ended };
    if (record.model !== null) await this.#loadModel(record.model, layoutOf(record.specs ?? []));
    if (record.state_ref !== null) {
      const bytes = await readModel(this.#place, record.state_ref, { subject: subjects.stateChunk });
      if (bytes !== undefined) this.#restoreState(bytes);
    }
    this.#wire.ports.log.info({ round: record.round, epoch: record.epoch }, "recovered");
    return { checkpoint: checkpointOf(record), ended: null };
  }

  async #begin(): Promise<Recovered> {
    const begun = { best: null, metrics: {}, plateau: null, kept: [], state: null };
    return { checkpoint: { ...begun, ...(await this.#initial()) }, ended: null };
  }

  async #loadModel(ref: ModelRef, layout: ReturnType<typeof layoutOf>): Promise<void> {
    const bytes = await readModel(this.#place, ref);
    if (bytes === undefined)
      throw new FlError("FL_NOT_FOUND", { reason: "the checkpoint's model is not stored any more" });
    this.#bench.load(layout, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4));
  }

  /** The model that was given, stored as the one that enters the next round; without one it is to be made. */
  async #initial(): Promise<Pick<Checkpoint, "round" | "trained" | "model">> {
    const given = await initialModel(this.#wire, this.#record, this.#plan);
    if (given === undefined) return { round: 0, trained: 0, model: null };
    const round = given.round + 1;
    const kind = this.#plan.optimizer === "global" ? remembering(this.#plan) : undefined;
    const method = methodOf(this.#plan);
    const bare = kind === undefined ? given.layout : withSlots(given.layout, kind);
    const layout = method === undefined ? bare : withMethod(bare, method.name, "travelling");
    this.#bench.load(layout, given.values); // nothing is remembered yet
    return { round, trained: given.trained, model: await this.#store(round, layout.digest) };
  }

  #store(round: number, layout: string): Promise<ModelRef> {
    const at = { epoch: this.#epoch, round };
    return publishModel(this.#place, subjects.modelChunk, at, bytesOf(this.#bench.global), layout);
  }

  async #openRound(checkpoint: Checkpoint, skip: readonly string[]): Promise<Opened> {
    const { now } = this.#wire.ports.clock;
    const { round } = checkpoint;
    const before = this.#revision === 0 ? undefined : await this.#before(round);
    const { names, joined } = this.#roster.present();
    // what a predecessor has assigned stays so: an assigner is asked once for each round
    const assigned = round > 0 && before !== undefined ? before.assigned : await this.#assign(round, names, skip);
    const asked = Object.keys(assigned).sort();
    const quorum = round === 0 ? 1 : quorumOf(this.#plan, asked.length);
    const opened_at = before?.opened_at ?? now();
    const deadline_at = before?.deadline_at ?? (this.#plan.deadline === null ? null : now() + this.#plan.deadline);
    if (this.#open === undefined) this.#epoch++; // the first record of this process claims the experiment
    const layout = this.#bench.layout;
    const record: RoundRecord = {
      ...recordOf(checkpoint),
      v: 1,
      experiment: this.#record.name,
      attempt: this.#record.attempt,
      epoch: this.#epoch,
      state: "open",
      assigned,
      quorum,
      opened_at,
      deadline_at,
      specs: layout === undefined ? null : specsOf(layout),
      failure: null,
      outcome: null,
    };
    if (before !== undefined) {
      this.#ledger.announce({ type: "aggregator.restarted", round, detail: { epoch: this.#epoch } });
    }
    for (const collaborator of joined)
      this.#ledger.announce({ type: "collaborator.joined", round, detail: { collaborator } });
    const expected = new Set(asked);
    this.#peers.round(round, expected);
    this.#open = record;
    // An aggregation that is not ready yet, one on the bus say, holds back neither the round nor its deadline.
    this.#bench.open(round, trainersOf(this.#plan, assigned), expected, this.#history.past, names.length).catch((e) => {
      if (this.#open === record) this.#tell({ type: "aggregation.lost", error: asFlError(e).toJSON() });
    });
    if (round > 0) {
      const history = this.#history.past;
      this.#patience?.open({ round, asked, quorum, openedAt: opened_at, deadlineAt: deadline_at, history });
    }
    await this.#write(record);
    const { model, state, change } = checkpoint;
    this.#shelving.keep({ model, best: checkpoint.best?.model ?? null, state, change: change?.ref });
    this.#keeping.recorded();
    const deadlineMs = deadline_at === null ? null : Math.max(0, deadline_at - now());
    return { collaborators: names, expected: asked, quorum, deadlineMs };
  }

  async #assign(round: number, names: readonly string[], skip: readonly string[]): Promise<Record<string, string[]>> {
    const parts = { plan: this.#plan, assigner: this.#assigner, roster: this.#roster, history: this.#history };
    const assignment = await assign({ ...parts, clock: this.#wire.ports.clock }, round, names, skip);
    return Object.fromEntries(Object.entries(assignment).map(([name, labels]) => [name, [...labels]]));
  }

  /** The record of this very round if an earlier process of this attempt opened it: its deadline goes on. */
  async #before(round: number): Promise<RoundRecord | undefined> {
    if (this.#open !== undefined) return undefined;
    const found = await this.#rounds.get({ exp: this.#record.name });
    const value = found?.value;
    return value?.round === round && value.attempt === this.#record.attempt ? value : undefined;
  }

  async #write(record: RoundRecord): Promise<void> {
    const exp = { exp: this.#record.name };
    this.#revision =
      this.#revision === 0
        ? await this.#rounds.create(exp, record)
        : await this.#rounds.update(exp, record, this.#revision);
  }

  async #closeRound(checkpoint: Checkpoint, failed: readonly string[]): Promise<Closed> {
    const { round } = checkpoint;
    const { assigned, opened_at } = this.#open!;
    this.#patience?.close();
    const { contributions, changed, change } = await this.#bench.close();
    const metrics = averaged(contributions.map(([, c]) => c));
    for (const [task, values] of byTask(metrics)) this.#ledger.metrics(round, task, values);
    const contributors = contributions.map(([name]) => name);
    const missing = Object.keys(assigned).filter((name) => !contributors.includes(name));
    const late = missing.filter((name) => !failed.includes(name)).sort();
    const seconds = (this.#wire.ports.clock.now() - opened_at) / 1_000;
    const measured = Object.fromEntries(contributions.map(([name, c]) => [name, ownOf(c)]));
    const out = missing.filter((name) => failed.includes(name)).sort();
    const past: PastRound = { round, assigned, answered: contributors, failed: out, late, metrics, measured, seconds };
    if (round > 0) this.#history.close(past);
    const { layout, global } = this.#bench;
    const trained = checkpoint.trained + (changed && round > 0 ? 1 : 0);
    const rating = round > this.#plan.rounds;
    const keeping = rating ? checkpoint.kept : this.#keeping.close(round, trained, layout!, global, checkpoint.kept);
    // one after the other: a stored range holds nothing else (D1 of src/transfer/model-stream.ts)
    const model = changed ? await this.#store(Math.max(1, round + 1), layout!.digest) : checkpoint.model;
    const base = { change, base: checkpoint.model, model: model!, values: this.#bench.global };
    const came = changed ? await storeChange(this.#place, base) : checkpoint.change;
    const state = await this.#saveState(round + 1);
    const kept = await keeping;
    const { best, plateau, stop } = rated(this.#plan, checkpoint, metrics);
    return {
      checkpoint: {
        ...{ round: round + 1, trained, model, best, metrics, plateau, kept, state },
        ...(came === undefined ? {} : { change: came }),
      },
      ...{ contributors, late, seconds, stop },
    };
  }

  /** What lasts beside the model, as it enters a round. */
  async #saveState(round: number): Promise<ModelRef | null> {
    const [aggregation, history, residual] = [this.#bench.save(), this.#history.save(), this.#bench.residual];
    if (aggregation === undefined && history === undefined && residual === undefined) return null;
    const { past = [], standings = {} } = history ?? {};
    const left = residual === undefined ? {} : { residual };
    const state = encode({ v: 1, aggregation: aggregation ?? null, ...left, past, standings });
    const at = { epoch: this.#epoch, round };
    return publishModel(this.#place, subjects.stateChunk, at, state, this.#bench.layout!.digest);
  }

  #restoreState(bytes: Uint8Array): void {
    const { aggregation, residual, ...history } = decode(roundState, bytes, "msgpack", "roundState");
    if (aggregation !== null) this.#bench.restore(aggregation);
    if (residual !== undefined) this.#bench.restoreResidual(residual);
    this.#history.restore(history);
  }

  async #conclude(checkpoint: Checkpoint): Promise<Outcome> {
    const outcome = await storeOutcome(this.#place, this.#bench, checkpoint);
    await this.#ledger.settle();
    const present = (await this.#present())!;
    await this.#write({ ...present, ...recordOf(checkpoint), state: "finished", failure: null, outcome });
    this.#keeping.recorded();
    return outcome;
  }

  async #abandon(failure: Failure | null): Promise<void> {
    await this.#ledger.settle();
    const present = await this.#present();
    if (present === undefined || (failure !== null && isMendable(failure))) return; // S3
    await this.#write({ ...present, state: failure === null ? "cancelled" : "failed", failure });
  }

  /** The record as this process has written it, or else as it found it. */
  async #present(): Promise<RoundRecord | undefined> {
    if (this.#open !== undefined || this.#revision === 0) return this.#open;
    const found = await this.#rounds.get({ exp: this.#record.name });
    return found && { ...found.value, attempt: this.#record.attempt };
  }

  async dispose(): Promise<void> {
    await this.#bench.dispose();
  }
}
