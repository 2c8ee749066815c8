/** How an envoy comes in, stays, goes and comes back: rows D02, D03, D05–D07 and D40. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { directorConfig } from "../../actors/director/config.ts";
import { Envoys, type Shapes } from "../../actors/director/envoys.ts";
import { subjects } from "../../src/wire/table.ts";
import { run } from "../support/cli.ts";
import { manualClock } from "../support/clock.ts";
import { type TestFederation, testFederation } from "../support/federation.ts";
import { testWorld } from "../support/ports.ts";
import { temporaryDir } from "../support/server.ts";

const periodMs = 1_000;
const info = (sample_shape: number[], target_shape: number[]) => ({
  ...{ v: 1 as const, description: "", sample_shape, target_shape },
});
const beat = { v: 1 as const, report: null, running: [] };

async function opened(shapes?: Shapes) {
  const clock = manualClock();
  const wire = testWorld({ clock }).wire("director");
  return { clock, envoys: await Envoys.open(wire, { director: "director", periodMs, shapes }) };
}

test("D02 a shard of the federation's shapes is accepted, one of others is refused with both shapes", async (t) => {
  const { envoys } = await opened({ sample_shape: [28, 28], target_shape: [10] });
  t.true((await envoys.register("north", info([28, 28], [10]))).accepted);
  for (const other of [info([784], [10]), info([28, 28], [2]), info([28, 28, 1], [10]), info([], [10])]) {
    const { accepted, error } = await envoys.register("south", other);
    t.false(accepted);
    t.is(error?.code, "FL_SHARD_REFUSED");
    t.regex(error!.message, /where the federation has \[28, 28\] and \[10\]/);
  }
  t.false(envoys.known("south"));
});

test("D02 without shapes of its own a Director takes the first shard's for the federation's", async (t) => {
  const { envoys } = await opened();
  t.true((await envoys.register("north", info([4], [2]))).accepted);
  t.false((await envoys.register("south", info([5], [2]))).accepted);
  t.true((await envoys.register("north", info([4], [2]))).accepted, "a refusal changes nothing");
});

test("D03 a Director with empty shapes accepts an envoy with empty shapes, and no other", async (t) => {
  const told = directorConfig.parse({ url: "nats://x", fed: "test", sampleShape: [], targetShape: [] });
  const { envoys } = await opened({ sample_shape: told.sampleShape!, target_shape: told.targetShape! });
  t.true((await envoys.register("north", info([], []))).accepted);
  t.false((await envoys.register("south", info([1], []))).accepted);
  t.deepEqual(
    envoys.list().map((e) => [e.name, e.sample_shape, e.target_shape]),
    [["north", [], []]],
  );
});

test("D06 an envoy whose heartbeats stay away is offline after two and a half periods, and online with its next", async (t) => {
  const { clock, envoys } = await opened();
  await envoys.register("north", info([4], [2]));
  const online = (): boolean => envoys.list()[0]!.online;
  clock.advance(2.5 * periodMs - 1);
  t.true(online(), "one that was lost is no absence");
  clock.advance(1);
  t.false(online());
  let told = 0;
  envoys.onChange(() => told++);
  t.true(envoys.heartbeat("north", beat).known);
  t.true(online());
  t.is(told, 1, "whoever waits for it hears of it");
  clock.advance(10 * periodMs);
  t.deepEqual([online(), envoys.list().length], [false, 1], "it is not forgotten");
});

const shard = { shard: { use: "mnist", params: { part: 0, parts: 60, trainLimit: 10, validationLimit: 10 } } };
const listed = async ({ wire }: TestFederation) => {
  const answer = await wire.request(subjects.envoys, { caller: "test" }, {}, { timeoutMs: 5_000 });
  return answer.envoys;
};
/** Whether the envoy's process is there, Director or not. */
const answers = ({ wire }: TestFederation): Promise<boolean> =>
  wire.request(subjects.envoyReviews, { envoy: "north", manager: "test" }, {}, { timeoutMs: 5_000 }).then(
    () => true,
    () => false,
  );
/** Asks until it holds: what another process does is not announced here. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

test("D40 D07 D05 an envoy that is there first connects when a Director appears, and again after an outage, at the new one's period", async (t) => {
  const fed = await testFederation(t);
  const envoy = fed.start("envoy", "north", shard);
  await until(() => answers(fed));
  await fed.start("director", "director", { periodMs: 600 });
  await envoy; // it is ready when it is registered
  await fed.kill("director", "director");
  const missed = (): number => fed.lines.filter((line) => line.includes("heartbeat not answered")).length;
  await until(() => missed() >= 2);
  await fed.start("director", "director", { periodMs: 100 });
  await until(async () => (await listed(fed))[0]?.online === true);
  const seen = new Set<number | null>();
  await until(async () => seen.add((await listed(fed))[0]!.seen_at).size > 4);
  const times = [...seen].map(Number).sort((a, b) => a - b);
  const gaps = times.slice(2).map((at, i) => at - times[i + 1]!);
  t.true(Math.min(...gaps) < 500, `it beats at the new period: ${gaps.join(", ")} ms`);
});

test("D02 an envoy whose shard is refused says why and exits with a status that is not 0", async (t) => {
  const fed = await testFederation(t);
  await fed.start("director", "director", { sampleShape: [784], targetShape: [10] });
  const dir = await temporaryDir(t);
  const module = join(dir, "shard.mjs");
  const source = `export default { description: "other", sampleShape: [3], targetShape: [1], load() { throw 0; } };`;
  await writeFile(module, source);
  const at = ["--nats", fed.server.url, "--fed", "test"];
  const { exit, lines } = await run(t, ["envoy", "--name", "north", "--shard", module, ...at, "--json"]);
  t.is(exit, 1);
  const error = lines.find((line) => line.type === "error");
  t.like(error, { code: "FL_SHARD_REFUSED" });
  t.regex(JSON.stringify(error), /\[3\] and targets \[1\] where the federation has \[784\] and \[10\]/);
});
