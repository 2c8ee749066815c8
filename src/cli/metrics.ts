/**
 * `entente metrics EXPERIMENT`: every value that was measured, in order; with --follow until the experiment has ended; with
 * --sink written elsewhere.
 *
 * M1 A sink that fails is told of at once and ends; the others go on. Then the exit status is 1.
 */
import type { Poured } from "../../actors/sink/pour.ts";
import { resolveSink } from "../../actors/sink/resolve.ts";
import type { SinkMetric } from "../parts/sink.ts";
import type { Console } from "./console.ts";
import { whole } from "./figures.ts";
import { collect } from "./options.ts";
import { type OwnerOptions, withFederation, withOwner } from "./place.ts";
import { interruption } from "./signals.ts";
import type { Verb } from "./verb.ts";

type MetricsOptions = OwnerOptions & { follow?: boolean; sink?: string[] };

export const metrics: Verb = (program, action) =>
  withOwner(program.command("metrics <experiment>").description("Print what was measured, or write it elsewhere."))
    .option("--follow", "go on until the experiment has ended")
    .option(
      "--sink <sink>",
      "console, csv=FILE, ndjson=FILE, tensorboard=DIR or ./module.ts[=TARGET]; may be given again (default: console)",
      collect,
    )
    .action(
      action<MetricsOptions, [string]>(async ({ follow, sink = ["console"], ...place }, out, experiment) => {
        const sinks = await Promise.all(sink.map((text) => resolveSink(text)));
        return withFederation(place, async (federation) => {
          const poured = await federation.experiment(experiment).writeMetrics(sinks, {
            ...{ follow: follow ?? false, signal: interruption() },
            show: (metric) => showMetric(out, metric),
            ended: (one) => showEnd(out, experiment, one),
          });
          return poured.some(({ error }) => error !== null) ? 1 : 0; // M1
        });
      }),
    );

function showEnd(out: Console, experiment: string, { sink, error, written }: Poured): void {
  if (sink === "console" && error === null) return;
  const state = error === null ? "written" : "failed";
  const [code, reason] = [error?.code ?? null, error?.message ?? null];
  out.emit("sink", { experiment, sink, state, metrics: written, code, reason });
  if (error === null) out.say(`${sink}  ${whole(written)} metric${written === 1 ? "" : "s"} written`);
  else out.aside(`${out.paint.red(`sink ${sink} ${error.code}`)}  ${error.message}`);
}

function showMetric(out: Console, { seq: _, ...fields }: SinkMetric): void {
  out.emit("metric", fields);
  const { round, origin, task, metric, value } = fields;
  const name = `${task}.${metric}`.padEnd(26);
  out.say(`${String(round).padStart(5)}  ${origin.padEnd(14)}  ${name}  ${shown(value)}`);
}

const shown = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(6));
