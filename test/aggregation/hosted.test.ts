/** A user's aggregation in a process of its own, on a real server: the same bits as in this process; killed, it loses a round. */
import { resolve } from "node:path";
import test, { type ExecutionContext } from "ava";
import { resolveAggregation } from "../../actors/aggregation/resolve.ts";
import { forkRole } from "../../actors/child/fork.ts";
import type { ChildRun } from "../../actors/child/machine.ts";
import { systemClock } from "../../src/clock.ts";
import { Counters } from "../../src/counters.ts";
import { FlError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { connectNats } from "../../src/nats/connect.ts";
import type { Aggregation, Update } from "../../src/parts/aggregation.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { Wire } from "../../src/wire/wire.ts";
import { FED } from "../support/ports.ts";
import { type TestServer, testServer } from "../support/server.ts";

const layout = layoutOf([
  { name: "kernel", dtype: "f32", shape: [700, 1000] },
  { name: "bias", dtype: "f32", shape: [1000] },
]); // six chunks
const updates: Update[] = [5, 3, 8, 1, 2].map((weight, k) => ({
  collaborator: `c${k}`,
  weight,
  values: Float32Array.from({ length: layout.length }, (_, i) => Math.sin(i * (k + 1)) * 10 ** ((i % 7) - 3)),
}));
const options = { trim: 0.2 };

let server: TestServer;
test.before(async () => {
  server = await testServer();
});
test.after.always(() => server?.stop());

async function wireOf(t: ExecutionContext, name: string): Promise<Wire> {
  const ports = await connectNats({ url: server.url, name, log: silentLog });
  t.teardown(() => ports.close());
  return new Wire({ ...ports, clock: systemClock, log: silentLog, counters: new Counters() }, FED);
}

/** Starts the entrypoint; resolves when it answers. */
async function hosted(
  t: ExecutionContext,
  name: string,
): Promise<{ pid: number; stop(): void; run: Promise<ChildRun> }> {
  const stop = new AbortController();
  const module = "./examples/trimmed-mean.ts";
  const config = { url: server.url, fed: FED, name, module, options: { trim: 0.4 }, log: "warn" };
  return new Promise((resolve, reject) => {
    const run = forkRole(
      { role: "aggregation", config },
      {
        signal: stop.signal,
        log: silentLog,
        onLine: (line) => t.log(line),
        onReady: (pid) => resolve({ pid, stop: () => stop.abort(), run }),
      },
    );
    run.then((ended) => reject(new Error(JSON.stringify(ended))));
    t.teardown(async () => {
      stop.abort();
      await run;
    });
  });
}

async function play(rule: Aggregation, round: number, given: readonly Update[]): Promise<Uint8Array> {
  const global = new Float32Array(layout.length);
  await rule.begin({ round, layout, global, weightBound: 10, updatesBound: given.length });
  await Promise.all(given.map((u) => rule.accept(u)));
  const out = new Float32Array(layout.length);
  await rule.finish(out);
  return new Uint8Array(out.buffer);
}

test("a module in this process and hosted on the bus give the same bits", async (t) => {
  const wire = await wireOf(t, "agg");
  const path = resolve("examples/trimmed-mean.ts");
  const here = await resolveAggregation(path, options, { wire, exp: "exp" });
  const there = await resolveAggregation("nats:same", options, { wire, exp: "exp" });
  const { stop, run } = await hosted(t, "same");
  for (const [round, given] of [updates, updates.toReversed(), updates.slice(0, 2)].entries()) {
    const [a, b] = await Promise.all([play(here, round + 1, given), play(there, round + 1, given)]);
    t.is(Buffer.compare(a, b), 0, `round ${round + 1}`);
    t.true(a.some((x) => x !== 0));
  }
  await here.dispose?.();
  await there.dispose?.();
  stop();
  t.is((await run).how, "left");
});

test("killed in a round and started again, it loses the round and never makes a wrong model", async (t) => {
  const wire = await wireOf(t, "killed");
  const rule = await resolveAggregation("nats:killed", options, { wire, exp: "exp" });
  t.teardown(async () => rule.dispose?.());
  const begun = play(rule, 1, updates); // before anyone is there
  const first = await hosted(t, "killed");
  const want = await begun;

  await rule.begin({ round: 2, layout, global: new Float32Array(layout.length), weightBound: 10 });
  await rule.accept(updates[0] as Update);
  process.kill(first.pid, "SIGKILL");
  t.is((await first.run).how, "crashed");
  const asked = Promise.resolve(rule.accept(updates[1] as Update)); // while nobody is there
  asked.catch(() => {});
  await hosted(t, "killed");
  for (const call of [
    () => asked,
    () => rule.accept(updates[2] as Update),
    () => rule.finish(new Float32Array(layout.length)),
  ]) {
    const e = await t.throwsAsync(async () => call(), { instanceOf: FlError });
    t.is(e?.code, "FL_PART_LOST");
  }
  t.is(Buffer.compare(await play(rule, 2, updates), want), 0);
});
