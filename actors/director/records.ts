/**
 * The experiments' public records: what their owners see of them. Written by the Director only.
 *
 * R1 A record is made once, by the submission that took the name first; another submission of that name is refused.
 * R2 An ended experiment's record does not change any more: the first ending counts, with its own cause.
 * R3 What a record comes to is announced once, also when the Director died between the two.
 */
import { FlError } from "../../src/errors.ts";
import { decode } from "../../src/wire/codec.ts";
import { type ExperimentRecord, event, type Review } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import type { Row, Rows, Wire } from "../../src/wire/wire.ts";
import { type Announcement, Ledger, type Owned } from "../ledger.ts";
import type { Ending } from "./experiment.ts";

const ENDED = new Set<ExperimentRecord["state"]>(["finished", "failed", "rejected", "cancelled"]);
export const hasEnded = ({ state }: Pick<ExperimentRecord, "state">): boolean => ENDED.has(state);

export class Records {
  readonly #wire: Wire;
  readonly #rows: Rows<"{exp}", ExperimentRecord>;
  readonly #owners = new Map<string, string>();
  readonly #listeners = new Set<(exp: string) => void>();

  static async open(wire: Wire): Promise<Records> {
    const records = new Records(wire, await wire.table(buckets.experiments));
    await records.list(); // whose they are is known from the start
    return records;
  }

  private constructor(wire: Wire, rows: Rows<"{exp}", ExperimentRecord>) {
    this.#wire = wire;
    this.#rows = rows;
  }

  async get(exp: string): Promise<ExperimentRecord | undefined> {
    const record = (await this.#rows.get({ exp }))?.value;
    if (record !== undefined) this.#owners.set(exp, record.owner);
    return record;
  }

  /** @throws FL_NOT_FOUND */
  async present(exp: string): Promise<ExperimentRecord> {
    return (await this.#present(exp)).value;
  }

  /** Whose it is; undefined if there is no such experiment. */
  ownerOf(exp: string): string | undefined {
    return this.#owners.get(exp);
  }

  /** All, in the order of submission. */
  async list(): Promise<ExperimentRecord[]> {
    const rows = await this.#rows.all();
    for (const { value } of rows) this.#owners.set(value.name, value.owner);
    return rows.map((r) => r.value).sort((a, b) => a.seq - b.seq);
  }

  /** Makes the record of a new experiment. @returns the one that has the name: this one, unless it came later (R1) */
  async make(record: ExperimentRecord): Promise<ExperimentRecord> {
    try {
      await this.#rows.create({ exp: record.name }, record);
      this.#owners.set(record.name, record.owner);
      return record;
    } catch (e) {
      if (!(e instanceof FlError) || e.code !== "FL_EXISTS") throw e;
      return (await this.get(record.name)) ?? record;
    }
  }

  /** Its reviewers are asked now. */
  async reviewing(exp: string): Promise<void> {
    const { value: record, revision } = await this.#present(exp);
    if (record.state === "pending") await this.#rows.update({ exp }, { ...record, state: "in_review" }, revision);
  }

  async start(exp: string, collaborators: readonly string[]): Promise<ExperimentRecord> {
    const row = await this.#present(exp);
    let record = row.value;
    if (record.state === "pending" || record.state === "in_review") {
      const started_at = this.#wire.ports.clock.now();
      record = { ...record, state: "in_progress", collaborators: [...collaborators], started_at };
      await this.#rows.update({ exp }, record, row.revision);
    }
    if (record.state !== "in_progress") return record;
    const detail = { collaborators: record.collaborators };
    await this.#announceOnce(record, { type: "experiment.started", round: null, detail });
    return record;
  }

  /**
   * Adds a reviewer's verdict; one that is there already is not added again, and an experiment that has ended gets none (R2).
   * @throws FL_NOT_FOUND, FL_STATE if it is about something else
   */
  async review(exp: string, review: Review): Promise<ExperimentRecord> {
    for (;;) {
      const { value: record, revision } = await this.#present(exp);
      if (hasEnded(record)) return record;
      if (review.plan_digest !== record.plan_digest || review.archive_digest !== record.submission.archive.digest) {
        throw new FlError("FL_STATE", { reason: `${review.role} ${review.name} has reviewed another plan or archive` });
      }
      const told = JSON.stringify(review);
      if (record.reviews.some((r) => JSON.stringify(r) === told)) return record;
      const next = { ...record, reviews: [...record.reviews, review] };
      try {
        await this.#rows.update({ exp }, next, revision);
        return next;
      } catch (e) {
        if (!(e instanceof FlError) || e.code !== "FL_FENCED") throw e; // several envoys answer at once
      }
    }
  }

  /** Called when an experiment has ended and that is announced. Returns what ends it. */
  onEnd(listener: (exp: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async end(exp: string, ending: Ending): Promise<void> {
    const row = await this.#present(exp);
    let record = row.value;
    if (!hasEnded(record)) {
      record = {
        ...record,
        state: ending.state,
        ended_at: this.#wire.ports.clock.now(),
        failure: "failure" in ending ? ending.failure : null,
        outcome: ending.state === "finished" ? ending.outcome : null,
      };
      await this.#rows.update({ exp }, record, row.revision); // R2
    }
    const { state, failure, outcome } = record;
    const type = `experiment.${state as Ending["state"]}` as const;
    const told = { type, round: failure?.round ?? null, detail: { ...outcome }, failure };
    await this.#announceOnce(record, told);
    for (const listener of [...this.#listeners]) listener(exp);
  }

  /** A Director may die between the record and its announcement: whoever repeats the step makes up for it (R3). */
  async #announceOnce({ owner, name: exp }: ExperimentRecord, announcement: Announcement): Promise<void> {
    const journal = await this.#wire.journal("events");
    const last = await journal.last(this.#wire.subject(subjects.event, { owner, exp, origin: "director" }));
    if (last !== undefined) {
      const { type } = decode(event, last.data, last.contentType, last.subject);
      if (type === announcement.type) return;
    }
    await this.announce({ owner, exp }, announcement);
  }

  async announce(of: Owned, announcement: Announcement): Promise<void> {
    const ledger = await Ledger.open(this.#wire, of, "director");
    ledger.announce(announcement);
    await ledger.settle();
  }

  async #present(exp: string): Promise<Row<ExperimentRecord>> {
    const row = await this.#rows.get({ exp });
    if (row === undefined) throw new FlError("FL_NOT_FOUND", { reason: `no experiment ${exp} is recorded` });
    return row;
  }
}
