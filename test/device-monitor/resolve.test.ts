/** The three placements of a device monitor. */
import test from "ava";
import { forkRole } from "../../actors/child/fork.ts";
import { resolveMonitor } from "../../actors/device-monitor/resolve.ts";
import { serveMonitor } from "../../actors/device-monitor/serve.ts";
import { systemClock } from "../../src/clock.ts";
import { Counters } from "../../src/counters.ts";
import { type Code, FlError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { connectNats } from "../../src/nats/connect.ts";
import { defineMonitor } from "../../src/parts/monitor.ts";
import type { DeviceReport } from "../../src/wire/messages.ts";
import { Wire } from "../../src/wire/wire.ts";
import { FED, testWorld } from "../support/ports.ts";
import { testServer } from "../support/server.ts";

const report: DeviceReport = {
  at: 1,
  cpu: { count: 1, load: 0, model: "m" },
  memory: { total: 2, free: 1 },
  disk: { total: 4, free: 3 },
  gpus: [],
};

const codeOf = async (promise: Promise<unknown>): Promise<Code | undefined> =>
  promise.then(
    () => undefined,
    (e: unknown) => (e instanceof FlError ? e.code : undefined),
  );

test("a built-in one, by its name", async (t) => {
  const monitor = await resolveMonitor("system", { wire: testWorld().wire("e"), envoy: "e" });
  t.is(monitor.name, "system");
  t.true((await monitor.report()).cpu.count >= 1);
});

test("a name that is none is told the nearest", async (t) => {
  const e = await t.throwsAsync(resolveMonitor("sytem", { wire: testWorld().wire("e"), envoy: "e" }), {
    instanceOf: FlError,
  });
  t.is(e?.code, "FL_PART_UNKNOWN");
  t.regex(e?.message ?? "", /did you mean system\?/);
});

test("a module, by its path", async (t) => {
  const place = { wire: testWorld().wire("e"), envoy: "e", from: "examples" };
  t.is((await resolveMonitor("./load-monitor.ts", place)).name, "load");
  t.is(await codeOf(resolveMonitor("./trimmed-mean.ts", place)), "FL_PART_FAILED");
});

test("one on the bus: its report, its errors, and its absence", async (t) => {
  const world = testWorld();
  const monitor = await resolveMonitor("nats:rack", { wire: world.wire("e1"), envoy: "e1" });
  t.is(await codeOf(monitor.report()), "FL_NO_RESPONDER");
  let next: () => DeviceReport = () => report;
  let calls = 0;
  const end = serveMonitor({
    wire: world.wire("m"),
    name: "rack",
    envoy: "e1",
    monitor: defineMonitor({
      name: "mine",
      report: () => {
        calls++;
        return next();
      },
    }),
  });
  t.deepEqual(await monitor.report(), report);
  await Promise.all([monitor.report(), monitor.report()]);
  t.is(calls, 2); // two questions at once share a report
  next = () => ({ ...report, at: Number.NaN });
  t.is(await codeOf(monitor.report()), "FL_PART_FAILED");
  const other = await resolveMonitor("nats:rack", { wire: world.wire("e2"), envoy: "e2" });
  t.is(await codeOf(other.report()), "FL_NO_RESPONDER");
  end();
  t.is(await codeOf(monitor.report()), "FL_NO_RESPONDER");
});

test("one in a process of its own, on a real server", async (t) => {
  const server = await testServer(t);
  const ports = await connectNats({ url: server.url, name: "envoy", log: silentLog });
  t.teardown(() => ports.close());
  const wire = new Wire({ ...ports, clock: systemClock, log: silentLog, counters: new Counters() }, FED);
  const stop = new AbortController();
  const config = { url: server.url, fed: FED, name: "rack", module: "./examples/load-monitor.ts", log: "warn" };
  let ended: ReturnType<typeof forkRole> | undefined;
  await new Promise<void>((resolve, reject) => {
    ended = forkRole(
      { role: "device-monitor", config },
      { signal: stop.signal, log: silentLog, onLine: (line) => t.log(line), onReady: () => resolve() },
    );
    ended.then((run) => reject(new Error(JSON.stringify(run))));
  });
  const monitor = await resolveMonitor("nats:rack", { wire, envoy: "anyone" });
  t.true((await monitor.report()).memory.total > 0);
  stop.abort();
  t.is((await ended)?.how, "left");
});
