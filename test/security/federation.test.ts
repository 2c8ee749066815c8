/** A whole federation over mutual TLS: it trains, and its failures are told. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { forkRole } from "../../actors/child/fork.ts";
import type { ChildRun } from "../../actors/child/machine.ts";
import { Federation } from "../../src/client/federation.ts";
import { FlError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { testFederation } from "../support/federation.ts";
import { FED, type SecuredServer, securedServer } from "../support/secured.ts";
import { temporaryDir } from "../support/server.ts";

const model = `model: ({ tf, targetShape, sampleShape }) => tf.sequential({ layers: [
  tf.layers.dense({ inputShape: [...sampleShape], units: targetShape[0] }) ] })`;
const workspaces = {
  good: `export default { ${model} };`,
  throwing: `export default { ${model}, tasks: { train({ collaborator }) {
    if (collaborator === "south") throw new Error("the disk is full");
    return { samples: 1 };
  } } };`,
};
const shard = (part: number) => ({
  shard: { use: "mnist", params: { part, parts: 2, trainLimit: 100, validationLimit: 50 } },
});

async function client(t: { teardown(end: () => Promise<void>): void }, s: SecuredServer, name: string) {
  const federation = await Federation.connect({ nats: s.url, tls: await s.folder(`manager ${name}`) });
  t.teardown(() => federation.close());
  return federation;
}

test("C35 a role does not go by another name than its certificate's, nor with half of what TLS needs", async (t) => {
  const s = await securedServer(t, ["director director", "envoy north", "manager ann"]);
  const run = (role: string, config: object): Promise<ChildRun> =>
    forkRole(
      { role, config: { url: s.url, fed: FED, ...config } },
      { signal: new AbortController().signal, log: silentLog, onLine: () => {} },
    );
  const folder = await s.folder("envoy north");
  const cases: [Promise<ChildRun>, RegExp][] = [
    [run("envoy", { name: "south", creds: folder, ...shard(0) }), /envoy north's, and this is south/],
    [run("director", { creds: folder }), /envoy north's, and director is needed/],
    [run("director", { tlsCa: join(folder, "ca.pem"), tlsCert: join(folder, "cert.pem") }), /--tls-key is not given/],
    [run("envoy", { name: "north", creds: await s.folder("manager ann"), ...shard(0) }), /manager ann's/],
  ];
  for (const [running, said] of cases) {
    const ended = await running;
    t.is(ended.how === "failed" ? ended.error.code : ended.how, "FL_TLS");
    t.regex(ended.how === "failed" ? ended.error.message : "", said);
  }
  const as = { nats: s.url, tls: await s.folder("manager ann") };
  await t.throwsAsync(Federation.connect({ ...as, name: "bob" }), {
    code: "FL_TLS",
    message: /ann's, and this is bob/,
  });
  await t.throwsAsync(Federation.connect({ ...as, fed: "other" }), { code: "FL_TLS", message: /of federation test/ });
});

test("a role that is revoked while it runs ends, and says why", async (t) => {
  const s = await securedServer(t, ["director director", "envoy north"]);
  const fed = await testFederation(t, FED, s);
  await fed.start("director", "director");
  await fed.start("envoy", "north", shard(0));
  await s.pki.revoke("north", undefined, Date.now());
  await s.admit();
  const ended = await fed.gone("envoy", "north");
  t.is(ended.how === "failed" ? ended.error.code : ended.how, "FL_DENIED");
});

test("D18 C35 over mutual TLS an experiment trains to its end, another's failure is told to its owner, and to nobody else", async (t) => {
  const s = await securedServer(t, ["director director", "envoy north", "envoy south", "manager ann", "manager bob"]);
  const fed = await testFederation(t, FED, s);
  await fed.start("director", "director", { periodMs: 300 });
  await Promise.all([fed.start("envoy", "north", shard(0)), fed.start("envoy", "south", shard(1))]);
  const dir = await temporaryDir(t);
  for (const [name, text] of Object.entries(workspaces)) await writeFile(join(dir, `${name}.mjs`), text);
  const [ann, bob] = await Promise.all([client(t, s, "ann"), client(t, s, "bob")]);
  t.is(ann.name, "ann");
  t.is(ann.fed, FED);
  t.deepEqual(
    (await ann.envoys()).map(({ name }) => name),
    ["north", "south"],
  );

  const tasks = [{ task: "train", arguments: { samples: 64, learningRate: 0.1 } }, "validate"];
  const digits = await ann.start({
    name: "digits",
    plan: { version: 1, rounds: 2, tasks },
    workspace: join(dir, "good.mjs"),
  });
  const broken = await bob.start({
    name: "broken",
    plan: { version: 1, rounds: 2, tasks: ["train"] },
    workspace: join(dir, "throwing.mjs"),
  });
  const metrics: string[] = [];
  for await (const { origin, metric, round } of digits.metrics()) metrics.push(`${round} ${origin} ${metric}`);
  t.true(
    metrics.some((line) => line.startsWith("2 north ")) && metrics.some((line) => line.startsWith("2 aggregator ")),
    metrics.join("; "),
  );
  const ended = await digits.ended();
  t.is(ended.state, "finished", JSON.stringify(ended.failure));
  t.is(Object.keys(await digits.lastModel({ as: "tensors" })).length, 2);

  const failed = await broken.ended();
  t.is(failed.state, "failed");
  t.like(failed.failure, { role: "collaborator", name: "south", error: { code: "FL_TASK_FAILED" } });
  t.regex(failed.failure!.error.message, /the disk is full/);

  t.deepEqual(
    (await bob.list()).map(({ name }) => name),
    ["broken"],
  );
  await t.throwsAsync(bob.experiment("digits").status(), { instanceOf: FlError, code: "FL_NOT_FOUND" });
  const [read, model] = [bob.experiment("digits").metrics()[Symbol.asyncIterator](), bob.experiment("digits")];
  await t.throwsAsync(read.next(), { instanceOf: FlError, code: "FL_NOT_FOUND" });
  await t.throwsAsync(model.lastModel({ as: "tensors" }), { instanceOf: FlError, code: "FL_NOT_FOUND" });
  await t.throwsAsync(bob.experiment("digits").cancel(), { instanceOf: FlError, code: "FL_NOT_FOUND" });
});
