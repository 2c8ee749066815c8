/** Folders to start from: row D43. */
import { readdirSync, statSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { readSettings, settings } from "../../src/cli/settings.ts";
import { FlError } from "../../src/errors.ts";
import { writeFolder } from "../../src/scaffold/write.ts";
import { Cli, run } from "../support/cli.ts";
import { temporaryDir, testServer } from "../support/server.ts";

test("D43 a director's, an envoy's and an experiment's folder are made, and the three together train", async (t) => {
  const [server, dir] = [await testServer(t), await temporaryDir(t)];
  const made = async (what: string, name: string): Promise<string> => {
    const folder = join(dir, name);
    const { exit, said, lines } = await run(t, ["init", what, folder, "--nats", server.url, "--json"]);
    t.is(exit, 0, said.join("\n"));
    const created = lines.find((line) => line.type === "created");
    t.deepEqual([...(created?.files ?? [])].sort(), readdirSync(folder).sort());
    return folder;
  };
  const [director, north, south, experiment] = await Promise.all([
    made("director", "centre"),
    made("envoy", "north"),
    made("envoy", "south"),
    made("experiment", "points"),
  ]);
  t.is(statSync(north!).mode & 0o777 & ~process.umask(), 0o777 & ~process.umask());
  const roles = [
    new Cli(t, ["director", "--config", join(director!, "director.yaml"), "--json"], dir),
    ...[north, south].map((folder) => new Cli(t, ["envoy", "--config", join(folder!, "envoy.yaml"), "--json"], dir)),
  ];
  const ready = await Promise.all(roles.map((role) => role.line("process", (p) => p.state === "ready")));
  t.deepEqual(
    ready.map((p) => p.name),
    ["director", "north", "south"],
  );
  const submitted = ["submit", join(experiment!, "plan.yaml"), "--nats", server.url, "--wait", "--json"];
  const { exit, lines } = await run(t, submitted, dir);
  t.is(exit, 0);
  const last = lines.findLast((line) => line.type === "experiment");
  t.like(last, { name: "points", state: "finished", collaborators: ["north", "south"] });
  t.true((last?.accuracy ?? 0) > 0.8, `it learns: ${last?.accuracy}`);
  for (const role of roles.toReversed()) {
    role.child.kill("SIGINT");
    t.is(await role.status(), 0);
  }
});

test("D43 every key of a role is in its file, explained; what is commented out holds when it is not", async (t) => {
  const dir = await temporaryDir(t);
  for (const role of ["director", "envoy"] as const) {
    const folder = join(dir, role);
    t.is((await run(t, ["init", role, folder, "--name", "north"])).exit, 0);
    const file = join(folder, `${role}.yaml`);
    const text = await readFile(file, "utf8");
    for (const key of Object.keys(settings[role].shape)) {
      t.regex(text, new RegExp(`^# \\S.*\\n(# )?${key}:`, "m"), `${role}: ${key}`);
    }
    const all = text.replace(/^# (?=[a-zA-Z]+:)/gm, "");
    await writeFile(file, all);
    await t.notThrowsAsync(readSettings(role, file), all);
  }
});

test("D43 nothing is written over, and what there is no folder for comes with the nearest", async (t) => {
  const dir = await temporaryDir(t);
  const folder = join(dir, "mine");
  await mkdir(folder);
  await writeFolder(folder, new Map([["a", "1"]]));
  const e = await t.throwsAsync<FlError>(writeFolder(folder, new Map([["a", "2"]])), { instanceOf: FlError });
  t.is(e?.code, "FL_EXISTS");
  t.is(await readFile(join(folder, "a"), "utf8"), "1");
  await t.throwsAsync(writeFolder(join(folder, "a"), new Map([["b", "1"]])));
  t.deepEqual([readdirSync(dir), readdirSync(folder)], [["mine"], ["a"]]);
  const { exit, said } = await run(t, ["init", "envoi", join(dir, "x")]);
  t.is(exit, 2);
  t.regex(said.join("\n"), /did you mean envoy\?/);
});
