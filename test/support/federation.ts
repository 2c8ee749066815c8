/**
 * A whole federation in real processes on a real server, for tests that kill parts of it.
 *
 * F1 Everything it starts ends with the test; `kill` is kill -9, and what was killed stays dead until `start`.
 * F2 Grandchildren are found by their parent: the Aggregator is a child of the Director, a Collaborator of its Envoy.
 */
import { readdir, readFile } from "node:fs/promises";
import { forkRole } from "../../actors/child/fork.ts";
import type { ChildRun } from "../../actors/child/machine.ts";
import { systemClock } from "../../src/clock.ts";
import { Counters } from "../../src/counters.ts";
import { silentLog } from "../../src/log.ts";
import { connectNats } from "../../src/nats/connect.ts";
import { upload } from "../../src/transfer/upload.ts";
import type { ExperimentRecord, RoundRecord } from "../../src/wire/messages.ts";
import { buckets, subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { bundleWorkspace } from "../../src/workspace/bundle.ts";
import type { SecuredServer, Who } from "./secured.ts";
import { type TestServer, testServer } from "./server.ts";

// ava runs tests with source maps; the processes that tests start need none, and load sooner without
process.execArgv = process.execArgv.filter((flag) => flag !== "--enable-source-maps");

export type Role = "director" | "envoy" | "aggregation" | "device-monitor";
type Running = { pid: number; end: AbortController; run: Promise<ChildRun> };
type Teardown = { teardown(end: () => Promise<void>): void; log(...args: unknown[]): void; readonly passed: boolean };

export type TestFederation = {
  readonly server: TestServer;
  readonly wire: Wire;
  /** Starts a role's process; resolves when it answers. */
  start(role: Role, name: string, config?: Record<string, unknown>): Promise<number>;
  kill(role: Role, name: string): Promise<void>;
  stop(role: Role, name: string): Promise<void>;
  /** How a process ended by itself. */
  gone(role: Role, name: string): Promise<ChildRun>;
  /** The process of this entrypoint below that role, once there is one. */
  childOf(role: Role, name: string, entry: string): Promise<number>;
  submit(
    name: string,
    plan: Record<string, unknown>,
    workspace: string,
    options?: { owner?: string; parts?: Record<string, string> },
  ): Promise<void>;
  /** Resolves when the record satisfies the predicate. */
  experiment(name: string, until: (record: ExperimentRecord) => boolean): Promise<ExperimentRecord>;
  round(name: string, until: (record: RoundRecord) => boolean): Promise<RoundRecord>;
  /** The log lines so far, of all processes. */
  readonly lines: readonly string[];
};

/** `secured`: a server that is there, where everybody shows the certificate that is theirs; its authority's Director is the test. */
export async function testFederation(t: Teardown, fed = "test", secured?: SecuredServer): Promise<TestFederation> {
  const server = secured === undefined ? await testServer(t) : ({ url: secured.url } as TestServer);
  const running = new Map<string, Running>();
  const lines: string[] = [];
  t.teardown(async () => {
    if (!t.passed) t.log(lines.slice(-60).join("\n"));
  });
  const credentials = await secured?.credentials("director director");
  const nats = await connectNats({ url: server.url, name: "test", log: silentLog, credentials });
  const ports = { bus: nats.bus, store: nats.store, clock: systemClock, log: silentLog, counters: new Counters() };
  const wire = new Wire(ports, fed);
  const watches = new AbortController();
  t.teardown(async () => {
    watches.abort();
    for (const { end } of running.values()) end.abort();
    await Promise.all([...running.values()].map(({ run }) => run));
    await nats.close();
  });

  const until = async <T>(
    watch: (onRow: (row: { value: T | undefined }) => void, signal: AbortSignal) => Promise<void>,
    holds: (value: T) => boolean,
  ): Promise<T> => {
    const ends = new AbortController();
    watches.signal.addEventListener("abort", () => ends.abort(), { once: true });
    try {
      return await new Promise<T>((resolve, reject) => {
        watch(({ value }) => value !== undefined && holds(value) && resolve(value), ends.signal).catch(reject);
      });
    } finally {
      ends.abort();
    }
  };

  return {
    server,
    wire,
    lines,
    async start(role, name, config = {}) {
      const end = new AbortController();
      let run: Promise<ChildRun> | undefined;
      const creds = await secured?.folder(`${role === "aggregation" ? "part" : role} ${name}` as Who);
      const pid = await new Promise<number>((resolve, reject) => {
        run = forkRole(
          { role, config: { url: server.url, fed, name, log: "debug", creds, ...config } },
          { signal: end.signal, log: silentLog, onLine: (line) => lines.push(line), onReady: resolve },
        );
        run.then((how) => reject(new Error(`${role} ${name} ended before it was ready: ${JSON.stringify(how)}`)));
      });
      running.set(`${role}.${name}`, { pid, end, run: run! });
      return pid;
    },
    async kill(role, name) {
      const { pid, run } = running.get(`${role}.${name}`)!;
      process.kill(pid, "SIGKILL");
      await run;
      running.delete(`${role}.${name}`);
    },
    async stop(role, name) {
      const { end, run } = running.get(`${role}.${name}`)!;
      end.abort();
      await run;
      running.delete(`${role}.${name}`);
    },
    async gone(role, name) {
      const run = await running.get(`${role}.${name}`)!.run;
      running.delete(`${role}.${name}`);
      return run;
    },
    async childOf(role, name, entry) {
      const { pid } = running.get(`${role}.${name}`)!;
      for (;;) {
        const found = await childOf(pid, `${entry}/main.js`);
        if (found !== undefined) return found;
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    async submit(name, plan, workspace, { owner = "tester", parts = {} } = {}) {
      const { archive } = await bundleWorkspace(workspace, { parts });
      const submission = { v: 1 as const, name, plan, archive: await upload(wire, owner, archive) };
      await wire.append(subjects.submit, await wire.journal("submissions"), { owner }, submission, `${owner}.${name}`);
    },
    async experiment(exp, holds) {
      const rows = await wire.table(buckets.experiments);
      return until<ExperimentRecord>((onRow, signal) => rows.watch({ exp }, onRow, signal), holds);
    },
    async round(exp, holds) {
      const rows = await wire.table(buckets.rounds);
      return until<RoundRecord>((onRow, signal) => rows.watch({ exp }, onRow, signal), holds);
    },
  };
}

async function childOf(parent: number, entry: string): Promise<number | undefined> {
  for (const dir of await readdir("/proc")) {
    if (!/^\d+$/.test(dir)) continue;
    const stat = await readFile(`/proc/${dir}/stat`, "utf8").catch(() => "");
    const ppid = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    if (ppid !== parent) continue;
    const command = await readFile(`/proc/${dir}/cmdline`, "utf8").catch(() => "");
    if (command.includes(entry)) return Number(dir);
  }
  return undefined;
}
