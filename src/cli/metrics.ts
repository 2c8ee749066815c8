/** `entente metrics EXPERIMENT`: every value that was measured, in order; with --follow until the experiment has ended. */
import { type PlaceOptions, withFederation, withPlace } from "./place.ts";
import { interruption } from "./signals.ts";
import type { Verb } from "./verb.ts";

export const metrics: Verb = (program, action) =>
  withPlace(program.command("metrics <experiment>").description("Print what was measured."))
    .option("--follow", "go on until the experiment has ended")
    .action(
      action<PlaceOptions & { follow?: boolean }, [string]>((options, out, experiment) =>
        withFederation(options, async (federation) => {
          const reading = { follow: options.follow, signal: interruption() };
          for await (const metric of federation.metrics(experiment, reading)) {
            const { v: _, ...fields } = metric;
            out.emit("metric", fields);
            const name = `${metric.task}.${metric.metric}`;
            out.say(
              `${String(metric.round).padStart(5)}  ${metric.origin.padEnd(14)}  ${name.padEnd(26)}  ${shown(metric.value)}`,
            );
          }
          return 0;
        }),
      ),
    );

const shown = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(6));
