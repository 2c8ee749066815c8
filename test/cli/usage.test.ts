/** What the command line says to what it does not understand: code, one sentence, what to do, exit status. */
import { join } from "node:path";
import test from "ava";
import { run } from "../support/cli.ts";
import { temporaryDir } from "../support/server.ts";

const refused = test.macro(async (t, args: string[], reason: RegExp) => {
  const { exit, of, lines } = await run(t, [...args, "--json"]);
  t.is(exit, 2);
  t.is(lines.length, 1);
  const [error] = of.call({ lines }, "error") as { code: string; message: string; hint: string }[];
  t.is(error?.code, "FL_USAGE");
  t.regex(error!.message, reason);
  t.regex(error!.hint, /entente --help/);
});

test("an unknown command comes with the nearest", refused, ["statsu"], /statsu.*did you mean status\?/);
test("an unknown option comes with the nearest", refused, ["up", "--envoy", "2"], /--envoy.*did you mean --envoys\?/);
test("a number that is none", refused, ["up", "--envoys", "two"], /--envoys <n>.*two.*number/);
test("a duration that is none", refused, ["up", "--period", "soon"], /soon.*duration such as 2s/);
test("parameters that are no JSON", refused, ["envoy", "--name", "a", "--params", "{"], /must be JSON/);
test("a missing argument", refused, ["submit"], /missing required argument 'plan'/);
test("a missing option", refused, ["envoy"], /--name <word>' not specified/);
test("best and last at once", refused, ["model", "x", "--best", "--last", "--out", "y"], /exclude each other/);
test("a log level that is none", refused, ["up", "--log", "loud"], /loud.*trace, debug/);

test("people are told the same on stderr, and nothing on stdout", async (t) => {
  const { exit, text, said } = await run(t, ["demoo"]);
  t.is(exit, 2);
  t.deepEqual(text, []);
  t.regex(said[0]!, /^error FL_USAGE {2}the command line is not valid: unknown command 'demoo'; did you mean demo\?$/);
  t.regex(said[1]!, /^ +entente --help$/);
});

test("without a command there is help; --version is the package's", async (t) => {
  const help = await run(t, []);
  t.is(help.exit, 0);
  for (const verb of ["demo", "up", "submit", "status", "metrics", "model", "cancel", "import", "director", "envoy"]) {
    t.true(
      help.text.some((line) => line.trimStart().startsWith(`${verb} `)),
      verb,
    );
  }
  const version = await run(t, ["--version"]);
  t.is(version.exit, 0);
  t.regex(version.text.join(), /^\d+\.\d+\.\d+$/);
});

test("where no federation runs, it says how to start or name one", async (t) => {
  const dir = await temporaryDir(t);
  for (const args of [["status"], ["metrics", "x"], ["cancel", "x"], ["model", "x", "--out", dir], ["director"]]) {
    const { exit, lines } = await run(t, [...args, "--dir", join(dir, "none"), "--json"]);
    t.is(exit, 1);
    t.like(lines[0], { type: "error", code: "FL_NOT_RUNNING" });
    t.regex((lines[0] as { hint: string }).hint, /entente up.*--nats/);
  }
});

test("a server that is not there", async (t) => {
  const dir = await temporaryDir(t);
  const status = await run(t, ["status", "--nats", "nats://127.0.0.1:1", "--json"]);
  t.is(status.exit, 1);
  t.like(status.lines.at(-1), { type: "error", code: "FL_NATS_UNREACHABLE" });
  const up = await run(t, ["up", "--nats", "nats://127.0.0.1:1", "--dir", dir, "--json"]);
  t.is(up.exit, 1);
  t.like(up.lines.at(-1), { type: "error", code: "FL_NATS_UNREACHABLE" });
});

test("a plan that is not valid is refused before anything is sent, with the place and the remedy", async (t) => {
  const { exit, lines } = await run(t, ["submit", "package.json", "--json"]);
  t.is(exit, 1);
  t.like(lines[0], { type: "error", code: "FL_PLAN_INVALID" });
  t.regex((lines[0] as { message: string }).message, /rounds is missing/);
});
