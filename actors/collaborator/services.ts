/**
 * What the Collaborator's machine invokes.
 *
 * V1 The update stays in one buffer until the next round's work begins; whoever pulls a chunk of another round gets none.
 * V2 Offering goes on until there is a verdict: it is idempotent by (experiment, round, collaborator), and nothing but a
 *    verdict or a newer record ends it.
 * V3 Work is done one at a time: what an older round had under way ends, and only then the newer one touches the trainer.
 *    What ends that way leaves nothing behind.
 * V4 It listens for the next model from before its offer on, as the model may be out before the verdict is here.
 * V5 What an earlier attempt at the experiment has left is none of this process's, and a later one has its own.
 * V5 A pulse that has ended stays still, whatever a task that runs on still reports.
 * V6 What compression loses of an update waits beside the trainer until the verdict says that the update counts
 *    (src/codec/feedback.ts).
 */
import { type EventObject, fromCallback, fromPromise } from "xstate";
import { Feedback } from "../../src/codec/feedback.ts";
import { type Pipeline, pipelineOf, seedOf } from "../../src/codec/pipeline.ts";
import type { Splits } from "../../src/data/shard.ts";
import type { Trainer } from "../../src/engine/engine.ts";
import { Travelling } from "../../src/engine/travelling.ts";
import { asFlError, FlError, type WireError } from "../../src/errors.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { differ } from "../../src/tensor/delta.ts";
import { CHUNK_BYTES, encodeFrame } from "../../src/tensor/frame.ts";
import { layoutOf, sameLayout, specsOf } from "../../src/tensor/layout.ts";
import { ChangeFeed } from "../../src/transfer/change-feed.ts";
import { bytesOf, ModelFeed, type ModelPlace } from "../../src/transfer/model-stream.ts";
import type { Alive, MetricsOfTask, RoundRecord } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { insist } from "../insist.ts";
import { Ledger } from "../ledger.ts";
import type { CollaboratorEvent, CollaboratorInput, Place } from "./machine.ts";
import { runTasks } from "./work.ts";

const PULSE_MS = 1_000;
const SOON_MS = 200;
/** how long one offer waits for its verdict before it is made again; the Aggregator knows it is the same one */
const VERDICT_MS = 15_000;

export type Prepared = { readonly trainer: Trainer; readonly data: Splits };
export type CollaboratorParts = {
  readonly wire: Wire;
  readonly experiment: string;
  readonly owner: string;
  readonly name: string;
  /** at the experiment, as its record had it when this process began */
  readonly attempt: number;
  readonly plan: Plan;
  readonly prepare: (signal: AbortSignal) => Promise<Prepared>;
};

type Update = {
  readonly round: number;
  readonly weight: number;
  readonly metrics: MetricsOfTask[];
  readonly bytes: Uint8Array;
};

type Compressing = { readonly pipeline: Pipeline; readonly feedback: Feedback | undefined };

export class CollaboratorServices {
  readonly #parts: CollaboratorParts;
  readonly #wire: Wire;
  readonly #place: ModelPlace;
  readonly #feed: ModelFeed;
  /** in its stead, where models come as changes: there is nothing to listen for, as they are small */
  #changes: ChangeFeed | undefined;
  readonly #ledger: Ledger;
  #prepared: (Prepared & { readonly travelling: Travelling }) | undefined;
  /** updates are compressed */
  #up: Compressing | undefined;
  #record: RoundRecord | undefined;
  #values = new Float32Array(0);
  #update: Update | undefined;
  #working: Promise<unknown> = Promise.resolve();
  /** the task that has the trainer, or had it last: one that is over its time may run on */
  #task: Promise<unknown> = Promise.resolve();
  #alive: Alive = { round: 0, doing: "preparing", done: 0, total: 0 };
  #changed = (): void => {};

  static async create(parts: CollaboratorParts): Promise<CollaboratorServices> {
    const { wire, experiment: exp, owner, name, attempt } = parts;
    const [journal, ledger] = await Promise.all([
      wire.journal("model", exp),
      Ledger.open(wire, { owner, exp }, name, attempt),
    ]);
    return new CollaboratorServices(parts, { wire, journal, exp }, ledger);
  }

  private constructor(parts: CollaboratorParts, place: ModelPlace, ledger: Ledger) {
    this.#parts = parts;
    this.#wire = parts.wire;
    this.#place = place;
    this.#feed = new ModelFeed(place);
    this.#ledger = ledger;
  }

  /** The machine's actors, provided. */
  readonly actors = {
    prepare: fromPromise<void, CollaboratorInput>(async ({ signal }) => {
      const prepared = await this.#parts.prepare(signal);
      const travelling = new Travelling(prepared.trainer, this.#parts.plan);
      this.#prepared = { ...prepared, travelling };
      const { compression, seed } = this.#parts.plan;
      const { up, down, exactBelow } = compression;
      const pipeline = pipelineOf(up, exactBelow, travelling.layout);
      const models = pipelineOf(down, exactBelow, travelling.layout);
      this.#changes = models && new ChangeFeed(this.#place, models, seed);
      const feedback = pipeline?.feedback ? new Feedback(travelling.layout.length) : undefined;
      this.#up = pipeline && { pipeline, feedback };
      this.#values = new Float32Array(this.#prepared.trainer.layout.length);
      this.#alive = { ...this.#alive, samples: this.#prepared.data.train.size };
    }),
    rounds: fromCallback<EventObject, CollaboratorInput>(({ sendBack }) => this.#rounds(sendBack)),
    pulse: fromCallback<EventObject, CollaboratorInput>(() => this.#pulse()),
    work: fromPromise<void, Place>(({ input, signal }) => this.#next(input, signal)),
    offer: fromPromise<void, Place>(({ input, signal }) => this.#offer(input, signal)),
    report: fromPromise<void, Place & { error: WireError }>(({ input, signal }) => this.#report(input, signal)),
  };

  get #own(): { exp: string; collaborator: string } {
    return { exp: this.#parts.experiment, collaborator: this.#parts.name };
  }

  #rounds(sendBack: (event: CollaboratorEvent) => void): () => void {
    const ends = new AbortController();
    const { experiment: exp, name, attempt } = this.#parts;
    const endServing = this.#wire.serve(
      subjects.pull,
      this.#own,
      (_, { round, index }) => {
        const update = this.#update;
        return update?.round === round ? encodeFrame(update.bytes, index) : new Uint8Array(0); // V1
      },
      () => new Uint8Array(0),
    );
    const watching = async (): Promise<void> => {
      const rounds = await this.#wire.table(buckets.rounds);
      await rounds.watch(
        { exp },
        ({ value }) => {
          if (value === undefined || ends.signal.aborted || value.attempt < attempt) return; // V5
          this.#record = value;
          const { epoch, round, state, assigned } = value;
          const asked = assigned[name] !== undefined;
          const over = state !== "open" || value.attempt > attempt; // V5
          sendBack({ type: "round.seen", place: { epoch, round }, asked, over });
        },
        ends.signal,
      );
    };
    watching().catch((e) => sendBack({ type: "watch.failed", error: asFlError(e).toJSON() }));
    return () => {
      ends.abort();
      endServing();
      this.#feed.rest();
    };
  }

  #pulse(): () => void {
    const { clock } = this.#wire.ports;
    let cancel = (): void => {};
    let soon = false;
    let ended = false;
    const beat = (): void => {
      cancel();
      soon = false;
      this.#wire.publish(subjects.alive, this.#own, this.#alive);
      cancel = clock.after(PULSE_MS, beat);
    };
    this.#changed = () => {
      if (soon || ended) return; // V5
      soon = true;
      cancel();
      cancel = clock.after(SOON_MS, beat);
    };
    beat();
    return () => {
      ended = true;
      cancel();
    };
  }

  #doing(doing: string, done = 0, total = 0): void {
    this.#alive = { ...this.#alive, round: this.#record?.round ?? 0, doing, done, total };
    this.#changed();
  }

  /** V3 */
  #next({ round }: Place, signal: AbortSignal): Promise<void> {
    this.#update = undefined; // V1
    const record = this.#record!;
    const before = this.#working;
    const work = async (): Promise<void> => {
      await before.catch(() => {}); // it has had its say
      await this.#task;
      signal.throwIfAborted();
      const update = await this.#work(record, round, signal);
      signal.throwIfAborted();
      if (update.bytes.length > 0) this.#prepared!.travelling.settle(this.#values);
      this.#update = update;
    };
    const working = work();
    this.#working = working;
    return working;
  }

  async #work(record: RoundRecord, round: number, signal: AbortSignal): Promise<Update> {
    const { trainer, data, travelling } = this.#prepared!;
    if (round === 0) {
      trainer.read(this.#values);
      return { round, weight: 1, metrics: [], bytes: bytesOf(travelling.leave(this.#values)) };
    }
    this.#doing("fetching");
    const { layout } = travelling;
    if (record.model?.layout !== layout.digest) sameLayout(layoutOf(record.specs ?? []), layout);
    const model = record.model!;
    const global = await (this.#changes?.fetch({ ...record, model }, signal) ?? this.#feed.fetch(model, signal));
    // Not kept any more: the round has moved on and a newer record is on its way, which ends this work.
    if (global === undefined) throw new FlError("FL_NOT_FOUND", { reason: `the model of round ${round} is gone` });
    const { metrics, weight, trained } = await runTasks({
      plan: this.#parts.plan,
      trainer,
      data,
      collaborator: this.#parts.name,
      round,
      labels: record.assigned[this.#parts.name] ?? [],
      global: travelling.enter(global),
      update: this.#values,
      signal,
      clock: this.#wire.ports.clock,
      busy: (running) => {
        this.#task = running.catch(() => {});
      },
      progress: (label, done, total) => this.#doing(label, done, total),
      measured: (label, values) => this.#ledger.metrics(round, label, values),
    });
    if (!trained) return { round, weight, metrics, bytes: new Uint8Array(0) };
    const bytes = await this.#packed(round, travelling.leave(this.#values), global);
    return { round, weight, metrics, bytes };
  }

  /** An update as it travels. */
  async #packed(round: number, values: Float32Array, base: Float32Array): Promise<Uint8Array> {
    const { plan, name } = this.#parts;
    if (this.#up === undefined) return bytesOf(plan.delta ? differ(values, base) : values);
    const { pipeline, feedback } = this.#up;
    const seed = seedOf(plan.seed, round, name);
    return pipeline.encode({ values, base, before: feedback?.before, left: feedback?.begin(round), seed });
  }

  #listen(): void {
    if (this.#changes === undefined) this.#feed.listen(this.#prepared?.travelling.layout);
  }

  async #offer({ epoch, round }: Place, signal: AbortSignal): Promise<void> {
    const update = this.#update;
    if (update?.round !== round) throw new FlError("FL_STATE", { reason: `there is no update of round ${round}` });
    const { layout } = this.#prepared!.travelling;
    this.#doing("offering");
    this.#listen(); // V4
    const { weight, metrics, bytes } = update;
    const offer = {
      round,
      epoch,
      weight,
      metrics,
      bytes: bytes.length,
      layout: layout.digest,
      ...(round === 0 ? { specs: specsOf(layout) } : {}),
      ...(bytes.length > 0 && bytes.length <= CHUNK_BYTES ? { frame: encodeFrame(bytes, 0) } : {}),
    };
    const { verdict, error } = await insist(signal, async () => {
      const answer = await this.#wire.request(subjects.offer, this.#own, offer, { timeoutMs: VERDICT_MS, signal });
      // here, not below: a newer record may end the offer before the answer gets there
      if (answer.verdict === "accepted" || answer.verdict === "duplicate") this.#up?.feedback?.settle(round); // V6
      return answer.verdict === "again" ? undefined : answer;
    });
    this.#doing("waiting");
    if (verdict === "accepted") return;
    this.#wire.ports.log[verdict === "refused" ? "error" : "info"]({ round, verdict, error }, "update not taken");
  }

  async #report({ epoch, round, error }: Place & { error: WireError }, signal: AbortSignal): Promise<void> {
    this.#doing("failed");
    this.#listen();
    this.#wire.ports.log.error({ round, error }, "task failed");
    await insist(signal, async () => {
      const options = { timeoutMs: VERDICT_MS, signal };
      const { ok } = await this.#wire.request(subjects.taskFailed, this.#own, { round, epoch, error }, options);
      return ok ? true : undefined;
    });
  }

  /** Metrics are stored; the model is freed. */
  async dispose(): Promise<void> {
    await this.#ledger.settle();
    this.#prepared?.trainer.dispose();
  }
}
