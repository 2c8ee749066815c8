/** Commands that ask, where there is nothing to be asked, and roles that fail: what is said, once, and what is left behind. */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import test from "ava";
import { RoleLines } from "../../src/cli/role-lines.ts";
import { run } from "../support/cli.ts";
import { temporaryDir, testServer } from "../support/server.ts";

test("a federation that is none is not found, with a hint at --fed, and asking makes no bucket and no stream", async (t) => {
  const { url } = await testServer(t);
  const out = await temporaryDir(t);
  for (const args of [
    ["status"],
    ["status", "x"],
    ["status", "--envoys"],
    ["metrics", "x", "--follow"],
    ["model", "x", "--out", out],
    ["cancel", "x"],
  ]) {
    const { exit, lines } = await run(t, [...args, "--nats", url, "--fed", "typo", "--json"]);
    t.is(exit, 1, args.join(" "));
    t.like(lines.at(-1), { type: "error", code: "FL_NOT_FOUND" }, args.join(" "));
    const { message, hint } = lines.at(-1) as { message: string; hint: string };
    t.regex(message, /no federation typo/);
    t.regex(hint, /--fed/);
  }
  const nc = await connect({ servers: url });
  t.teardown(() => nc.close());
  t.deepEqual(await (await jetstreamManager(nc)).streams.names().next(), []);
});

test("a role that fails in the foreground says why once", async (t) => {
  const { url } = await testServer(t);
  const role = ["envoy", "--name", "a", "--shard", "mnis", "--nats", url];
  const people = await run(t, role);
  t.is(people.exit, 1);
  t.is(people.said.filter((line) => line.includes("did you mean mnist?")).length, 1, people.said.join("\n"));
  t.regex(people.said.join("\n"), /error FL_PART_UNKNOWN {2}/);
  const program = await run(t, [...role, "--json"]);
  t.like(program.lines, [{ type: "error", code: "FL_PART_UNKNOWN" }]);
  t.is(program.said.filter((line) => line.includes('"msg":"failed"')).length, 1, "the log stays whole");
});

test("a role's last word is held back until it is known who tells it (L2)", (t) => {
  const last = JSON.stringify({ level: "error", time: 0, name: "envoy.a", msg: "failed" });
  const child = JSON.stringify({ level: "error", time: 0, name: "collaborator.a", msg: "failed" });
  for (const told of [true, false]) {
    const written: string[] = [];
    const write = (text: string | Uint8Array): boolean => written.push(String(text)) > 0;
    const lines = new RoleLines("envoy", "a", { write, isTTY: true });
    for (const line of [child, last, "printed"]) lines.line(line);
    lines.end(told);
    const shown = ["00:00:00.000 error collaborator.a failed\n", "printed\n"];
    t.deepEqual(written, told ? shown : [...shown, "00:00:00.000 error envoy.a failed\n"]);
  }
});
