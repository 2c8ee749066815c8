/** `entente up`: a whole federation on this machine, until it is asked to end. */
import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { Authority } from "../pki/authority.ts";
import type { Console } from "./console.ts";
import { type EnvoySetup, type LocalOptions, startLocal } from "./local.ts";
import { collect, json, number, period, port, positive, sinkHelp } from "./options.ts";
import { DIR, FED, ownerName } from "./place.ts";
import type { ProcessNews } from "./processes.ts";
import { interruption } from "./signals.ts";
import type { Verb } from "./verb.ts";

type UpOptions = {
  envoys: number;
  shard: string;
  params?: Record<string, unknown>;
  alpha?: number;
  dir: string;
  port?: number;
  nats?: string;
  fed?: string;
  period: number;
  backend?: string;
  log: string;
  sink?: string[];
  pki?: string;
};

export const up: Verb = (program, action) =>
  withServer(program.command("up").description("Run a federation here: server, Director and envoys, until Ctrl-C."))
    .option("--envoys <n>", "how many envoys", positive, 3)
    .option("--shard <shard>", "mnist, or the path of a module that says defineShard({ … })", "mnist")
    .option("--params <json>", "handed to the shard; each envoy's part and parts are added", json)
    .option("--alpha <number>", "skews the envoys' classes: Dirichlet(alpha); small is more", number)
    .option("--dir <path>", "where it keeps its state", DIR)
    .option("--period <duration>", "how often envoys send heartbeats", period, 10_000)
    .option("--sink <sink>", sinkHelp, collect)
    .option("--pki <dir>", "an authority (entente pki init): mutual TLS; certificates that are missing are issued")
    .option("--backend <name>", "forces the engine's backend: node-gpu, node, wasm or cpu")
    .action(action<UpOptions>(run));

/** The options of commands that run a server. */
export const withServer = (command: Command): Command =>
  command
    .option("--port <n>", "port of the server; default: a free one", port)
    .option("--nats <url>", "use this server instead of starting one")
    .option("--fed <name>", `the federation's name (default: "${FED}")`)
    .addOption(
      new Option("--log <level>", "what the roles log")
        .choices(["trace", "debug", "info", "warn", "error"])
        .default("info"),
    );

async function run(options: UpOptions, out: Console): Promise<number> {
  const signal = interruption();
  const federation = await startLocal({
    ...options,
    periodMs: options.period,
    sinks: options.sink,
    fed: options.fed ?? (options.pki === undefined ? FED : (await Authority.open(options.pki)).fed),
    envoys: async () => envoysOf(options),
    signal,
    ...told(out),
  });
  try {
    const n = options.envoys;
    out.say();
    out.say(`${out.paint.bold(federation.fed)} is up with ${n} envoy${n === 1 ? "" : "s"}; Ctrl-C ends it.`);
    out.say(`  what they log   ${federation.logs}`);
    const as = options.pki === undefined ? "" : ` --creds ${join(options.pki, `manager-${ownerName()}`)}`;
    out.say(`  an experiment   entente submit plans/mnist.yaml --wait${as}`);
    out.say(`  what goes on    entente status${as}`);
    await Promise.race([federation.failed, new Promise<void>((end) => signal.addEventListener("abort", () => end()))]);
    return 0;
  } finally {
    if (signal.aborted) out.aside("stopping: envoys, Director, server");
    await federation.stop();
  }
}

/** The news of a local federation as lines. */
export function told(out: Console): Pick<LocalOptions, "onProcess" | "onBus" | "say"> {
  return {
    say: (line) => out.notice(line),
    onBus: ({ url, version, pid, fed }) => {
      out.emit("server", { url, version, fed, pid });
      out.say(`  nats-server     ${url}${version === null ? "" : `  (${version})`}`);
    },
    onProcess: (news) => {
      emitProcess(out, news);
      const { role, name, state, error, reason } = news;
      const who = role === name ? role : `${role} ${name}`;
      const why = error === null ? (reason ?? "") : `${error.code}  ${error.message}`;
      if (state === "ready") out.say(`  ${who.padEnd(15)} ready`);
      else out.aside(`  ${who.padEnd(15)} ${out.paint.red(state)}  ${why}`);
    },
  };
}

export const emitProcess = (out: Console, { error, reason, ...news }: ProcessNews): void =>
  out.emit("process", { ...news, code: error?.code ?? null, reason: error?.message ?? reason });

/** Each with its part of the data. */
export function envoysOf(options: Pick<UpOptions, "envoys" | "shard" | "params" | "alpha" | "backend">): EnvoySetup[] {
  const { envoys: parts, shard: use, params = {}, alpha, backend } = options;
  return Array.from({ length: parts }, (_, part) => ({
    name: `envoy-${part + 1}`,
    shard: {
      use,
      from: resolve("."),
      params: {
        ...(use === "mnist" || parts > 1 ? { part, parts } : {}),
        ...(alpha === undefined ? {} : { alpha }),
        ...params,
      },
    },
    ...(backend === undefined ? {} : { backend }),
  }));
}
