/** Settings from a file: SF1–SF3 of src/cli/settings.ts. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { readSettings } from "../../src/cli/settings.ts";
import { FlError } from "../../src/errors.ts";
import { temporaryDir } from "../support/server.ts";

async function file(t: Parameters<typeof temporaryDir>[0], text: string): Promise<{ dir: string; path: string }> {
  const dir = await temporaryDir(t);
  const path = join(dir, "role.yaml");
  await writeFile(path, text);
  return { dir, path };
}

test("a file says what its keys say and nothing else; its paths start from its folder (SF1, SF2)", async (t) => {
  const { dir, path } = await file(
    t,
    `nats: nats://hub:4222
period: 2s
review: { use: ./policy.ts, limit: 1h }
sinks: ["csv=metrics/{experiment}.csv", "./sink.ts=https://x/y", console]
`,
  );
  t.deepEqual(await readSettings("director", path), {
    nats: "nats://hub:4222",
    periodMs: 2_000,
    review: { use: "./policy.ts", options: {}, limit: 3_600_000, from: dir },
    sinks: [`csv=${dir}/metrics/{experiment}.csv`, `${dir}/sink.ts=https://x/y`, "console"],
  });
  const envoy = await file(
    t,
    "name: north\nshard: ./shard.ts\nmonitor: ./monitor.ts\ndependencies: install\nreview: prompt\n",
  );
  t.deepEqual(await readSettings("envoy", envoy.path), {
    name: "north",
    shard: { use: "./shard.ts", params: {}, from: envoy.dir },
    monitor: join(envoy.dir, "monitor.ts"),
    dependencies: "install",
    review: { use: "prompt", options: {}, from: envoy.dir },
  });
  t.deepEqual(await readSettings("envoy", (await file(t, "# nothing\n")).path), {});
});

for (const [what, role, text, says] of [
  ["a key that is none", "director", "perid: 2s\n", /role\.yaml: 1:8 perid is not a key; did you mean period\?/],
  ["a key of another role", "director", "shard: mnist\n", /1:8 shard is not a key/],
  [
    "a value of another kind",
    "envoy",
    "name: a\nshard: { use: mnist, params: 3 }\n",
    /2:\d+ shard\.params must be a map/,
  ],
  ["a word that is none", "envoy", "dependencies: instal\n", /dependencies must be one of .*did you mean install\?/],
  ["a duration that is none", "director", "period: soon\n", /period must be a duration/],
  ["no YAML", "director", "a: [\n", /role\.yaml:\d+:\d+/],
  ["something else than keys", "envoy", "- name\n", /it must be a map of keys/],
] as const) {
  test(`${what} is refused with its place (SF3)`, async (t) => {
    const { path } = await file(t, text);
    const e = await t.throwsAsync<FlError>(readSettings(role, path), { instanceOf: FlError });
    t.is(e?.code, "FL_CONFIG_INVALID");
    t.regex(e!.message, says);
  });
}

test("a file that is not there", async (t) => {
  const e = await t.throwsAsync<FlError>(readSettings("envoy", "/no/such/envoy.yaml"), { instanceOf: FlError });
  t.is(e?.code, "FL_CONFIG_INVALID");
  t.regex(e!.message, /\/no\/such\/envoy\.yaml: cannot be read/);
});
