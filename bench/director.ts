/**
 * Suite `director`: what a fleet of idle envoys costs its Director, and how soon it answers who is there.
 *
 * The real Director process and a host process of envoys (bench/envoys.ts). The Director's processor time is the kernel's
 * count over some heartbeat periods; an answer's time is taken beside that of a bare request for as many bytes.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { forkRole } from "../actors/child/fork.ts";
import { systemClock } from "../src/clock.ts";
import { Counters } from "../src/counters.ts";
import { createLog } from "../src/log.ts";
import { connectNats } from "../src/nats/connect.ts";
import { encode } from "../src/wire/codec.ts";
import { subjects } from "../src/wire/table.ts";
import { Wire } from "../src/wire/wire.ts";
import { quantile, type Report, type Suite, withServer } from "./harness.ts";

const PERIOD_MS = 10_000;
const WATCHED_MS = 4 * PERIOD_MS;
const ASKED = 200;
/** the kernel counts processor time in hundredths of a second */
const TICK_MS = 10;

export const director: Suite = {
  name: "director",
  doc: "heartbeats of idle envoys, and the time of an answer",
  async run(report, flags) {
    const only = flags.find((f) => f.startsWith("--envoys="))?.slice(9);
    for (const n of only === undefined ? [200, 1_000] : [Number(only)]) await one(n, report);
  },
};

async function one(n: number, report: Report): Promise<void> {
  const label = `${n.toLocaleString("en")} envoys`;
  await withServer(async ({ url }) => {
    const log = createLog({ level: "warn" });
    const ends = new AbortController();
    let ready = (_pid: number): void => {};
    const started = new Promise<number>((resolve) => (ready = resolve));
    const config = { url, fed: "bench", name: "director", periodMs: PERIOD_MS, log: "warn" };
    const running = forkRole({ role: "director", config }, { signal: ends.signal, log, onReady: (pid) => ready(pid) });
    const pid = await started;
    const entry = fileURLToPath(new URL("./envoys.js", import.meta.url));
    const fleet = fork(entry, [JSON.stringify({ url, envoys: n })]);
    await once(fleet, "message");

    const before = await processorMs(pid);
    await wait(WATCHED_MS);
    report(label, "Director's processor", (((await processorMs(pid)) - before) / WATCHED_MS) * 100, "% of a core");

    const nats = await connectNats({ url, name: "bench", log });
    const wire = new Wire(
      { bus: nats.bus, store: nats.store, clock: systemClock, log, counters: new Counters() },
      "bench",
    );
    const options = { timeoutMs: 10_000 };
    const ask = () => wire.request(subjects.envoys, { caller: "bench" }, {}, options);
    const answer = await ask();
    if (answer.envoys.filter((e) => e.online).length !== n) throw new Error("not all envoys are online");
    const bytes = encode(answer).length;
    const asked = await timed(ask);
    const size = Buffer.from(String(bytes));
    const bare = await timed(() => nats.bus.request("bench.echo", size, options));
    report(label, "`envoys` answered p50", quantile(asked, 0.5), "ms");
    report(label, "`envoys` answered p99", quantile(asked, 0.99), "ms");
    report(label, "size of the answer", bytes / 1024, "KiB");
    report(label, "bare request p50", quantile(bare, 0.5), "ms");
    report(label, "answer / bare request", quantile(asked, 0.5) / quantile(bare, 0.5), "×");
    fleet.kill();
    ends.abort();
    await running;
    await nats.close();
  });
}

async function timed(call: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < ASKED; i++) {
    const begun = performance.now();
    await call();
    times.push(performance.now() - begun);
  }
  return times;
}

/** User and system time of a process so far. */
async function processorMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
