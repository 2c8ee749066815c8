/** Roles started by hand, as a service manager does: without a parent that listens, asked to end by a signal. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { insist } from "../../actors/insist.ts";
import { encodeFrame } from "../../src/tensor/frame.ts";
import { readUpload } from "../../src/transfer/upload.ts";
import type { AssignmentRecord } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { Cli, descendantsOf, survivors } from "../support/cli.ts";
import { type TestFederation, testFederation } from "../support/federation.ts";
import { temporaryDir } from "../support/server.ts";

const model = `model: ({ tf, targetShape, sampleShape }) => tf.sequential({ layers: [
  tf.layers.dense({ inputShape: [...sampleShape], units: targetShape[0] }) ] })`;
async function workspace(t: ExecutionContext, train = "({ samples: 1 })"): Promise<string> {
  const file = join(await temporaryDir(t), "workspace.mjs");
  await writeFile(file, `export default { ${model}, tasks: { train: () => ${train} } };`);
  return file;
}

const long = { version: 1, rounds: 1_000_000, tasks: ["train"] };
const silent = { how: 0, left: [], loud: [] };
const shard = { shard: { use: "mnist", params: { trainLimit: 50, validationLimit: 50 } } };

type ByHand = {
  /** The first line that contains this. */
  line(part: string): Promise<string>;
  /** Sends the signal and resolves to how it ended, and what it left behind. */
  end(...signals: NodeJS.Signals[]): Promise<{ how: number | string; left: number[]; loud: string[] }>;
};

async function byHand(t: ExecutionContext, fed: TestFederation, role: string, config = {}): Promise<ByHand> {
  const entry = fileURLToPath(new URL(`../../actors/${role}/main.js`, import.meta.url));
  const given = JSON.stringify({ url: fed.server.url, fed: "test", name: role, ...config });
  const child = spawn(process.execPath, [entry, given], { stdio: ["ignore", "ignore", "pipe"] });
  const lines: string[] = [];
  const closed = once(child, "close").then(([code, signal]) => code ?? signal);
  const wanted = new Set<() => void>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    for (const wake of wanted) wake();
  });
  t.teardown(async () => {
    const below = await descendantsOf(child.pid!);
    child.kill("SIGKILL");
    await leftOf(below, 2_000);
    if (!t.passed) t.log(role, lines.slice(-20).join("\n"));
  });
  return {
    line: (part) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find((line) => line.includes(part));
          if (found === undefined) return;
          wanted.delete(look);
          resolve(found);
        };
        wanted.add(look);
        look();
        closed.then((how) => reject(new Error(`${role} ended (${how}) without ${part}`)));
      }),
    async end(...signals) {
      const below = await descendantsOf(child.pid!);
      for (const signal of signals) child.kill(signal);
      const how = await closed;
      return {
        how,
        left: await leftOf(below, signals.length > 1 ? 2_000 : 0), // one that is killed takes a moment
        loud: lines.filter((line) => /"level":"(warn|error)"/.test(line)),
      };
    },
  };
}

/** What is still there after a while; it does not outlive the test. */
async function leftOf(below: readonly number[], withinMs: number): Promise<number[]> {
  const left = await survivors(below, withinMs);
  for (const pid of left) process.kill(pid, "SIGKILL");
  return left;
}

/** Resolves when the Director does. */
const answers = (fed: TestFederation): Promise<unknown> =>
  insist(new AbortController().signal, () =>
    fed.wire.request(subjects.list, { caller: "tester" }, {}, { timeoutMs: 1_000 }),
  );

const parts = async (t: ExecutionContext, fed: TestFederation): Promise<ByHand[]> => {
  const both = [
    await byHand(t, fed, "aggregation", { module: "./examples/trimmed-mean.ts" }),
    await byHand(t, fed, "device-monitor", { module: "./examples/load-monitor.ts" }),
  ];
  await Promise.all(both.map((part) => part.line("serving")));
  return both;
};

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test.serial(`${signal}: every role leaves with status 0 and without a warning`, async (t) => {
    const fed = await testFederation(t);
    const director = await byHand(t, fed, "director");
    await answers(fed);
    const envoy = await byHand(t, fed, "envoy", shard);
    const others = await parts(t, fed);
    await envoy.line("registered");
    for (const role of [...others, envoy, director]) t.deepEqual(await role.end(signal), silent);
  });
}

/** Gives envoy its archive as a Director does. */
async function giving({ wire }: TestFederation): Promise<void> {
  const row = await (await wire.table(buckets.assignments)).get({ envoy: "envoy" });
  const [{ owner, archive }] = row!.value.experiments as [AssignmentRecord["experiments"][number]];
  const bytes = await readUpload(wire, owner, archive);
  const none = (): Uint8Array => new Uint8Array(0);
  wire.serve(subjects.archive, { envoy: "envoy" }, (_, { index }) => encodeFrame(bytes, index), none);
}

test.serial("in mid-round a role takes its children with it, and each leaves without a warning", async (t) => {
  const fed = await testFederation(t);
  const director = await byHand(t, fed, "director");
  await answers(fed);
  const envoy = await byHand(t, fed, "envoy", shard);
  await envoy.line("registered");
  await fed.submit("long", long, await workspace(t));
  await fed.round("long", (r) => r.round > 2);
  t.deepEqual(await envoy.end("SIGTERM"), silent);
  t.deepEqual(await director.end("SIGINT"), silent);
  const { round } = await fed.round("long", () => true);
  await giving(fed); // in the Director's place
  const aggregator = await byHand(t, fed, "aggregator", { name: "long" });
  const collaborator = await byHand(t, fed, "collaborator", { name: "envoy", experiment: "long", ...shard });
  await fed.round("long", (r) => r.round > round + 1);
  t.deepEqual(await collaborator.end("SIGINT"), silent);
  t.deepEqual(await aggregator.end("SIGTERM"), silent);
});

/** An envoy, started by `start`, whose collaborator runs a task that never yields. */
async function looping<E>(t: ExecutionContext, start: (fed: TestFederation) => Promise<E>): Promise<E> {
  const fed = await testFederation(t);
  await fed.start("director", "director");
  const envoy = await start(fed);
  const loop = `{ console.log("looping"); for (;;); }`;
  await fed.submit("endless", { version: 1, rounds: 1, tasks: ["train"] }, await workspace(t, loop));
  return envoy;
}

test.serial("a second signal ends a role at once, and its child with it, also one that does not hear", async (t) => {
  const envoy = await looping(t, (fed) => byHand(t, fed, "envoy", shard));
  await envoy.line("looping");
  t.like(await envoy.end("SIGTERM", "SIGINT"), { how: 130, left: [] });
});

for (const signals of [["SIGINT"], ["SIGINT", "SIGTERM"]] as const) {
  test.serial(
    `a command that is asked to end ${signals.length}× leaves no grandchild, also none that does not hear`,
    async (t) => {
      const cli = await looping(t, async ({ server }) => {
        const params = ["--params", JSON.stringify(shard.shard.params)];
        return new Cli(t, ["envoy", "--name", "envoy", ...params, "--nats", server.url, "--fed", "test"]);
      });
      await cli.saying("looping");
      const below = await cli.descendants();
      t.is(below.length, 2);
      for (const signal of signals) cli.child.kill(signal);
      t.is(await cli.status(), signals.length === 1 ? 0 : 130);
      t.deepEqual(await leftOf(below, 2_000), []);
    },
  );
}

test.serial("without a server a role leaves all the same, and its children with it", async (t) => {
  const fed = await testFederation(t);
  const director = await byHand(t, fed, "director");
  await answers(fed);
  const roles = [director, await byHand(t, fed, "envoy", shard), ...(await parts(t, fed))];
  await roles[1]!.line("registered");
  await fed.submit("long", long, await workspace(t));
  await fed.round("long", (r) => r.round > 2);
  await fed.server.kill();
  await Promise.all(roles.map((role) => role.line("connection lost")));
  const ends = await Promise.all(roles.map((role) => role.end("SIGTERM")));
  for (const end of ends) t.like(end, { how: 0, left: [] });
  await fed.server.restart();
});

test.serial(
  "a role whose part never finishes loading ends all the same, with status 1 and a word of why",
  async (t) => {
    const fed = await testFederation(t);
    const module = join(await temporaryDir(t), "part.mjs");
    await writeFile(
      module,
      `console.error("loading"); await new Promise((r) => setTimeout(r, 1e9)); export default 1;`,
    );
    const monitor = await byHand(t, fed, "device-monitor", { module });
    await monitor.line("loading");
    const { how, left, loud } = await monitor.end("SIGTERM");
    t.deepEqual([how, left], [1, []]);
    t.regex(loud.join(), /did not leave in time/);
  },
);
