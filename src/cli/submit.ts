/** `entente submit PLAN`: bundles the workspace and hands the experiment in; it runs when a Director takes it. */

import type { Experiment } from "../client/experiment.ts";
import { initialModel } from "../client/initial.ts";
import { prepareExperiment } from "../client/prepare.ts";
import { FlError } from "../errors.ts";
import type { Console } from "./console.ts";
import { emitExperiment, experimentLines } from "./experiment-view.ts";
import { type OwnerOptions, withFederation, withOwner } from "./place.ts";
import { interruption } from "./signals.ts";
import type { Verb } from "./verb.ts";
import { emitRow, remarkOf, rowLine, waitingIn, watch } from "./watch.ts";

type SubmitOptions = OwnerOptions & { workspace?: string; name?: string; model?: string; wait?: boolean };

export const submit: Verb = (program, action) =>
  withOwner(program.command("submit <plan>").description("Hand in an experiment: a plan and its workspace."))
    .option("--workspace <path>", "the workspace's source; default: the plan's")
    .option("--name <name>", "the experiment's name; default: the plan's, or its file's")
    .option("--model <file>", "begin with these weights, a safetensors file; default: new ones, by the plan's seed")
    .option("--wait", "show its rounds and wait until it has ended")
    .action(
      action<SubmitOptions, [string]>(async ({ workspace, name, model, wait, ...place }, out, planFile) => {
        const prepared = await prepareExperiment({ planFile, workspace, name });
        const initial = model === undefined ? undefined : await initialModel(model);
        return withFederation(place, async (federation) => {
          const submitted = await federation.submit(prepared, { model: initial, signal: interruption() });
          const { state, seq, error, experiment, strangers } = submitted;
          if (error?.code === "FL_EXISTS")
            throw new FlError("FL_EXISTS", { ...error.detail, hint: "give it another --name" });
          if (error !== undefined) throw error;
          out.emit("submitted", {
            experiment,
            state: state === "stored" ? "stored" : "accepted",
            seq,
            archive: prepared.digest,
          });
          out.say(
            state === "accepted"
              ? `${experiment} is accepted.`
              : `${experiment} is queued; no Director is running yet, and the next one takes it.`,
          );
          for (const { name, near } of strangers) {
            const meant = near === undefined ? "" : ` (did you mean ${near}?)`;
            out.notice(`no envoy has ever registered as ${name}${meant}; the experiment may wait until one does`);
          }
          return wait ? waited(federation.experiment(submitted), prepared.plan.rounds, out) : 0;
        });
      }),
    );

async function waited(handle: Experiment, rounds: number, out: Console): Promise<number> {
  const { name: experiment } = handle;
  const record = await watch(
    handle,
    {
      onRow: (row) => {
        emitRow(out, experiment, rounds, row);
        out.say(rowLine(rounds, row));
      },
      onEvent: (event) => {
        const ended = event.type === "experiment.failed" || event.type === "experiment.rejected";
        const remark = ended ? undefined : remarkOf(event);
        const waiting = waitingIn(event);
        if (waiting !== undefined) {
          out.emit("waiting", { experiment, ...waiting });
          out.aside(`${experiment} waits for ${waiting.reason}`);
        } else if (remark !== undefined) out.notice(remark);
      },
    },
    interruption(),
  );
  const { round } = await handle.status();
  emitExperiment(out, record, round);
  out.say();
  for (const line of experimentLines(out, record, round, Date.now())) out.say(line);
  return record.state === "finished" ? 0 : 1;
}
