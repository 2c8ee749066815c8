/**
 * Suite `round`: what a round costs beside training. The real Aggregator process, real collaborators on connections of
 * their own (several to a host process when there are many), a task that does nothing, every checkpoint stored.
 *
 * A round is timed between two round records as an onlooker sees them. Its baseline in the same run is the bare exchange
 * of the same messages: the model appended to a stream, a key put, a request from each collaborator with its update.
 */
import { fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { forkRole, framing } from "../actors/child/fork.ts";
import { planned, started, submitted } from "../actors/director/lifecycle.ts";
import { systemClock } from "../src/clock.ts";
import { Counters } from "../src/counters.ts";
import { createLog } from "../src/log.ts";
import { connectNats } from "../src/nats/connect.ts";
import { parsePlan } from "../src/plan/plan.ts";
import { buckets } from "../src/wire/table.ts";
import { Wire } from "../src/wire/wire.ts";
import { bare } from "./bare.ts";
import { quantile, type Report, type Suite, withServer } from "./harness.ts";

type Case = { collaborators: number; parameters: number; rounds: number };

const cases: readonly Case[] = [
  { collaborators: 2, parameters: 1_000, rounds: 1_000 },
  { collaborators: 5, parameters: 100_000, rounds: 300 },
  { collaborators: 2, parameters: 1_000_000, rounds: 60 },
  { collaborators: 2, parameters: 10_000_000, rounds: 20 },
];
/** a process each for a few collaborators, shared processes for many */
const perProcess = (collaborators: number): number => (collaborators <= 5 ? 1 : 10);
const WARM_UP = 3;

export const round: Suite = {
  name: "round",
  doc: "time and memory of a round beside training",
  async run(report, flags) {
    if (flags.includes("--memory")) {
      for (const collaborators of [5, 50])
        await one({ collaborators, parameters: 10_000_000, rounds: 4 }, report, true);
      return;
    }
    const only = flags.find((f) => f.startsWith("--case="))?.slice(7);
    for (const [i, c] of cases.entries()) if (only === undefined || only === String(i + 1)) await one(c, report, false);
  },
};

async function one(c: Case, report: Report, memory: boolean): Promise<void> {
  const label = `${c.collaborators} × ${c.parameters.toLocaleString("en")}`;
  await withServer(async ({ url }) => {
    const log = createLog({ level: "warn" });
    const nats = await connectNats({ url, name: "bench", log });
    const wire = new Wire(
      { bus: nats.bus, store: nats.store, clock: systemClock, log, counters: new Counters() },
      "bench",
    );
    const names = Array.from({ length: c.collaborators }, (_, i) => `c${String(i).padStart(4, "0")}`);
    const plan = parsePlan({ version: 1, rounds: c.rounds, tasks: ["idle"], weight: "equal" });
    const experiments = await wire.table(buckets.experiments);
    const submission = { v: 1 as const, name: "bench", plan, archive: { digest: "0".repeat(64), bytes: 0 } };
    const taken = planned(submitted(submission, { owner: "bench", seq: 1, at: 0 }));
    await experiments.put({ exp: "bench" }, started(taken, names, 0));

    const times: number[] = [];
    const rounds = await wire.table(buckets.rounds);
    const watching = new AbortController();
    let last = 0;
    let peak = 0;
    let pid = 0;
    await rounds.watch(
      { exp: "bench" },
      ({ value }) => {
        const now = performance.now();
        if (value !== undefined && value.round > WARM_UP) times.push(now - last);
        last = now;
        if (memory && pid > 0) void peakMemory(pid).then((bytes) => (peak = Math.max(peak, bytes)));
      },
      watching.signal,
    );
    const hosts = [];
    for (let i = 0; i < names.length; i += perProcess(names.length)) {
      const config = {
        url,
        experiment: "bench",
        names: names.slice(i, i + perProcess(names.length)),
        parameters: c.parameters,
        plan,
      };
      const entry = fileURLToPath(new URL("./collaborators.js", import.meta.url));
      hosts.push(
        fork(entry, [JSON.stringify(config)], {
          serialization: "advanced",
          execArgv: framing.execArgv,
          env: { ...framing.env, ...process.env },
        }),
      );
    }
    const run = await forkRole(
      { role: "aggregator", config: { url, fed: "bench", name: "bench", log: "warn" } },
      { signal: new AbortController().signal, log, onReady: (child) => (pid = child) },
    );
    watching.abort();
    for (const process of hosts) process.kill();
    if (run.how !== "output") throw new Error(`aggregator: ${JSON.stringify(run)}`);

    if (memory) {
      report(label, "aggregator peak memory", peak / 2 ** 20, "MiB");
    } else {
      const mean = times.reduce((a, b) => a + b, 0) / times.length;
      report(label, "round p50", quantile(times, 0.5), "ms");
      report(label, "round p99", quantile(times, 0.99), "ms");
      report(label, "rounds a second", 1000 / mean, "1/s");
      const exchange = await bare(url, c.collaborators, c.parameters * 4, Math.min(c.rounds, 200));
      report(label, "bare exchange p50", quantile(exchange, 0.5), "ms");
      report(label, "bare exchange p99", quantile(exchange, 0.99), "ms");
      report(label, "round / bare exchange", quantile(times, 0.5) / quantile(exchange, 0.5), "×");
    }
    await nats.close();
  });
}

/** The highest resident size so far, from the kernel. */
async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}
