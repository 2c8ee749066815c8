/**
 * A user with nothing but a NATS client and `tar`: publishes JSON on the documented subject while no Director runs, and
 * reads status, metrics and the final model in the same way. Only @nats-io packages are used on that side.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import test from "ava";
import { unpack } from "msgpackr";
import { testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const workspace = `export default {
  model: ({ tf, seed, sampleShape, targetShape }) => tf.sequential({ layers: [
    tf.layers.dense({ inputShape: [...sampleShape], units: targetShape[0], kernelInitializer: tf.initializers.glorotNormal({ seed }) }),
  ] }),
};
`;

test("JSON on the documented subject is enough, also while the Director is down", async (t) => {
  const fed = await testFederation(t, "plain");
  const envoy = (part: number) => ({
    shard: { use: "mnist", params: { part, parts: 2, trainLimit: 300, validationLimit: 100 } },
  });
  await fed.start("director", "director", { periodMs: 300 });
  await Promise.all([fed.start("envoy", "north", envoy(0)), fed.start("envoy", "south", envoy(1))]);
  await fed.kill("director", "director");

  const dir = await temporaryDir(t);
  await mkdir(join(dir, "ws"));
  await writeFile(join(dir, "ws", "workspace.mjs"), workspace);
  await promisify(execFile)("tar", ["czf", join(dir, "ws.tgz"), "-C", join(dir, "ws"), "workspace.mjs"]);
  const archive = await readFile(join(dir, "ws.tgz"));
  const digest = createHash("sha256").update(archive).digest("hex");

  const nc = await connect({ servers: fed.server.url });
  t.teardown(() => nc.close());
  await jetstream(nc).publish(`fl.v1.plain.upload.alice.${digest}.0`, archive);
  const submission = {
    v: 1,
    name: "by-hand",
    plan: {
      version: 1,
      rounds: 2,
      tasks: [
        { task: "validate", on: "global" },
        { task: "train", arguments: { learningRate: 0.3, samples: 200 } },
      ],
    },
    archive: { digest, bytes: archive.length },
  };
  const ack = await jetstream(nc).publish("fl.v1.plain.experiment.submit.alice", JSON.stringify(submission));
  t.is(ack.stream, "FL-plain-SUBMISSIONS");

  await fed.start("director", "director", { periodMs: 300 });
  const ask = async <T>(subject: string, body: unknown): Promise<T> =>
    (await nc.request(subject, JSON.stringify(body), { timeout: 10_000 })).json<T>();

  // Metrics: replayed from the start by an ordered reader, in JSON or MessagePack as stored.
  await fed.experiment("by-hand", (r) => r.state === "finished" || r.state === "failed");
  type Status = { status: { experiment: { state: string; owner: string; collaborators: string[]; failure: unknown } } };
  const { status } = await ask<Status>("fl.v1.plain.director.status.alice", { experiment: "by-hand" });
  t.is(status.experiment.state, "finished", JSON.stringify(status.experiment.failure));
  t.is(status.experiment.owner, "alice");
  t.deepEqual(status.experiment.collaborators, ["north", "south"]);

  const made = await (await jetstreamManager(nc)).consumers.add("FL-plain-METRICS", {
    ack_policy: AckPolicy.None,
    filter_subject: "fl.v1.plain.owner.alice.by-hand.metric.aggregator",
  });
  const consumer = await jetstream(nc).consumers.get("FL-plain-METRICS", made.name);
  const first = await consumer.next({ expires: 5_000 });
  t.truthy(first);
  t.true((await consumer.info()).num_pending + 1 >= 2 * 2);

  type Page = { metrics: { metric: string; origin: string }[]; over: boolean };
  const page = await ask<Page>("fl.v1.plain.director.metrics.alice", { experiment: "by-hand", from: 0 });
  t.deepEqual([...new Set(page.metrics.map((m) => m.origin))].sort(), ["aggregator", "north", "south"]);
  t.true(page.over);

  const what = { experiment: "by-hand", what: "best", index: 0 };
  const frame = (await nc.request("fl.v1.plain.director.give.alice", JSON.stringify(what), { timeout: 10_000 })).data;
  const [v, index, count, offset, , model] = unpack(frame) as [number, number, number, number, number, Uint8Array];
  t.deepEqual([v, index, count, offset], [1, 0, 1, 0]);
  const header = JSON.parse(
    Buffer.from(
      model.subarray(8, 8 + Number(new DataView(model.buffer, model.byteOffset).getBigUint64(0, true))),
    ).toString(),
  );
  t.deepEqual(header["0.kernel"].shape, [784, 10]);
  const list = (await nc.request("fl.v1.plain.director.list.alice")).json<{ experiments: { name: string }[] }>();
  t.deepEqual(
    list.experiments.map((e) => e.name),
    ["by-hand"],
  );

  // Another owner's name sees none of it.
  type Refusal = { error: { code: string } };
  for (const verb of ["status", "cancel", "model"]) {
    const body = { experiment: "by-hand", ...(verb === "model" && { which: "best" }) };
    t.is((await ask<Refusal>(`fl.v1.plain.director.${verb}.bob`, body)).error.code, "FL_NOT_FOUND");
  }
  t.deepEqual((await nc.request("fl.v1.plain.director.list.bob")).json<{ experiments: [] }>().experiments, []);
  const taken = await nc.request("fl.v1.plain.director.give.bob", JSON.stringify(what));
  t.is(taken.data.length, 0);
});
