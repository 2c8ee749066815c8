/**
 * Frees what is kept of an experiment: its rounds, models, metrics, events, its submission, what was uploaded for it unless
 * another of its owner's needs that, and last of all its record.
 *
 * M1 Every step may be repeated. The record goes last, so whichever Director finds it goes on.
 */
import type { ExperimentRecord, Submission } from "../../src/wire/messages.ts";
import { buckets, shelves, subjects } from "../../src/wire/table.ts";
import type { Wire } from "../../src/wire/wire.ts";
import type { Records } from "./records.ts";

export async function remove(wire: Wire, records: Records, name: string): Promise<void> {
  const [record, all] = await Promise.all([records.get(name), records.list()]);
  if (record === undefined) return;
  const others = all.filter((other) => other.name !== name);
  await Promise.all([
    wire.table(buckets.rounds).then((rounds) => rounds.delete({ exp: name })),
    wire.ports.store.removeJournal(wire.journalName("model", name)),
    removeModels(wire, record),
    removeUploads(wire, record, others),
  ]);
  await records.forget(record);
  wire.ports.log.info({ experiment: name }, "experiment removed");
}

type Others = readonly ExperimentRecord[];

/** Its models are named after it, and no name has a dot in it. */
async function removeModels(wire: Wire, { name }: ExperimentRecord): Promise<void> {
  const shelf = await wire.shelf(shelves.models);
  const objects = (await shelf.list()).filter((o) => o.name.startsWith(`${name}.`));
  await Promise.all(objects.map((o) => shelf.delete(o.name)));
}

/** The same bytes are uploaded once by an owner, whatever they are for. */
async function removeUploads(wire: Wire, { owner, submission }: ExperimentRecord, others: Others): Promise<void> {
  const uploads = await wire.journal("uploads");
  const kept = new Set(others.filter((o) => o.owner === owner).flatMap((o) => digestsOf(o.submission)));
  const doomed = digestsOf(submission).filter((digest) => !kept.has(digest));
  await Promise.all(doomed.map((digest) => uploads.purge(wire.wildcard(subjects.uploadChunk, { owner, digest }))));
}

const digestsOf = ({ archive, model }: Submission): string[] => [archive.digest, ...(model ? [model.digest] : [])];
