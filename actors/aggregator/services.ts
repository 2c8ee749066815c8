/**
 * What the Aggregator's machine invokes: the record plane, the data plane and the bus, behind the names it declares.
 *
 * S1 A round is open for collaborators when its record is written, and the record is written when its model is stored.
 * S2 The record is written by compare-and-set on the revision this process wrote last: a second Aggregator of the same
 *    experiment, which owns a later epoch, ends this one with FL_FENCED (law L2).
 * S3 A failure that a successor can mend is this process's, not the experiment's: the record stays open for it.
 */
import { type EventObject, fromCallback, fromPromise } from "xstate";
import { asFlError, codes, FlError } from "../../src/errors.ts";
import type { Aggregation } from "../../src/parts/aggregation.ts";
import { type Plan, ratedRound, targetReached } from "../../src/plan/plan.ts";
import type { Journal } from "../../src/ports.ts";
import { layoutOf, specsOf } from "../../src/tensor/layout.ts";
import { writeSafetensors } from "../../src/tensor/safetensors.ts";
import { bytesOf, publishModel, readModel, sameModel } from "../../src/transfer/model-stream.ts";
import { STALL_MS } from "../../src/transfer/pull.ts";
import type { ExperimentRecord, Failure, ModelRef, Outcome, RoundRecord, Scored } from "../../src/wire/messages.ts";
import { buckets, shelves, subjects } from "../../src/wire/table.ts";
import type { Rows, Wire } from "../../src/wire/wire.ts";
import { Ledger } from "../ledger.ts";
import { initialModel } from "./initial-model.ts";
import { intake } from "./intake.ts";
import type { AggregatorEvent, AggregatorInput, Checkpoint, Closed, Opened, Recovered } from "./machine.ts";
import { averaged, byTask } from "./metrics.ts";
import { Peers } from "./peers.ts";
import { Shelving } from "./shelving.ts";
import { type Pull, Workbench } from "./workbench.ts";

/** of what the Aggregator itself says */
const ORIGIN = "aggregator";
/** the label under which round 0 asks for the initial model */
export const INITIAL = "initial";

export type AggregatorParts = {
  readonly wire: Wire;
  readonly record: ExperimentRecord;
  readonly plan: Plan;
  readonly aggregation: Aggregation;
};

export class AggregatorServices {
  readonly #wire: Wire;
  readonly #record: ExperimentRecord;
  readonly #plan: Plan;
  readonly #bench: Workbench;
  readonly #peers: Peers;
  readonly #rounds: Rows<"{exp}", RoundRecord>;
  readonly #models: Journal;
  readonly #ledger: Ledger;
  readonly #shelving: Shelving;
  #revision = 0;
  #epoch = 0;
  #open: RoundRecord | undefined;
  /** tells the machine that the aggregation cannot go on */
  #lost: (e: unknown) => void = () => {};
  /** when this process opened the round */
  #openedAt = 0;

  static async create(parts: AggregatorParts): Promise<AggregatorServices> {
    const { wire, record } = parts;
    const [rounds, models, ledger] = await Promise.all([
      wire.table(buckets.rounds),
      wire.journal("model", record.name),
      Ledger.open(wire, record.name, ORIGIN),
    ]);
    return new AggregatorServices(parts, rounds, models, ledger);
  }

  private constructor(parts: AggregatorParts, rounds: Rows<"{exp}", RoundRecord>, models: Journal, ledger: Ledger) {
    const { wire, record, plan, aggregation } = parts;
    this.#wire = wire;
    this.#record = record;
    this.#plan = plan;
    this.#rounds = rounds;
    this.#models = models;
    this.#ledger = ledger;
    this.#peers = new Peers(record.collaborators);
    this.#shelving = new Shelving(wire, models, record.name);
    const pull: Pull = (collaborator, round, index, signal) =>
      wire.request(
        subjects.pull,
        { exp: record.name, collaborator },
        { round, index },
        { timeoutMs: STALL_MS, signal },
      );
    this.#bench = new Workbench(aggregation, pull, (collaborator, bytes) => this.#peers.bytes(collaborator, bytes));
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** The machine's actors, provided. */
  readonly actors = {
    intake: fromCallback<EventObject, AggregatorInput>(({ sendBack, input }) => {
      this.#lost = (e) =>
        sendBack({ type: "aggregation.lost", error: asFlError(e).toJSON() } satisfies AggregatorEvent);
      return intake({
        wire: this.#wire,
        exp: this.#record.name,
        bench: this.#bench,
        peers: this.#peers,
        input,
        sendBack,
        open: () => this.#open,
      });
    }),
    recover: fromPromise<Recovered, AggregatorInput>(() => this.#recover()),
    openRound: fromPromise<Opened, { checkpoint: Checkpoint; skip: readonly string[] }>(({ input }) =>
      this.#openRound(input.checkpoint, input.skip),
    ),
    closeRound: fromPromise<Closed, { checkpoint: Checkpoint }>(({ input }) => this.#closeRound(input.checkpoint)),
    conclude: fromPromise<Outcome, { checkpoint: Checkpoint }>(({ input }) => this.#conclude(input.checkpoint)),
    abandon: fromPromise<void, { checkpoint: Checkpoint; failure: Failure | null }>(({ input }) =>
      this.#abandon(input.failure),
    ),
  };

  // --- rounds -------------------------------------------------------------------------------------------------------

  async #recover(): Promise<Recovered> {
    const exp = this.#record.name;
    const found = await this.#rounds.get({ exp });
    if (found === undefined) {
      this.#revision = 0;
      const model = await this.#initial();
      const round = model === null ? 0 : 1;
      return { checkpoint: { round, trained: 0, model, best: null, metrics: {}, state: null }, ended: null };
    }
    this.#revision = found.revision;
    const record = found.value;
    this.#epoch = record.epoch;
    const ended = endOf(record);
    if (ended !== null) return { checkpoint: checkpointOf(record), ended };
    if (record.model !== null) await this.#loadModel(record.model, layoutOf(record.specs ?? []));
    if (record.state_ref !== null) {
      const state = await readModel(this.#models, record.state_ref);
      if (state !== undefined) this.#bench.restore(state);
    }
    this.#wire.ports.log.info({ round: record.round, epoch: record.epoch }, "recovered");
    return { checkpoint: checkpointOf(record), ended: null };
  }

  async #loadModel(ref: ModelRef, layout: ReturnType<typeof layoutOf>): Promise<void> {
    const bytes = await readModel(this.#models, ref);
    if (bytes === undefined)
      throw new FlError("FL_NOT_FOUND", { reason: "the checkpoint's model is not stored any more" });
    this.#bench.load(layout, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4));
  }

  /** The model that came with the submission, stored as the first round's; null if there is none. */
  async #initial(): Promise<ModelRef | null> {
    const given = await initialModel(this.#wire, this.#record.submission);
    if (given === undefined) return null;
    this.#bench.load(given.layout, given.values);
    return this.#store(1, given.layout.digest);
  }

  #store(round: number, layout: string): Promise<ModelRef> {
    const place = { exp: this.#record.name, epoch: this.#epoch, round };
    return publishModel(this.#wire, this.#models, subjects.modelChunk, place, bytesOf(this.#bench.global), layout);
  }

  async #openRound(checkpoint: Checkpoint, skip: readonly string[]): Promise<Opened> {
    const { now } = this.#wire.ports.clock;
    const { round } = checkpoint;
    const rating = round > this.#plan.rounds;
    const trains = round === 0 || (!rating && this.#plan.tasks.some((t) => t.task !== "validate"));
    const names = [...this.#record.collaborators].sort();
    const asked = round > 0 ? names : names.filter((n) => !skip.includes(n)).slice(0, 1);
    const labels =
      round === 0 ? [INITIAL] : this.#plan.tasks.filter((t) => !rating || t.on === "global").map((t) => t.label);
    const before = this.#revision === 0 ? undefined : await this.#before(round);
    const deadline_at = before?.deadline_at ?? (this.#plan.deadline === null ? null : now() + this.#plan.deadline);
    if (this.#open === undefined) this.#epoch++; // the first record of this process claims the experiment
    const layout = this.#bench.layout;
    const record: RoundRecord = {
      v: 1,
      experiment: this.#record.name,
      epoch: this.#epoch,
      round,
      trained: checkpoint.trained,
      state: "open",
      assigned: Object.fromEntries(asked.map((n) => [n, labels])),
      deadline_at,
      model: checkpoint.model,
      specs: layout === undefined ? null : specsOf(layout),
      best: checkpoint.best,
      metrics: { ...checkpoint.metrics },
      state_ref: checkpoint.state,
      failure: null,
      outcome: null,
    };
    if (before !== undefined) {
      this.#ledger.announce({ type: "aggregator.restarted", round, detail: { epoch: this.#epoch } });
    }
    this.#openedAt = now();
    this.#peers.round(round);
    this.#open = record;
    // An aggregation that is not ready yet, one on the bus say, holds back neither the round nor its deadline.
    this.#bench.open(round, trains, new Set(asked)).catch((e) => {
      if (this.#open === record) this.#lost(e);
    });
    await this.#write(record);
    this.#shelving.keep({ model: checkpoint.model, best: checkpoint.best?.model ?? null, state: checkpoint.state });
    return { expected: asked, deadlineMs: deadline_at === null ? null : Math.max(0, deadline_at - now()) };
  }

  /** The record of this very round if an earlier process opened it: its deadline goes on. */
  async #before(round: number): Promise<RoundRecord | undefined> {
    if (this.#open !== undefined) return undefined;
    const found = await this.#rounds.get({ exp: this.#record.name });
    return found?.value.round === round ? found.value : undefined;
  }

  async #write(record: RoundRecord): Promise<void> {
    const exp = { exp: this.#record.name };
    this.#revision =
      this.#revision === 0
        ? await this.#rounds.create(exp, record)
        : await this.#rounds.update(exp, record, this.#revision);
  }

  async #closeRound(checkpoint: Checkpoint): Promise<Closed> {
    const { round } = checkpoint;
    const { contributions, changed } = await this.#bench.close();
    const metrics = averaged(contributions.map(([, c]) => c));
    for (const [task, values] of byTask(metrics)) this.#ledger.metrics(round, task, values);
    const model = changed ? await this.#store(Math.max(1, round + 1), this.#bench.layout!.digest) : checkpoint.model;
    const best = this.#scored(checkpoint, round, metrics);
    const state = await this.#saveState(round + 1);
    const target = this.#plan.stop === undefined ? undefined : metrics[this.#plan.stop.metric];
    return {
      checkpoint: {
        round: round + 1,
        trained: checkpoint.trained + (changed && round > 0 ? 1 : 0),
        model,
        best,
        metrics,
        state,
      },
      contributors: contributions.map(([name]) => name),
      seconds: (this.#wire.ports.clock.now() - this.#openedAt) / 1_000,
      stop: target !== undefined && targetReached(this.#plan, target),
    };
  }

  /** The aggregation actor's state as it enters a round. */
  async #saveState(round: number): Promise<ModelRef | null> {
    const state = this.#bench.save();
    if (state === undefined) return null;
    const place = { exp: this.#record.name, epoch: this.#epoch, round };
    return publishModel(this.#wire, this.#models, subjects.stateChunk, place, state, this.#bench.layout!.digest);
  }

  /** The best model so far. A metric of the global model rates the model that entered the round. */
  #scored(checkpoint: Checkpoint, round: number, metrics: Record<string, number>): Scored | null {
    const { best } = this.#plan;
    if (best === null || round === 0 || checkpoint.model === null) return checkpoint.best;
    const value = metrics[best.metric];
    const rates = ratedRound(this.#plan, best.metric, 1) === 0;
    if (value === undefined || Number.isNaN(value) || !rates) return checkpoint.best;
    const before = checkpoint.best?.value;
    const better = before === undefined || (best.mode === "max" ? value > before : value < before);
    return better
      ? { round: checkpoint.trained, metric: best.metric, value, model: checkpoint.model }
      : checkpoint.best;
  }

  async #conclude(checkpoint: Checkpoint): Promise<Outcome> {
    const exp = this.#record.name;
    const shelf = await this.#wire.shelf(shelves.models);
    const layout = this.#bench.layout;
    if (layout === undefined || checkpoint.model === null)
      throw new FlError("FL_STATE", { reason: "there is no model" });
    const put = (which: "best" | "last", values: Float32Array, scored: Record<string, string>): Promise<string> =>
      shelf.put(`${exp}.${which}`, writeSafetensors(layout, values, { experiment: exp, ...scored }));
    await put("last", this.#bench.global, { rounds: String(checkpoint.trained) });
    const { best } = checkpoint;
    if (best === null || sameModel(best.model, checkpoint.model)) {
      await put("best", this.#bench.global, { rounds: String(checkpoint.trained) });
    } else {
      const bytes = await readModel(this.#models, best.model);
      if (bytes === undefined) throw new FlError("FL_NOT_FOUND", { reason: "the best model is not stored any more" });
      await put("best", new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4), {
        rounds: String(best.round),
      });
    }
    const outcome: Outcome = {
      rounds: checkpoint.trained,
      metrics: { ...checkpoint.metrics },
      best: best && { ...best, model: { ...best.model, data: undefined } }, // the object has it
      objects: { last: `${exp}.last`, best: `${exp}.best` },
    };
    await this.#ledger.settle();
    await this.#write({ ...this.#open!, ...recordOf(checkpoint), state: "finished", outcome });
    return outcome;
  }

  async #abandon(failure: Failure | null): Promise<void> {
    await this.#ledger.settle();
    if (this.#open === undefined && this.#revision > 0) {
      const found = await this.#rounds.get({ exp: this.#record.name });
      this.#open = found?.value;
    }
    if (this.#open === undefined || (failure !== null && isMendable(failure))) return; // S3
    await this.#write({ ...this.#open, state: failure === null ? "cancelled" : "failed", failure });
  }

  async dispose(): Promise<void> {
    await this.#bench.dispose();
  }
}

const checkpointOf = (r: RoundRecord): Checkpoint => ({
  round: r.round,
  trained: r.trained,
  model: r.model,
  best: r.best,
  metrics: r.metrics,
  state: r.state_ref,
});

/** S3: the cause lay outside, or a successor owns the experiment already. */
export const isMendable = ({ role, error }: Failure): boolean =>
  role === "aggregator" && (error.code === "FL_FENCED" || codes[error.code].retryable);

/** How an experiment ended, if its record says that it did: nothing is resumed then. */
function endOf({ state, outcome, failure }: RoundRecord): Recovered["ended"] {
  if (state === "finished" && outcome !== null) return { state, outcome };
  if (state === "failed" && failure !== null) return { state, failure };
  return state === "cancelled" ? { state } : null;
}

const recordOf = (
  c: Checkpoint,
): Pick<RoundRecord, "round" | "trained" | "model" | "best" | "metrics" | "state_ref"> => ({
  round: c.round,
  trained: c.trained,
  model: c.model,
  best: c.best,
  metrics: { ...c.metrics },
  state_ref: c.state,
});
