/** `entente cancel EXPERIMENT`: ends an experiment that has not ended. */
import { type OwnerOptions, withFederation, withOwner } from "./place.ts";
import type { Verb } from "./verb.ts";

export const cancel: Verb = (program, action) =>
  withOwner(program.command("cancel <experiment>").description("End an experiment that waits, rests or runs.")).action(
    action<OwnerOptions, [string]>((options, out, experiment) =>
      withFederation(options, async (federation) => {
        await federation.experiment(experiment).cancel();
        out.emit("cancelled", { experiment });
        out.say(`${experiment} is being cancelled.`);
        return 0;
      }),
    ),
  );
