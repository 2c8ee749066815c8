#!/usr/bin/env node
/**
 * The command line: one file a verb, errors reported in one place (src/cli/fault.ts).
 *
 * Z1 A command that fails says why and what to do, and its exit status is not 0.
 * Z2 When the work is done the process ends, whatever a library still holds open.
 */
import { Command } from "commander";
import { cancel } from "./cancel.ts";
import { Console } from "./console.ts";
import { demo } from "./demo.ts";
import { INTERRUPTED, report } from "./fault.ts";
import { metrics } from "./metrics.ts";
import { model } from "./model.ts";
import { aggregation, director, envoy, monitor } from "./roles.ts";
import { interruption } from "./signals.ts";
import { status } from "./status.ts";
import { submit } from "./submit.ts";
import { up } from "./up.ts";
import type { Action, Verb } from "./verb.ts";
import { version } from "./version.ts";

const verbs: readonly Verb[] = [
  demo,
  up,
  submit,
  status,
  metrics,
  model,
  cancel,
  director,
  envoy,
  aggregation,
  monitor,
];

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
for (const verb of verbs) verb(program, action).option("--json", "print one JSON object a line (docs/cli.md)");

try {
  if (process.argv.length < 3) program.outputHelp();
  else await program.parseAsync();
} catch (e) {
  const asked = e instanceof Error && "exitCode" in e && e.exitCode === 0; // --help, --version
  if (!asked) exitStatus = report(e, new Console(json));
}
process.exitCode = exitStatus;
setTimeout(() => process.exit(exitStatus), 500).unref(); // Z2
