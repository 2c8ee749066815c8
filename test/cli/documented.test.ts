/** The commands that docs/security.md tells to run are commands: their words, arguments and options are known. */
import { readFile } from "node:fs/promises";
import test from "ava";
import { Command } from "commander";
import { pki } from "../../src/cli/pki.ts";
import { review } from "../../src/cli/review.ts";
import { director, envoy } from "../../src/cli/roles.ts";
import { server } from "../../src/cli/server.ts";
import { submit } from "../../src/cli/submit.ts";
import { up } from "../../src/cli/up.ts";
import type { Action } from "../../src/cli/verb.ts";

test("docs/security.md: every command of it is one", async (t) => {
  const page = await readFile("docs/security.md", "utf8");
  const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block!);
  const inline = [...page.matchAll(/`(entente [a-z]+ [^`]*--[^`]*)`/g)].map(([, command]) => command!);
  const commands = [...blocks.flatMap((block) => block.trim().split("\n")), ...inline];
  t.true(commands.length > 12, commands.join("; "));
  for (const command of commands) {
    const ran: string[] = [];
    const noted: Action = () => async () => void ran.push(command);
    const program = new Command("entente").exitOverride().configureOutput({ writeErr: () => {} });
    for (const verb of [pki, server, up, director, envoy, submit, review]) verb(program, noted);
    const [entente, ...words] = command.split(/\s+/);
    t.is(entente, "entente", command);
    await t.notThrowsAsync(program.parseAsync(words, { from: "user" }), command);
    t.deepEqual(ran, [command]);
  }
});
