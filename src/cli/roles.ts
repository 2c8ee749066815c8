/**
 * `entente director | envoy | aggregation | monitor`: one role in the foreground, on a server that is there.
 *
 * O1 Nothing supervises it here: how it ends is this command's exit status. Whoever runs it for good has a service manager.
 * O2 What it logs goes to stderr (src/cli/role-lines.ts).
 * O3 What is not given here a file may say (--config, src/cli/settings.ts), else it has its default.
 */
import { resolve } from "node:path";
import type { Command } from "commander";
import { forkRole } from "../../actors/child/fork.ts";
import { directorConfig } from "../../actors/director/config.ts";
import { envoyConfig } from "../../actors/envoy/config.ts";
import { FlError, fromWire } from "../errors.ts";
import { silentLog } from "../log.ts";
import { loadCredentials, tlsSettings } from "../pki/credentials.ts";
import type { Console } from "./console.ts";
import { collect, describe, json, period, sinkHelp, withSettings } from "./options.ts";
import { DIR, findPlace, ownerName, type PlaceOptions, withPlace } from "./place.ts";
import { ReviewTerminal } from "./review-terminal.ts";
import { RoleLines } from "./role-lines.ts";
import { readSettings } from "./settings.ts";
import { interruption } from "./signals.ts";
import { emitProcess } from "./up.ts";
import type { Verb } from "./verb.ts";

type RoleOptions = PlaceOptions & Record<string, unknown> & { name?: string };
/** as they are given; what is not given is not there (O3) */
type Given = Partial<RoleOptions> & {
  config?: string;
  period?: number;
  sink?: string[];
  shard?: string;
  params?: Record<string, unknown>;
  review?: string;
  reviewOptions?: Record<string, unknown>;
  reviewLimit?: number;
};

const base = ["url", "fed", ...Object.keys(tlsSettings)];

export const director: Verb = (program, action) =>
  withReview(
    withSettings(
      withPlace(program.command("director").description("Run a Director in the foreground.")),
      directorConfig,
      [...base, "periodMs", "review", "sinks"],
    ),
  )
    .option("--sink <sink>", sinkHelp, collect)
    .option("--period <duration>", "how often envoys send heartbeats (default: 10s)", period)
    .action(action<Given>(async (options, out) => foreground("director", await told("director", options), out)));

export const envoy: Verb = (program, action) =>
  withReview(
    withSettings(
      withPlace(program.command("envoy").description("Run an envoy in the foreground: one shard of data.")),
      envoyConfig,
      [...base, "name", "shard", "review", "taskLimit"],
    ),
  )
    .option("--name <word>", "the envoy's own name; required, here or in the file")
    .option(
      "--shard <shard>",
      "mnist, or the path of a module that says defineShard({ … }), or define_shard(…) in Python (default: mnist)",
    )
    .option("--params <json>", "handed to the shard", json)
    .option("--task-limit <duration>", describe(envoyConfig.shape.taskLimit), period)
    .action(
      action<Given>(async (options, out) => {
        const settings = await told("envoy", options);
        if (settings.name === undefined) {
          throw new FlError("FL_USAGE", { reason: "required option '--name <word>' not specified" });
        }
        const shard = { use: "mnist", ...object(settings.shard) };
        return foreground("envoy", { ...settings, shard }, out);
      }),
    );

/** Who decides whether experiments may run here, and the file that says the rest. */
const withReview = (command: Command): Command =>
  command
    .option("--config <file>", "settings, in YAML: entente init writes one; options given here count over it")
    .option(
      "--review <reviewer>",
      "auto, prompt, or the path of a module that says defineReviewer({ … }) (default: auto)",
    )
    .option("--review-options <json>", "handed to the reviewer", json)
    .option(
      "--review-limit <duration>",
      "a decision that takes longer is a rejection (default: none for prompt, 1m for others)",
      period,
    );

/** The role's configuration from its file and from what is given here (O3). @throws FL_CONFIG_INVALID */
async function told(role: "director" | "envoy", options: Given): Promise<RoleOptions> {
  const { config, dir = DIR, period: periodMs, sink: sinks, shard, params, ...given } = options;
  const { review, reviewOptions, reviewLimit: limit, ...rest } = given;
  const file = config === undefined ? {} : await readSettings(role, config);
  const from = resolve(".");
  // A part that is named here is another than the file's, with options of its own.
  const data = { ...(shard === undefined ? object(file.shard) : { use: shard, from }), ...present({ params }) };
  const judge = {
    ...(review === undefined ? object(file.review) : { use: review, from }),
    ...present({ options: reviewOptions, limit }),
  };
  const parts = { ...(isEmpty(data) ? {} : { shard: data }), ...(isEmpty(judge) ? {} : { review: judge }) };
  return { ...file, ...rest, dir, ...present({ periodMs, sinks }), ...parts };
}

const object = (value: unknown): object => (value ?? {}) as object;
const isEmpty = (value: object): boolean => Object.keys(value).length === 0;
/** Without what is undefined. */
const present = (given: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));

/** A person who sits here is asked here (src/cli/review-terminal.ts). */
function terminalOf(out: Console): ReviewTerminal | undefined {
  const { stdin: input, stderr: output } = process;
  if (out.json || !input.isTTY || !output.isTTY) return undefined;
  const interrupt = (): boolean => process.kill(process.pid, "SIGINT");
  return new ReviewTerminal({ input, output, paint: out.paint, by: ownerName(), interrupt });
}

const part = (program: Command, role: string, what: string): Command =>
  withPlace(program.command(`${role} <module>`).description(`Run ${what} as an actor of its own: nats:<name>.`))
    .requiredOption("--name <word>", "the name behind nats:")
    .option("--log <level>", "log level", "info");

export const aggregation: Verb = (program, action) =>
  part(program, "aggregation", "an aggregation")
    .option("--options <json>", "what the plans' own options are laid over", json)
    .action(
      action<RoleOptions, [string]>((options, out, module) => foreground("aggregation", { ...options, module }, out)),
    );

export const monitor: Verb = (program, action) =>
  part(program, "monitor", "a device monitor")
    .option("--envoy <name>", "answer this envoy only")
    .action(
      action<RoleOptions, [string]>((options, out, module) =>
        foreground("device-monitor", { ...options, module }, out),
      ),
    );

async function foreground(entry: string, options: RoleOptions, out: Console): Promise<number> {
  const { nats, fed, dir = DIR, json: _, ...config } = options;
  const credentials = await loadCredentials(config, Date.now());
  const place = await findPlace(
    { dir, ...(nats === undefined ? {} : { nats }), ...(fed === undefined ? {} : { fed }) },
    credentials?.identity?.fed,
  );
  const signal = interruption();
  const role = entry === "device-monitor" ? "monitor" : entry;
  const name = config.name ?? role;
  const lines = new RoleLines(role, name);
  const terminal = terminalOf(out);
  const run = await forkRole(
    { role: entry, config: { ...place, ...config } },
    {
      signal,
      log: silentLog,
      onLine: (line) => lines.line(line), // O2
      ...(terminal === undefined
        ? {}
        : {
            onAsking: (review, decide) => terminal.ask(review, decide),
            onSettled: (experiment) => terminal.settled(experiment),
          }),
      onReady: (pid) => {
        emitProcess(out, { role, name, state: "ready", pid, error: null, reason: null });
        out.say(`${role} ${name} is ready; Ctrl-C ends it.`);
      },
      onWaiting: (pid, error) =>
        emitProcess(out, { role, name, state: "waiting", pid, error: fromWire(error), reason: null }), // people read its log
    },
  );
  lines.end(run.how === "failed" && !out.json);
  if (run.how === "failed") throw fromWire(run.error);
  if (run.how === "crashed" && !signal.aborted) {
    throw new FlError("FL_PROCESS_CRASHED", { role, reason: run.reason, tail: [...run.tail] });
  }
  return 0;
}
