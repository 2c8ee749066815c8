/** `entente describe EXPERIMENT`: how far it is, which models there are, its tasks, and what each collaborator is at. */
import type { Description } from "../wire/requests.ts";
import type { Console } from "./console.ts";
import { words } from "./experiment-view.ts";
import { percent } from "./figures.ts";
import { type OwnerOptions, withFederation, withOwner } from "./place.ts";
import { table } from "./table.ts";
import type { Verb } from "./verb.ts";

export const describe: Verb = (program, action) =>
  withOwner(
    program
      .command("describe <experiment>")
      .description("Show how far an experiment is, its models and tasks, and what each collaborator is at."),
  ).action(
    action<OwnerOptions, [string]>((options, out, experiment) =>
      withFederation(options, async (federation) => {
        show(out, await federation.experiment(experiment).describe());
        return 0;
      }),
    ),
  );

function show(out: Console, description: Description): void {
  out.emit("description", description);
  const { name, state, round, rounds, progress, waiting, models, tasks, collaborators } = description;
  const field = (label: string, text: string): void => out.say(`  ${label.padEnd(10)} ${text}`);
  out.say(`${out.paint.bold(name)}  ${words[state]}`);
  if (waiting !== null) field("waits for", waiting.reason);
  field("round", `${round ?? "–"} of ${rounds}, ${percent(progress, 0)} done`);
  const has = (rounds: number | null): string => (rounds === null ? "none yet" : `after ${rounds} rounds`);
  const kept = models.kept.length === 0 ? "" : `; rounds ${models.kept.join(", ")} are kept`;
  field("models", `best ${has(models.best)}, last ${has(models.last)}${kept}`);
  field("tasks", tasks.map(({ label }) => label).join(", "));
  if (collaborators.length === 0) return;
  out.say();
  const columns = [
    { head: "collaborator" },
    { head: "online" },
    { head: "state" },
    { head: "round", align: "right" as const },
    { head: "task" },
    { head: "done", align: "right" as const },
    { head: "next" },
  ];
  const rows = collaborators.map(({ name: who, online, state: at, round: n, doing, done, total, next }) => [
    ...[who, online === null ? "?" : online ? "yes" : "no", at ?? "–", n === null ? "" : String(n), doing],
    ...[total > 0 ? percent(Math.min(1, done / total), 0) : "", next ?? ""],
  ]);
  out.rows(table(columns, rows, out.paint.dim));
}
