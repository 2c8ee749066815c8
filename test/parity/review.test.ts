/** Review by people, in real processes: rows D21, D22 and D23. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { readMetrics } from "../../src/client/reading.ts";
import { Reviews } from "../../src/client/reviews.ts";
import { buckets } from "../../src/wire/table.ts";
import { run } from "../support/cli.ts";
import { testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const shard = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 60, trainLimit: 10, validationLimit: 10 } },
});
const source = `export default {
  model: ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ inputShape: [784], units: 10 })] }),
  tasks: { train: () => ({ samples: 1 }) },
};`;
const plan = { version: 1, rounds: 1, tasks: ["train"] };
const ended = ({ state }: { state: string }) => ["finished", "failed", "rejected", "cancelled"].includes(state);

test("D16 D21 D22 D23 what a manager rejects ends as rejected everywhere, before it has run anywhere; what all approve runs", async (t) => {
  const fed = await testFederation(t);
  const workspace = join(await temporaryDir(t), "workspace.mjs");
  await writeFile(workspace, source);
  await fed.start("director", "director", { review: "prompt" });
  await Promise.all([
    fed.start("envoy", "north", { ...shard(0), review: "prompt" }),
    fed.start("envoy", "south", shard(1)),
  ]);
  const at = ["--nats", fed.server.url, "--fed", "test", "--json"];
  const entente = async (...args: string[]) => {
    const done = await run(t, ["review", ...args, ...at]);
    t.is(done.exit, 0, done.said.join("\n"));
    return done;
  };
  const asked = async (role: "director" | "envoy", name: string, experiment: string): Promise<void> => {
    const reviews = new Reviews(fed.wire, { role, name }, "test");
    while (!(await reviews.list()).some((r) => r.experiment === experiment));
  };
  const assignments = async (envoy: string) =>
    (await (await fed.wire.table(buckets.assignments)).get({ envoy }))?.value.experiments ?? [];
  /** its metrics, followed until it has ended */
  const metricsOf = async (experiment: string): Promise<number> => {
    let n = 0;
    for await (const _ of readMetrics(fed.wire, await fed.experiment(experiment, () => true), { follow: true })) n++;
    return n;
  };

  await fed.submit("one", plan, workspace);
  await asked("director", "director", "one");
  const following = metricsOf("one");
  t.deepEqual([await assignments("north"), await assignments("south")], [[], []]);
  const shown = await entente("show", "one");
  t.like(shown.of("plan")[0]?.plan, { rounds: 1 });
  t.true(shown.of("file").some((f) => f.path === "workspace.mjs" && /samples: 1/.test(f.text ?? "")));
  await entente("reject", "one", "--reason", "no purpose is stated");
  const one = await fed.experiment("one", ended);
  t.like(one, { state: "rejected", collaborators: [], started_at: null });
  t.like(one.failure, { role: "director", name: "director", error: { code: "FL_REJECTED" } });
  t.regex(one.failure!.error.message, /no purpose is stated/);
  t.is(await following, 0, "whoever follows its metrics is at the end");
  t.deepEqual([await assignments("north"), await assignments("south")], [[], []], "envoys receive nothing (D21)");

  await fed.submit("two", plan, workspace);
  await asked("director", "director", "two");
  await entente("approve", "two");
  await asked("envoy", "north", "two");
  t.like((await entente("--envoy", "north")).of("review")[0], {
    experiment: "two",
    role: "envoy",
    collaborators: ["north"],
  });
  await entente("reject", "two", "--envoy", "north", "--reason", "not our patients");
  const two = await fed.experiment("two", ended);
  t.is(two.state as string, "rejected");
  t.like(two.failure, { role: "envoy", name: "north", error: { code: "FL_REJECTED" } });
  t.regex(two.failure!.error.message, /not our patients/);
  t.is(await metricsOf("two"), 0);
  while ((await assignments("south")).length > 0);
  t.false(
    fed.lines.some((line) => line.includes('"collaborator.')),
    "nothing has run (D22)",
  );

  await fed.submit("three", plan, workspace);
  await asked("director", "director", "three");
  await entente("approve", "three", "--reason", "stated now");
  await asked("envoy", "north", "three");
  await fed.kill("director", "director");
  await fed.start("director", "director", { review: "prompt" });
  await entente("approve", "three", "--envoy", "north", "--archive", two.submission.archive.digest);
  const three = await fed.experiment("three", ended);
  t.is(three.state, "finished", JSON.stringify(three.failure));
  const told = three.reviews.map((r) => [r.role, r.name, r.by === "auto" ? "auto" : "a person", r.approved, r.reason]);
  t.deepEqual(told.sort(), [
    ["director", "director", "a person", true, "stated now"],
    ["envoy", "north", "a person", true, null],
    ["envoy", "south", "auto", true, null],
  ]);
  for (const r of three.reviews) {
    t.deepEqual([r.plan_digest, r.archive_digest], [three.plan_digest, three.submission.archive.digest]);
  }
});
