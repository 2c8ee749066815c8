#!/usr/bin/env node
/**
 * The command line: one file a verb, errors reported in one place (src/cli/fault.ts).
 *
 * Z1 A command that fails says why and what to do, and its exit status is not 0.
 * Z2 When the work is done the process ends, whatever a library still holds open.
 * Z3 Only the command that is named is loaded: a short one answers fast.
 * Z4 What users' code prints, a workspace that is being looked at, say, goes to stderr: stdout is the answer's.
 */
import { Console as NodeConsole } from "node:console";
import { Command } from "commander";
import { Console } from "./console.ts";
import { INTERRUPTED, report } from "./fault.ts";
import { interruption } from "./signals.ts";
import type { Action, Verb } from "./verb.ts";
import { version } from "./version.ts";

const verbs = new Map<string, () => Promise<Verb>>([
  ["demo", async () => (await import("./demo.ts")).demo],
  ["init", async () => (await import("./init.ts")).init],
  ["up", async () => (await import("./up.ts")).up],
  ["submit", async () => (await import("./submit.ts")).submit],
  ["plan", async () => (await import("./plan.ts")).plan],
  ["status", async () => (await import("./status.ts")).status],
  ["describe", async () => (await import("./describe.ts")).describe],
  ["metrics", async () => (await import("./metrics.ts")).metrics],
  ["model", async () => (await import("./model.ts")).model],
  ["review", async () => (await import("./review.ts")).review],
  ["pki", async () => (await import("./pki.ts")).pki],
  ["cancel", async () => (await import("./cancel.ts")).cancel],
  ["pause", async () => (await import("./orders.ts")).pause],
  ["resume", async () => (await import("./orders.ts")).resume],
  ["retry", async () => (await import("./orders.ts")).retry],
  ["priority", async () => (await import("./orders.ts")).priority],
  ["deadline", async () => (await import("./orders.ts")).deadline],
  ["fail", async () => (await import("./orders.ts")).fail],
  ["remove", async () => (await import("./orders.ts")).remove],
  ["workspace", async () => (await import("./workspace.ts")).workspace],
  ["import", async () => (await import("./import.ts")).importVerb],
  ["server", async () => (await import("./server.ts")).server],
  ["director", async () => (await import("./roles.ts")).director],
  ["envoy", async () => (await import("./roles.ts")).envoy],
  ["aggregation", async () => (await import("./roles.ts")).aggregation],
  ["monitor", async () => (await import("./roles.ts")).monitor],
]);

globalThis.console = new NodeConsole(process.stderr); // Z4
let exitStatus = 0;

const action: Action =
  (work) =>
  async (...given) => {
    // commander gives the arguments, then the options, then the command itself
    const options = given.at(-2) as never;
    const out = new Console(json);
    try {
      exitStatus = await work(options, out, ...(given.slice(0, -2) as never));
    } catch (e) {
      exitStatus = interruption().aborted ? INTERRUPTED : report(e, out);
    }
  };

// Errors of the command line come before any option is read.
const json = process.argv.includes("--json");

const program = new Command("entente")
  .description("A federated-learning runtime. Data stays where it is; only models and metrics travel.")
  .version(version())
  .showHelpAfterError(false)
  .showSuggestionAfterError(true)
  .configureOutput({ writeErr: () => {} })
  .exitOverride();
const named = verbs.get(process.argv[2] ?? "");
for (const load of named === undefined ? verbs.values() : [named]) {
  const verb = await load(); // Z3
  verb(program, action).option("--json", "print one JSON object a line (docs/cli.md)");
}

try {
  if (process.argv.length < 3) program.outputHelp();
  else await program.parseAsync();
} catch (e) {
  const asked = e instanceof Error && "exitCode" in e && e.exitCode === 0; // --help, --version
  if (!asked) exitStatus = report(e, new Console(json));
}
process.exitCode = exitStatus;
setTimeout(() => process.exit(exitStatus), 500).unref(); // Z2
