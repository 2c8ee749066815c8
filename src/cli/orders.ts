/**
 * Orders on one's own experiments: `entente pause | resume | retry | priority | deadline | fail | remove`.
 *
 * O1 The Director answers when the order is in its record: it is carried out then, whatever becomes of this command. What
 *    takes longer than the answer is said so.
 */
import { type Command, InvalidArgumentError } from "commander";
import type { Experiment } from "../client/experiment.ts";
import { durationMs, momentMs } from "../plan/duration.ts";
import type { ExperimentState } from "../wire/messages.ts";
import { words } from "./experiment-view.ts";
import { number } from "./options.ts";
import { type OwnerOptions, withFederation, withOwner } from "./place.ts";
import type { Action, Verb } from "./verb.ts";

type Give<O> = (experiment: Experiment, options: O) => Promise<ExperimentState | undefined>;

/** One order as a command of its own. */
function order<O extends object>(
  verb: string,
  description: string,
  give: Give<O>,
  more: (command: Command) => Command = (command) => command,
): Verb {
  return (program: Command, action: Action) =>
    more(withOwner(program.command(`${verb} <experiment>`).description(description))).action(
      action<OwnerOptions & O, [string]>((options, out, experiment) =>
        withFederation(options, async (federation) => {
          const state = (await give(federation.experiment(experiment), options)) ?? null;
          out.emit("ordered", { experiment, order: verb, state });
          const still = state === "in_progress" && verb !== "resume" && verb !== "deadline" ? "still " : "";
          out.say(state === null ? `${experiment} is gone.` : `${experiment} is ${still}${words[state]}.`);
          return 0;
        }),
      ),
    );
}

export const pause = order("pause", "Let an experiment rest: its envoys are free, its checkpoint stays.", (e) =>
  e.pause(),
);
export const resume = order("resume", "Let a paused experiment go on where it was.", (e) => e.resume());
export const retry = order<{ fresh?: boolean }>(
  "retry",
  "Run an experiment that failed, was rejected or cancelled once more, from its last checkpoint.",
  (e, { fresh = false }) => e.retry({ fresh }),
  (command) => command.option("--fresh", "start over instead"),
);
export const priority = order<{ to: number }>(
  "priority",
  "Move an experiment that waits: higher goes first.",
  (e, { to }) => e.prioritise(to),
  (command) => command.requiredOption("--to <n>", "its priority, a whole number", number),
);
export const deadline = order<{ in?: number; at?: number }>(
  "deadline",
  "Say until when a whole experiment must have ended; without an option it may take as long as it takes.",
  (e, { in: withinMs, at }) => e.limit(withinMs !== undefined ? { withinMs } : at !== undefined ? { at } : null),
  (command) =>
    command
      .option("--in <duration>", "from its start, such as 2h", duration)
      .option("--at <time>", "a point in time, such as 2031-05-01T18:00:00Z", moment),
);
export const fail = order<{ reason: string }>(
  "fail",
  "End an experiment as failed.",
  (e, { reason }) => e.fail(reason),
  (command) => command.requiredOption("--reason <text>", "why, for whoever reads its record"),
);
export const remove = order("remove", "Free all that is kept of an experiment; it ends first.", (e) => e.remove());

function duration(text: string): number {
  const ms = durationMs(text);
  if (ms === undefined) throw new InvalidArgumentError("it must be a duration such as 2h, at most 24d.");
  return ms;
}

function moment(text: string): number {
  const at = momentMs(text);
  if (at === undefined) throw new InvalidArgumentError("it must be a point in time such as 2031-05-01T18:00:00Z.");
  return at;
}
