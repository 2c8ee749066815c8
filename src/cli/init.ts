/** `entente init director | envoy | experiment DIR`: a folder that works, to go on from. */
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { z } from "zod";
import { FlError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { packageFolder } from "../parts/bundle.ts";
import { directorFolder } from "../scaffold/director.ts";
import { envoyFolder } from "../scaffold/envoy.ts";
import { experimentFolder } from "../scaffold/experiment.ts";
import type { SettingKey } from "../scaffold/settings-file.ts";
import { writeFolder } from "../scaffold/write.ts";
import { objectsOf } from "../validate.ts";
import { TOKEN, token } from "../wire/template.ts";
import { describe, initialOf } from "./options.ts";
import { FED } from "./place.ts";
import { settings } from "./settings.ts";
import type { Verb } from "./verb.ts";
import { version } from "./version.ts";

type InitOptions = { name?: string; nats: string; fed: string };
type What = "director" | "envoy" | "experiment";

const NATS = "nats://127.0.0.1:4222";
const next: Record<What, (dir: string) => string> = {
  director: (dir) => `entente director --config ${dir}/director.yaml`,
  envoy: (dir) => `entente envoy --config ${dir}/envoy.yaml`,
  experiment: (dir) => `entente submit ${dir}/plan.yaml --wait`,
};

export const init: Verb = (program, action) =>
  program
    .command("init <what> <dir>")
    .description("Make a folder to start from: a director's, an envoy's with its shard, or an experiment's.")
    .option("--name <word>", "the envoy's or the experiment's name; default: the folder's")
    .option("--nats <url>", "address of the NATS server that it is to name", NATS)
    .option("--fed <name>", "the federation's name", FED)
    .action(
      action<InitOptions, [string, string]>(async (options, out, what, dir) => {
        if (!isWhat(what)) {
          const near = nearest(what, Object.keys(next));
          const hint = near === undefined ? Object.keys(next).join(", ") : `did you mean ${near}?`;
          throw new FlError("FL_USAGE", { reason: `there is no folder for ${what} (${hint})` });
        }
        const files = await folderOf(what, dir, options);
        await writeFolder(dir, files);
        out.emit("created", { what, dir: resolve(dir), files: [...files.keys()] });
        out.say(`${dir} is there: ${[...files.keys()].join(", ")}`);
        out.say(`  next            ${next[what](dir)}`);
        return 0;
      }),
    );

const isWhat = (what: string): what is What => Object.hasOwn(next, what);

/** @throws FL_SUBJECT_TOKEN for a name that is none */
async function folderOf(what: What, dir: string, { name, nats, fed }: InitOptions): Promise<Map<string, string>> {
  const folder = basename(resolve(dir)).replace(/[^A-Za-z0-9_-]+/g, "-");
  const called = token(name ?? (TOKEN.test(folder) ? folder : what), what);
  switch (what) {
    case "director":
      return directorFolder({
        keys: keysOf(settings.director),
        nats,
        fed,
        version: version(),
        natsConf: await natsConf(),
      });
    case "envoy":
      return envoyFolder({ keys: keysOf(settings.envoy), name: called, nats, fed, version: version() });
    case "experiment":
      return experimentFolder({ name: called, nats });
  }
}

const keysOf = (schema: z.ZodObject): SettingKey[] =>
  Object.entries(schema.shape).map(([key, value]) => ({
    key,
    explanation: describe(value as z.ZodType) + choices(value as z.ZodType),
    initial: initialOf(value as z.ZodType),
  }));

function choices(schema: z.ZodType): string {
  const [inner] = objectsOf(schema);
  const words = inner?._zod.def.type === "enum" ? Object.keys((inner as z.core.$ZodEnum)._zod.def.entries) : [];
  return words.length === 0 ? "" : ` (${words.join(", ")})`;
}

/** This installation's own settings of a server. */
const natsConf = (): Promise<string> => readFile(join(packageFolder("entente")!, "nats.conf"), "utf8");
