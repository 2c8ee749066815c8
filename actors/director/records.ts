/**
 * The experiments' public records: what their owners see of them, and all that a Director remembers of them. Written by the
 * Director only; what may become of one is actors/director/lifecycle.ts.
 *
 * R1 A record is made once, by the submission that took the name first; another submission of that name is refused.
 * R2 Changes of one record go one after the other, each made from what the one before has left, by compare-and-set.
 * R3 What a record comes to is announced before it is written: it is told also when the Director dies between the two, and
 *    once, as the next one's repetition finds it told. Whoever reads on until a record has ended has read its end.
 * R4 Listeners are told of every change when it is stored, and of nothing that is not.
 * R5 Who reads here reads what the step under way makes of it: what was told of it is there for whoever has heard it.
 */
import { asFlError, FlError } from "../../src/errors.ts";
import { decode } from "../../src/wire/codec.ts";
import { type ExperimentRecord, event, type Review } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import type { Row, Rows, Wire } from "../../src/wire/wire.ts";
import { type Announcement, Ledger, type Owned } from "../ledger.ts";
import { hasEnded, withReview } from "./lifecycle.ts";

export type Change = {
  readonly record: ExperimentRecord;
  readonly told?: Announcement | undefined;
};
type Listener = (name: string, record: ExperimentRecord | undefined) => void;

/** another Director, which is about to notice that it has a successor */
const TRIES = 5;

export class Records {
  readonly #wire: Wire;
  readonly #rows: Rows<"{exp}", ExperimentRecord>;
  /** whose each one is */
  readonly #owners = new Map<string, string>();
  readonly #listeners = new Set<Listener>();
  /** the last step of each record that has one under way */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** submissions of removed experiments: one may have been on its way here again when it was erased */
  readonly #forgotten = new Set<number>();

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
    await this.#over(exp);
    return (await this.#row(exp))?.value;
  }

  /** @throws FL_NOT_FOUND */
  async present(exp: string): Promise<ExperimentRecord> {
    await this.#over(exp);
    return (await this.#present(exp)).value;
  }

  /** Undefined if there is no such experiment. */
  ownerOf(exp: string): string | undefined {
    return this.#owners.get(exp);
  }

  /** All, in the order of submission. */
  async list(): Promise<ExperimentRecord[]> {
    await Promise.all([...this.#turns.keys()].map((exp) => this.#over(exp)));
    const rows = await this.#rows.all();
    for (const { value } of rows) this.#owners.set(value.name, value.owner);
    return rows.map((r) => r.value).sort((a, b) => a.seq - b.seq);
  }

  /** Calls the listener after each change, with undefined for a record that is gone (R4). Returns what ends it. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls the listener when an experiment has ended. Returns what ends it. */
  onEnd(listener: (name: string) => void): () => void {
    return this.onChange((name, record) => record !== undefined && hasEnded(record) && listener(name));
  }

  /**
   * Makes the record of a new experiment. @returns the one that has the name: this one, unless it came later (R1), or has
   * been removed already
   */
  make(record: ExperimentRecord, told?: Announcement): Promise<ExperimentRecord> {
    return this.#turn(record.name, async () => {
      if (this.#forgotten.has(record.seq)) return record;
      const found = (await this.#row(record.name))?.value;
      if (found !== undefined) {
        // its own submission comes again if the Director died before it was acknowledged, maybe before it was told
        if (found.seq === record.seq && found.state === record.state) await this.#tell(owned(record), told);
        return found;
      }
      // what collaborators of a removed experiment have said since belongs to no other of its name
      await this.#purge(subjects.metric, owned(record));
      await this.#tell(owned(record), told);
      try {
        await this.#rows.create({ exp: record.name }, record);
      } catch (e) {
        if (!(e instanceof FlError) || e.code !== "FL_EXISTS") throw e;
        return (await this.#row(record.name))?.value ?? record;
      }
      this.#changed(record.name, record);
      return record;
    });
  }

  /**
   * One step of one record (R2, R3). `next` is given the present record, and maybe again: a step that leaves it as it is
   * writes nothing. @returns what is stored then. @throws FL_NOT_FOUND, and what `next` throws
   */
  change(exp: string, next: (record: ExperimentRecord) => Change): Promise<ExperimentRecord> {
    return this.#turn(exp, async () => {
      for (let tries = 1; ; tries++) {
        const { value, revision } = await this.#present(exp);
        const { record, told } = next(value);
        if (record === value) return value;
        await this.#tell(owned(value), told, revision);
        try {
          await this.#rows.update({ exp }, record, revision);
        } catch (e) {
          if (asFlError(e).code === "FL_FENCED" && tries < TRIES) continue;
          throw e;
        }
        this.#changed(exp, record);
        return record;
      }
    });
  }

  /**
   * Adds a reviewer's verdict, unless it is there already or the experiment has ended.
   * @throws FL_NOT_FOUND, FL_STATE if it is about something else
   */
  review(exp: string, review: Review): Promise<ExperimentRecord> {
    return this.change(exp, (record) => ({ record: withReview(record, review) }));
  }

  /** The name is free again; the submission that had taken it takes it no more, should it come again (R1). */
  forget(record: Pick<ExperimentRecord, "name" | "owner" | "seq">): Promise<void> {
    const { name: exp, seq } = record;
    return this.#turn(exp, async () => {
      this.#forgotten.add(seq);
      await (await this.#wire.journal("submissions")).erase(seq);
      await Promise.all([this.#purge(subjects.metric, owned(record)), this.#purge(subjects.event, owned(record))]);
      await this.#rows.delete({ exp });
      this.#changed(exp, undefined);
    });
  }

  /** Tells something that no change goes with, after whatever is under way. */
  announce(of: Owned, told: Announcement): Promise<void> {
    return this.#turn(of.exp, () => this.#tell(of, told));
  }

  /** Resolves when the record satisfies the predicate, or after a time, with what there is then; undefined: it is gone. */
  async until(
    exp: string,
    holds: (record: ExperimentRecord) => boolean,
    withinMs: number,
  ): Promise<ExperimentRecord | undefined> {
    let seen: { record: ExperimentRecord | undefined } | undefined;
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        end();
        cancel();
        resolve();
      };
      const look = (record: ExperimentRecord | undefined): void => {
        seen = { record };
        if (record === undefined || holds(record)) done();
      };
      const end = this.onChange((name, record) => name === exp && look(record));
      const cancel = this.#wire.ports.clock.after(withinMs, done);
      this.get(exp).then(look, (e) => {
        done();
        reject(e);
      });
    });
    return seen === undefined ? this.get(exp) : (seen as { record: ExperimentRecord | undefined }).record;
  }

  #changed(exp: string, record: ExperimentRecord | undefined): void {
    if (record === undefined) this.#owners.delete(exp);
    else this.#owners.set(exp, record.owner);
    for (const listener of [...this.#listeners]) listener(exp, record);
  }

  /** R5 */
  async #over(exp: string): Promise<void> {
    await this.#turns.get(exp)?.catch(() => {});
  }

  #turn<T>(exp: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(exp) ?? Promise.resolve();
    const turn = before.catch(() => {}).then(work);
    this.#turns.set(exp, turn);
    const over = (): void => {
      if (this.#turns.get(exp) === turn) this.#turns.delete(exp);
    };
    turn.then(over, over);
    return turn;
  }

  async #purge(subject: typeof subjects.metric | typeof subjects.event, of: Owned): Promise<void> {
    const journal = await this.#wire.journal(subject === subjects.metric ? "metrics" : "events");
    await journal.purge(this.#wire.wildcard(subject as typeof subjects.metric, of));
  }

  /** R3: `revision` is that of the record the step starts from, and the same in its repetition. */
  async #tell(of: Owned, told: Announcement | undefined, revision?: number): Promise<void> {
    if (told === undefined) return;
    const key = revision === undefined ? told.key : String(revision);
    if (revision !== undefined && (await this.#isTold(of, told))) return;
    const ledger = await Ledger.open(this.#wire, of, "director");
    ledger.announce({ ...told, key });
    await ledger.settle();
  }

  async #isTold(of: Owned, { type, detail }: Announcement): Promise<boolean> {
    const journal = await this.#wire.journal("events");
    const last = await journal.last(this.#wire.subject(subjects.event, { ...of, origin: "director" }));
    if (last === undefined) return false;
    const said = decode(event, last.data, last.contentType, last.subject);
    return said.type === type && said.detail.attempt === detail.attempt;
  }

  async #row(exp: string): Promise<Row<ExperimentRecord> | undefined> {
    const row = await this.#rows.get({ exp });
    if (row !== undefined) this.#owners.set(exp, row.value.owner);
    return row;
  }

  async #present(exp: string): Promise<Row<ExperimentRecord>> {
    const row = await this.#row(exp);
    if (row === undefined) throw new FlError("FL_NOT_FOUND", { reason: `there is no experiment ${exp}` });
    return row;
  }
}

export const owned = ({ owner, name }: Pick<ExperimentRecord, "owner" | "name">): Owned => ({ owner, exp: name });
