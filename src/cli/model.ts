/** `entente model EXPERIMENT`: the best or the last model as files. */
import { FlError } from "../errors.ts";
import { shortest, whole } from "./figures.ts";
import { type OwnerOptions, withFederation, withOwner } from "./place.ts";
import type { Verb } from "./verb.ts";

type ModelOptions = OwnerOptions & { best?: boolean; last?: boolean; out: string };

export const model: Verb = (program, action) =>
  withOwner(program.command("model <experiment>").description("Write a model to files; runs its workspace's code."))
    .option("--best", "the model that was rated best (default)")
    .option("--last", "the model of the newest round")
    .requiredOption("--out <dir>", "folder for model.json, weights.bin and model.safetensors")
    .action(
      action<ModelOptions, [string]>((options, out, experiment) => {
        if (options.best && options.last)
          throw new FlError("FL_USAGE", { reason: "--best and --last exclude each other" });
        return withFederation(options, async (federation) => {
          const handle = federation.experiment(experiment);
          const fetched = await handle.model(options.last ? "last" : "best");
          const { dir, files } = await handle.save(options.out, fetched);
          const { which, rounds, layout } = fetched;
          out.emit("model", { experiment, which, rounds, parameters: layout.length, dir, files: [...files] });
          out.say(`${which} model of ${experiment}: ${rounds} rounds, ${whole(layout.length)} parameters`);
          for (const file of files) out.say(`  ${shortest(file)}`);
          return 0;
        });
      }),
    );
