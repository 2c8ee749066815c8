/** `entente model EXPERIMENT`: the best model, the last, or that of a kept round, as files. */
import { whichName } from "../client/holdings.ts";
import { FlError } from "../errors.ts";
import { shortest, whole } from "./figures.ts";
import { number } from "./options.ts";
import { type OwnerOptions, withFederation, withOwner } from "./place.ts";
import type { Verb } from "./verb.ts";

type ModelOptions = OwnerOptions & { best?: boolean; last?: boolean; round?: number; out: string };

export const model: Verb = (program, action) =>
  withOwner(program.command("model <experiment>").description("Write a model to files; runs its workspace's code."))
    .option("--best", "the model that was rated best (default)")
    .option("--last", "the model of the newest round")
    .option("--round <n>", "the model of a round that the plan's checkpoints have kept", number)
    .requiredOption("--out <dir>", "folder for model.json, weights.bin and model.safetensors")
    .action(
      action<ModelOptions, [string]>((options, out, experiment) => {
        const { best, last, round } = options;
        if ([best, last, round].filter((o) => o !== undefined).length > 1)
          throw new FlError("FL_USAGE", { reason: "--best, --last and --round exclude each other" });
        return withFederation(options, async (federation) => {
          const handle = federation.experiment(experiment);
          const fetched = await handle.model(round !== undefined ? { round } : last ? "last" : "best");
          const { dir, files } = await handle.save(options.out, fetched);
          const { rounds, layout } = fetched;
          const which = whichName(fetched.which);
          out.emit("model", { experiment, which, rounds, parameters: layout.length, dir, files: [...files] });
          out.say(`${which} model of ${experiment}: ${rounds} rounds, ${whole(layout.length)} parameters`);
          for (const file of files) out.say(`  ${shortest(file)}`);
          return 0;
        });
      }),
    );
