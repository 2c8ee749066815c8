/**
 * Those who come after the start, where the plan lets them join: each looks at the experiment first, and is then one of those
 * who take part.
 *
 * J1 What is to be done follows from the record, who is there and who is free, and is looked at whenever one of them changes.
 * J2 Whoever joins is in the record before it is given the experiment to run: the next Director gives it to the same.
 * J3 It joins only if it has approved and is free; from then on it is taken. What it rejects goes on without it.
 * J4 An experiment that is closed here takes nobody up any more, and nothing is under way for it: what was given can be taken back.
 */

import type { Log } from "../../src/ports.ts";
import type { ExperimentRecord } from "../../src/wire/messages.ts";
import { given } from "../reviewer/review.ts";
import type { Envoys } from "./envoys.ts";
import { joined } from "./lifecycle.ts";
import type { Records } from "./records.ts";
import { subjectOf } from "./reviews.ts";
import { wantedOf } from "./wanted.ts";

export type JoiningOptions = {
  readonly records: Pick<Records, "change" | "onChange">;
  readonly envoys: Pick<Envoys, "assign" | "release" | "names" | "online">;
  readonly log: Log;
  /** whether nobody else has this envoy */
  readonly isFree: (envoy: string) => boolean;
};

type Open = {
  record: ExperimentRecord;
  /** those whom it was given to, to look at or to run */
  readonly asked: Set<string>;
  /** J3 */
  readonly taken: Set<string>;
  readonly work: Set<Promise<void>>;
};

export class Joining {
  readonly #options: JoiningOptions;
  readonly #open = new Map<string, Open>();
  readonly #end: () => void;

  constructor(options: JoiningOptions) {
    this.#options = options;
    this.#end = options.records.onChange((name, record) => {
      const open = this.#open.get(name);
      if (open === undefined || record === undefined) return;
      open.record = record;
      this.look();
    });
  }

  /** It runs from now on: others may join, if its plan lets them. */
  open(record: ExperimentRecord): void {
    if (!wantedOf(record).join) return;
    this.#open.set(record.name, { record, asked: new Set(), taken: new Set(), work: new Set() });
    this.look();
  }

  /** J4. @returns those whom it was given to here */
  async close(name: string): Promise<readonly string[]> {
    const open = this.#open.get(name);
    if (open === undefined) return [];
    this.#open.delete(name);
    while (open.work.size > 0) await Promise.all(open.work);
    return [...open.asked];
  }

  /** Those who are about to take part in it. */
  takenBy(name: string): readonly string[] {
    return [...(this.#open.get(name)?.taken ?? [])];
  }

  /** J1: records are followed here; whoever makes this tells of envoys and of who is free. */
  look(): void {
    for (const open of this.#open.values()) for (const envoy of this.#missing(open)) this.#lookAt(open, envoy);
  }

  #missing({ record }: Open): string[] {
    if (record.state !== "in_progress" || record.order !== null) return [];
    const { envoys } = this.#options;
    const { collaborators } = wantedOf(record);
    const names = collaborators === "all" ? envoys.names() : collaborators;
    return names.filter((name) => !record.collaborators.includes(name) && envoys.online(name));
  }

  #lookAt(open: Open, envoy: string): void {
    const { envoys, isFree } = this.#options;
    const { record, asked, taken } = open;
    const verdict = given(record.reviews, subjectOf(record, "envoy", envoy));
    if (verdict === undefined) {
      if (asked.has(envoy)) return;
      asked.add(envoy);
      this.#do(open, envoy, () => envoys.assign(envoy, record, "review"));
    } else if (verdict.approved && !taken.has(envoy) && isFree(envoy)) {
      asked.add(envoy);
      taken.add(envoy);
      this.#do(open, envoy, () => this.#join(record, envoy));
    } else if (!verdict.approved && asked.delete(envoy)) {
      this.#do(open, envoy, () => envoys.release(envoy, record.name));
    }
  }

  /** J2 */
  async #join({ name, attempt }: ExperimentRecord, envoy: string): Promise<void> {
    const { records, envoys, log } = this.#options;
    const record = await records.change(name, (before) => ({
      record: before.attempt === attempt ? joined(before, envoy) : before,
    }));
    if (record.attempt !== attempt || !record.collaborators.includes(envoy)) return;
    await envoys.assign(envoy, record, "run");
    log.info({ experiment: name, envoy }, "joins");
  }

  #do(open: Open, envoy: string, work: () => Promise<void>): void {
    const done: Promise<void> = work()
      .catch((e) => {
        open.asked.delete(envoy); // the next look tries again
        open.taken.delete(envoy);
        this.#options.log.warn({ experiment: open.record.name, envoy, err: e }, "could not be taken up");
      })
      .finally(() => open.work.delete(done));
    open.work.add(done);
  }

  stop(): void {
    this.#end();
    this.#open.clear();
  }
}
