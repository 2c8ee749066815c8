/**
 * A host process of envoys without experiments: each on a connection of its own, registered, with a heartbeat at the period
 * that the Director dictates and a real device report in it. It also answers `bench.echo` with as many bytes as it is asked
 * for: the bare request beside which the Director's answers are timed.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import { resolveMonitor } from "../actors/device-monitor/resolve.ts";
import { systemClock } from "../src/clock.ts";
import { Counters } from "../src/counters.ts";
import { createLog } from "../src/log.ts";
import { connectNats } from "../src/nats/connect.ts";
import { subjects } from "../src/wire/table.ts";
import { Wire } from "../src/wire/wire.ts";

const { url, envoys } = z
  .object({ url: z.string(), envoys: z.int().positive() })
  .parse(JSON.parse(process.argv[2] ?? "{}"));
const log = createLog({ level: "warn", name: "envoys" });

async function envoy(name: string): Promise<() => void> {
  const nats = await connectNats({ url, name, log });
  const wire = new Wire(
    { bus: nats.bus, store: nats.store, clock: systemClock, log, counters: new Counters() },
    "bench",
  );
  const monitor = await resolveMonitor("system", { wire, envoy: name });
  const shard = { description: "nothing", sample_shape: [784], target_shape: [10] };
  const instance = randomUUID();
  const options = { timeoutMs: 10_000 };
  let { period_ms } = await wire.request(subjects.register, { envoy: name }, { v: 1, instance, ...shard }, options);
  const beat = async (): Promise<void> => {
    const payload = { v: 1 as const, instance, report: await monitor.report(), running: [] };
    ({ period_ms } = await wire.request(subjects.heartbeat, { envoy: name }, payload, options));
    setTimeout(() => void beat(), period_ms);
  };
  // heartbeats of a fleet are spread over the period
  return () => void wait(Math.random() * period_ms).then(beat);
}

const starts: (() => void)[] = [];
for (let i = 0; i < envoys; i += 20) {
  const some = Array.from({ length: Math.min(20, envoys - i) }, (_, k) => `e${String(i + k).padStart(5, "0")}`);
  starts.push(...(await Promise.all(some.map(envoy))));
}
for (const start of starts) start();
const echo = await connectNats({ url, name: "echo", log });
echo.bus.subscribe("bench.echo", (message) => message.respond(new Uint8Array(Number(Buffer.from(message.data)))));
await echo.bus.flush();
process.send?.("ready");
