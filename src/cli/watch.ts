/** Following one experiment from its first event to its end, as `submit --wait` and `demo` show it. */
import type { Experiment } from "../client/experiment.ts";
import { type RoundRow, Rounds } from "../client/rounds.ts";
import { parsePlan } from "../plan/plan.ts";
import { type Event, type ExperimentRecord, type Progress, type Waiting, waiting } from "../wire/messages.ts";
import type { Console } from "./console.ts";
import { decimal, percent } from "./figures.ts";

export type Watcher = {
  onRow?(row: RoundRow, rounds: Rounds): void;
  onEvent?(event: Event, rounds: Rounds): void;
  onProgress?(progress: Progress): void;
};

/** Resolves with the record of the ended experiment. @throws the signal's reason */
export async function watch(experiment: Experiment, watcher: Watcher, signal: AbortSignal): Promise<ExperimentRecord> {
  const { submission } = await experiment.recorded(signal);
  const rounds = new Rounds(parsePlan(submission.plan));
  const end = experiment.onProgress((progress) => watcher.onProgress?.(progress));
  try {
    for await (const event of experiment.events({ signal })) {
      const row = rounds.take(event);
      if (row !== undefined) watcher.onRow?.(row, rounds);
      watcher.onEvent?.(event, rounds);
    }
    for (const row of rounds.unrated) watcher.onRow?.(row, rounds);
  } finally {
    end();
  }
  return experiment.record();
}

/** What an event says that the experiment begins to wait for; undefined if it says something else. */
export function waitingIn({ type, detail }: Event): Waiting | undefined {
  return type === "experiment.waiting" ? waiting.safeParse(detail).data : undefined;
}

/** What is worth a line on its own; undefined for the rest. */
export function remarkOf(event: Event): string | undefined {
  const { type, round, detail, failure } = event;
  const who = String(detail.collaborator ?? "");
  const why = detail.error as { code?: string; message?: string } | undefined;
  switch (type) {
    case "collaborator.joined":
      return `${who} takes part from now on (round ${round})`;
    case "collaborator.lost":
      return `${who} is silent (round ${round})`;
    case "collaborator.returned":
      return `${who} is back (round ${round})`;
    case "collaborator.failed":
    case "update.refused":
      return `${who}: ${why?.code} ${why?.message} (round ${round})`;
    case "aggregator.restarted":
      return `the aggregator was restarted (round ${round})`;
    case "experiment.waiting":
      return `it waits for ${waitingIn(event)?.reason}`;
    case "experiment.paused":
      return "it is paused";
    case "experiment.resumed":
    case "experiment.retried":
      return "it is in the queue again";
    case "experiment.rejected":
      return `rejected: ${failure?.error.message}`;
    case "experiment.failed":
      return `failed: ${failure?.error.code} ${failure?.error.message}`;
    default:
      return undefined;
  }
}

export const emitRow = (out: Console, experiment: string, rounds: number, row: RoundRow): void => {
  const { round, accuracy, loss, trainLoss: train_loss, seconds } = row;
  out.emit("round", { experiment, round, rounds, accuracy, loss, train_loss, seconds });
};

/** A row where nothing can be redrawn. */
export const rowLine = (rounds: number, { round, accuracy, loss, seconds }: RoundRow): string => {
  const said = accuracy === null ? "" : `  accuracy ${percent(accuracy).padStart(8)}`;
  const lost = loss === null ? "" : `  loss ${decimal(loss)}`;
  return `round ${String(round).padStart(String(rounds).length)}/${rounds}${said}${lost}  ${seconds.toFixed(1)} s`;
};
