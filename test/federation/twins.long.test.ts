/** Two envoys of one name. */
import { join } from "node:path";
import test from "ava";
import { forkRole } from "../../actors/child/fork.ts";
import { hasEnded } from "../../src/client/record.ts";
import type { WireError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { Cli } from "../support/cli.ts";
import { testFederation } from "../support/federation.ts";

const shard = { shard: { use: "mnist", params: { trainLimit: 50, validationLimit: 50 } } };
const workspace = join(process.cwd(), "examples/mnist/workspace.ts");
const plan = { version: 1, rounds: 1, tasks: ["train"] };

test("the second is refused and says so, runs nothing, and has the name as soon as the first is killed", async (t) => {
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 1_000 });
  await fed.start("envoy", "north", shard);
  const stop = new AbortController();
  let second: Promise<unknown> = Promise.resolve();
  t.teardown(async () => {
    stop.abort();
    await second;
  });
  const said: string[] = [];
  let ready = (): void => {};
  const accepted = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const refused = await new Promise<WireError>((resolve) => {
    const config = { url: fed.server.url, fed: "test", name: "north", ...shard };
    second = forkRole(
      { role: "envoy", config },
      {
        ...{ signal: stop.signal, log: silentLog, onLine: (line) => said.push(line), onReady: ready },
        onWaiting: (_, error) => resolve(error),
      },
    );
  });
  t.is(refused.code, "FL_EXISTS");
  t.regex(refused.message, /another envoy called north is online/);

  await fed.submit("digits", plan, workspace);
  t.is((await fed.experiment("digits", hasEnded)).state, "finished");
  t.is(said.filter((line) => line.includes("collaborator")).length, 0, "the assignments are the first one's");
  t.is(said.filter((line) => line.includes("the name is taken")).length, 1);

  await fed.kill("envoy", "north");
  await accepted;
  await fed.submit("more", plan, workspace);
  t.is((await fed.experiment("more", hasEnded)).state, "finished");
});

test("a killed envoy's successor is accepted at once: no heartbeat has to be missed", async (t) => {
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 60_000 });
  await fed.start("envoy", "north", shard);
  await fed.kill("envoy", "north");
  await fed.start("envoy", "north", shard);
  t.false(fed.lines.some((line) => line.includes("the name is taken")));
});

test("at the command line the second one says what it waits for", async (t) => {
  const fed = await testFederation(t);
  await fed.start("director", "director", { periodMs: 1_000 });
  await fed.start("envoy", "north", shard);
  const params = JSON.stringify(shard.shard.params);
  const at = ["--name", "north", "--params", params, "--nats", fed.server.url, "--fed", "test"];
  const second = new Cli(t, ["envoy", ...at, "--json"]);
  t.like(await second.line("process"), { role: "envoy", name: "north", state: "waiting", code: "FL_EXISTS" });
  await fed.kill("envoy", "north");
  await second.line("process", (p) => p.state === "ready");
  second.child.kill("SIGINT");
  t.is(await second.status(), 0);
});
