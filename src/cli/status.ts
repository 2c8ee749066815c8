/** `entente status`: all experiments, one of them, or the envoys. */
import type { ExperimentStatus } from "../client/experiment.ts";
import type { Federation } from "../client/federation.ts";
import { listed } from "../description.ts";
import type { EnvoyStatus, Progress } from "../wire/messages.ts";
import type { Console } from "./console.ts";
import { emitExperiment, experimentLines, summed, words } from "./experiment-view.ts";
import { ago, bytes, percent } from "./figures.ts";
import { type OwnerOptions, withFederation, withOwner } from "./place.ts";
import { table } from "./table.ts";
import type { Verb } from "./verb.ts";

export const status: Verb = (program, action) =>
  withOwner(program.command("status [experiment]").description("Show experiments, one of them, or the envoys."))
    .option("--envoys", "show the registered envoys")
    .action(
      action<OwnerOptions & { envoys?: boolean }, [string | undefined]>((options, out, experiment) =>
        withFederation(options, async (federation) => {
          if (experiment !== undefined) showOne(out, await federation.experiment(experiment).status());
          if (options.envoys) showEnvoys(out, await federation.envoys());
          else if (experiment === undefined) await showAll(out, federation);
          return 0;
        }),
      ),
    );

async function showAll(out: Console, federation: Federation): Promise<void> {
  const names = (await federation.list()).map((record) => record.name);
  const all = await Promise.all(names.map((name) => federation.experiment(name).status()));
  const now = Date.now();
  for (const { experiment, round, waiting } of all) emitExperiment(out, experiment, round, waiting);
  if (all.length === 0) {
    out.say("No experiments yet. entente submit PLAN hands one in.");
    return;
  }
  const rows = all.map(({ experiment, round: row }) => {
    const { round, accuracy } = summed(experiment, row);
    const { name, state, rounds, owner, submitted_at, collaborators } = experiment;
    const { tasks, progress } = listed(experiment, row);
    const at = round === null ? `– / ${rounds}` : `${round} / ${rounds}`;
    return [
      ...[name, words[state], at, percent(progress, 0), percent(accuracy)],
      ...[String(collaborators.length), String(tasks), ago(submitted_at, now), owner],
    ];
  });
  const columns = [
    { head: "experiment" },
    { head: "state" },
    { head: "round", align: "right" as const },
    { head: "done", align: "right" as const },
    { head: "accuracy", align: "right" as const },
    { head: "envoys", align: "right" as const },
    { head: "tasks", align: "right" as const },
    { head: "submitted", align: "right" as const },
    { head: "owner" },
  ];
  out.rows(table(columns, rows, out.paint.dim));
  for (const { experiment, waiting } of all) {
    if (waiting !== null) out.say(`${experiment.name} waits for ${waiting.reason}`);
  }
  if (all.some((s) => !s.director)) out.notice("No Director answers: this is what is stored.");
}

function showOne(out: Console, { experiment, round, progress, waiting, director }: ExperimentStatus): void {
  const now = Date.now();
  emitExperiment(out, experiment, round, waiting);
  for (const line of experimentLines(out, experiment, round, now, waiting)) out.say(line);
  if (progress !== null) {
    emitCollaborators(out, experiment.name, progress);
    emitAwaited(out, experiment.name, progress);
    out.say();
    out.rows(collaboratorTable(progress, now, out.paint.dim));
  }
  if (!director) out.notice("No Director answers: this is what is stored.");
}

export function emitCollaborators(out: Console, experiment: string, { peers }: Progress): void {
  for (const peer of peers) out.emit("collaborator", { experiment, ...peer });
}

/** A part elsewhere that the round cannot go on without. */
export function emitAwaited(out: Console, experiment: string, { waiting_for }: Progress): void {
  if (!waiting_for) return;
  const reason = `the part ${waiting_for}, which does not answer or is at work`;
  out.emit("waiting", { experiment, reason, for: [], ahead: [] });
  out.say(`  ${"waits for".padEnd(10)} ${reason}`);
}

/** Liveness and progress apart: when it was last heard of, and how far it is. */
export function collaboratorTable(progress: Progress, now: number, head: (text: string) => string): string[] {
  const columns = [
    { head: "collaborator", width: 12 },
    { head: "state", width: 8 },
    { head: "task", width: 15 },
    { head: "done", align: "right" as const, width: 5 },
    { head: "update", align: "right" as const, width: 7 },
    { head: "last seen", align: "right" as const, width: 9 },
  ];
  const rows = progress.peers.map(({ name, state, doing, done, total, bytes: n, seen_at }) => {
    const far = total > 0 ? percent(Math.min(1, done / total), 0) : "";
    return [name, state, doing, far, n > 0 ? bytes(n) : "", ago(seen_at, now)];
  });
  return table(columns, rows, head);
}

function showEnvoys(out: Console, envoys: readonly EnvoyStatus[]): void {
  const now = Date.now();
  for (const envoy of envoys) out.emit("envoy", envoy);
  if (envoys.length === 0) {
    out.say("No envoy has registered yet.");
    return;
  }
  const columns = [
    { head: "envoy" },
    { head: "state" },
    { head: "last seen", align: "right" as const },
    { head: "cpu", align: "right" as const },
    { head: "memory free", align: "right" as const },
    { head: "disk free", align: "right" as const },
    { head: "gpus", align: "right" as const },
    { head: "runs" },
    { head: "shard" },
  ];
  const rows = envoys.map(({ name, online, seen_at, report, running, description, sample_shape, target_shape }) => [
    name,
    online ? "online" : "away",
    ago(seen_at, now),
    report === null ? "" : percent(report.cpu.load, 0),
    report === null ? "" : bytes(report.memory.free),
    report === null || report.disk === null ? "" : bytes(report.disk.free),
    report === null ? "" : String(report.gpus.length),
    running
      .map(({ experiment, state }) =>
        [experiment ?? "another's", ...(state === "running" ? [] : [`(${state})`])].join(" "),
      )
      .join(", "),
    `[${sample_shape.join(", ")}] → [${target_shape.join(", ")}]  ${description}`,
  ]);
  out.rows(table(columns, rows, out.paint.dim));
}
