/**
 * An experiment in figures: how far it is, what there is of it, and who is at what. From its records and what its Aggregator said
 * last; the Director makes it for owners, and a client where no Director answers.
 *
 * DE1 What is not known is null or absent, never guessed: without an Aggregator's word nobody is at anything.
 */
import { type Plan, parsePlan } from "./plan/plan.ts";
import type { ExperimentRecord, Progress, RoundRecord, Waiting } from "./wire/messages.ts";
import type { Description, Listed } from "./wire/requests.ts";

export type Known = {
  readonly record: ExperimentRecord;
  /** the newest, if there is one */
  readonly round: RoundRecord | undefined;
  readonly progress: Progress | null;
  readonly waiting: Waiting | null;
  /** whether an envoy is online; null if nobody knows */
  readonly online: (envoy: string) => boolean | null;
};

/** A record may be of a submission whose plan was refused. */
export function planOf({ submission }: Pick<ExperimentRecord, "submission">): Plan | undefined {
  try {
    return parsePlan(submission.plan);
  } catch {
    return undefined;
  }
}

export function listed(record: ExperimentRecord, round: RoundRecord | undefined): Listed {
  return { ...record, tasks: planOf(record)?.tasks.length ?? 0, ...far(record, round) };
}

export function described({ record, round, progress, waiting, online }: Known): Description {
  const { name, owner, state, attempt, rounds, outcome, collaborators } = record;
  const runs = state === "in_progress" && progress !== null ? progress : null;
  const tasks = (planOf(record)?.tasks ?? []).map(({ label, task, on = null, trains }) => ({
    label,
    task,
    on,
    trains,
  }));
  const last = outcome?.rounds ?? (round?.model ? round.trained : null);
  const best = outcome === null ? (round?.best?.round ?? null) : (outcome.best?.round ?? outcome.rounds);
  return {
    ...{ name, owner, state, attempt, rounds, ...far(record, round), tasks, waiting },
    models: { best, last, kept: [...(round?.kept ?? [])] },
    collaborators: collaborators.map((collaborator) => {
      const peer = runs?.peers.find((p) => p.name === collaborator);
      const labels = (runs?.round === round?.round ? round?.assigned[collaborator] : undefined) ?? [];
      const { state: at = "absent", doing = "", done = 0, total = 0 } = peer ?? {};
      const place = labels.indexOf(doing);
      const ahead = at === "accepted" || at === "offering" || at === "failed" ? [] : labels.slice(place + 1);
      return {
        ...{ name: collaborator, online: online(collaborator), state: runs === null ? null : at, doing, done, total },
        ...{ round: runs?.round ?? null, task: place < 0 ? null : doing, next: ahead[0] ?? null },
      };
    }),
  };
}

/** The round that is open, or was last; and how much is done, by the rounds that have closed. */
function far(
  { state, rounds }: ExperimentRecord,
  round: RoundRecord | undefined,
): { round: number | null; progress: number } {
  const closed = round === undefined || rounds === 0 ? 0 : Math.max(0, Math.min(1, (round.round - 1) / rounds));
  // the round that rates the final model is none of the plan's
  return {
    round: round === undefined ? null : Math.min(round.round, rounds),
    progress: state === "finished" ? 1 : closed,
  };
}
