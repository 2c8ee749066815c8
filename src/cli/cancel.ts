/** `entente cancel EXPERIMENT`: ends an experiment that waits or runs. */
import { type PlaceOptions, withFederation, withPlace } from "./place.ts";
import type { Verb } from "./verb.ts";

export const cancel: Verb = (program, action) =>
  withPlace(program.command("cancel <experiment>").description("End an experiment that waits or runs.")).action(
    action<PlaceOptions, [string]>((options, out, experiment) =>
      withFederation(options, async (federation) => {
        await federation.experiment(experiment).cancel();
        out.emit("cancelled", { experiment });
        out.say(`${experiment} is being cancelled.`);
        return 0;
      }),
    ),
  );
