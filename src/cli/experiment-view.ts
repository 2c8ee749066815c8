/** One experiment as lines: for programs, and for people. */

import { accuracyIn, ratingOf } from "../client/rounds.ts";
import { listed, planOf } from "../description.ts";
import { codes } from "../errors.ts";
import type { ExperimentRecord, Failure, RoundRecord, Waiting } from "../wire/messages.ts";
import type { Console } from "./console.ts";
import { ago, decimal, duration, percent } from "./figures.ts";

/** What a record and the newest round's say together. */
export function summed(record: ExperimentRecord, round: RoundRecord | undefined) {
  const plan = planOf(record);
  const metrics = record.outcome?.metrics ?? round?.metrics ?? {};
  const best = record.outcome?.best ?? round?.best ?? null;
  return {
    metrics,
    accuracy: plan === undefined ? null : accuracyIn(ratingOf(plan), metrics),
    best: best && { round: best.round, metric: best.metric, value: best.value },
    // the round that rates the final model is none of the plan's
    round: round === undefined ? null : Math.min(round.round, record.rounds),
  };
}

export function emitExperiment(
  out: Console,
  record: ExperimentRecord,
  row: RoundRecord | undefined,
  waiting: Waiting | null = null,
): void {
  const { name, owner, state, attempt, priority, rounds, collaborators, reviews, failure } = record;
  const { submitted_at, started_at, ended_at, deadline_at } = record;
  const { metrics, accuracy, best, round } = summed(record, row);
  const { tasks, progress } = listed(record, row);
  out.emit("experiment", {
    ...{
      name,
      owner,
      state,
      attempt,
      priority,
      round,
      rounds,
      progress,
      tasks,
      accuracy,
      metrics,
      best,
      collaborators,
      reviews,
    },
    ...{ submitted_at, started_at, ended_at, deadline_at, waiting, failure },
  });
}

/** state, rounds, times, metrics, and why it failed */
export function experimentLines(
  out: Console,
  record: ExperimentRecord,
  row: RoundRecord | undefined,
  now: number,
  waiting: Waiting | null = null,
): string[] {
  const { metrics, accuracy, best, round } = summed(record, row);
  const { name, owner, state, order, attempt, priority, rounds, failure } = record;
  const { submitted_at, started_at, ended_at, deadline_at } = record;
  const at = round === null || state === "finished" ? "" : `, round ${round} of ${rounds}`;
  const told = ended_at === null && order !== null ? `, told to ${order.verb}` : "";
  const lines = [`${out.paint.bold(name)}  ${words[state]}${at}${told}`];
  const field = (label: string, text: string): void => {
    lines.push(`  ${label.padEnd(10)} ${text}`);
  };
  if (waiting !== null) field("waits for", waiting.reason);
  if (started_at !== null) field("time", duration((ended_at ?? now) - started_at));
  if (deadline_at !== null && ended_at === null) field("deadline", `in ${duration(Math.max(0, deadline_at - now))}`);
  field("submitted", `${ago(submitted_at, now)} by ${owner}`);
  if (attempt > 1) field("attempt", String(attempt));
  if (priority !== 0) field("priority", String(priority));
  for (const [i, line] of reviewedLines(record, now).entries()) field(i === 0 ? "reviews" : "", line);
  if (accuracy !== null) field("accuracy", percent(accuracy));
  if (best !== null) field("best", `${best.metric} ${decimal(best.value)} after round ${best.round}`);
  for (const [i, line] of metricLines(metrics).entries()) field(i === 0 ? "metrics" : "", line);
  if (failure !== null) lines.push(...failureLines(out, failure));
  return lines;
}

/** Decisions of people, and rejections; that a reviewer called `auto` approves is no news. */
function reviewedLines({ reviews }: ExperimentRecord, now: number): string[] {
  return reviews
    .filter(({ approved, by }) => !approved || by !== "auto")
    .map(({ role, name, by, at, approved, reason }) => {
      const who = role === name ? role : `${role} ${name}`;
      return `${who} ${approved ? "approved" : "rejected"} by ${by}, ${ago(at, now)}${reason === null ? "" : `: ${reason}`}`;
    });
}

/** one line a task; how many samples they are of is left to --json */
function metricLines(metrics: Readonly<Record<string, number>>): string[] {
  const tasks = new Map<string, string[]>();
  for (const [name, value] of Object.entries(metrics)) {
    const dot = name.indexOf(".");
    const [task, metric] = [name.slice(0, dot), name.slice(dot + 1)];
    if (metric !== "samples") tasks.set(task, [...(tasks.get(task) ?? []), `${metric} ${decimal(value)}`]);
  }
  const width = Math.max(0, ...[...tasks.keys()].map((task) => task.length));
  return [...tasks].map(([task, values]) => `${task.padEnd(width)}  ${values.join("  ")}`);
}

export const words: Record<ExperimentRecord["state"], string> = {
  pending: "waiting",
  in_review: "in review",
  in_progress: "running",
  paused: "paused",
  finished: "finished",
  failed: "failed",
  rejected: "rejected",
  cancelled: "cancelled",
};

/** role, name, round, code, message, detail, stack, hint */
export function failureLines({ paint }: Pick<Console, "paint">, { role, name, round, error }: Failure): string[] {
  const where = `${role} ${name}${round === null ? "" : `, round ${round}`}`;
  const { reason: _, ...detail } = error.detail;
  const hint = codes[error.code].hint;
  return [
    `  ${"failed at".padEnd(10)} ${where}`,
    `  ${"cause".padEnd(10)} ${paint.red(error.code)}  ${error.message}`,
    ...(Object.keys(detail).length === 0 ? [] : [`  ${"detail".padEnd(10)} ${JSON.stringify(detail)}`]),
    ...(hint === "" ? [] : [`  ${"".padEnd(10)} ${paint.dim(hint)}`]),
    ...(error.stack === undefined ? [] : error.stack.split("\n").map((line) => `    ${paint.dim(line)}`)),
  ];
}
