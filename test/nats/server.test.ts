/** A real nats-server as a child: start, end, locks, and what survives which kind of death. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import test from "ava";
import { FlError } from "../../src/errors.ts";
import { readInfo } from "../../src/nats/info.ts";
import { startServer } from "../../src/nats/server.ts";
import { fetchServer, locateServer, packages } from "../../src/nats/server-binary.ts";
import { renderConfig } from "../../src/nats/server-config.ts";
import { goneWithin, lockDirectory, processStart } from "../../src/nats/store-lock.ts";
import { canSyncAlways } from "../../src/nats/version.ts";
import { temporaryDir, testServer } from "../support/server.ts";

/** Located once: several tests at a time would otherwise each fetch. */
const binary = locateServer();

test("start: it answers on a free port of the loopback, with JetStream and room for 8 MB", async (t) => {
  const server = await testServer(t);
  t.regex(server.url, /^nats:\/\/127\.0\.0\.1:\d+$/);
  t.like(await readInfo(server.url, 1_000), {
    version: server.version,
    jetstream: true,
    max_payload: 8 * 1024 * 1024,
  });
});

test("start: two servers in two directories do not meet", async (t) => {
  const [a, b] = await Promise.all([testServer(t), testServer(t)]);
  t.not(a.port, b.port);
  t.not(a.pid, b.pid);
});

test("start: pid is the server's own, in a session of its own", async (t) => {
  const server = await testServer(t);
  const ps = async (pid: number) => (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\)\s/s, "").split(" ");
  if (process.platform !== "linux") return t.pass("needs /proc");
  t.is((await readFile(`/proc/${server.pid}/cmdline`, "utf8")).split("\0")[0], (await binary).path);
  const [, , , sessionOfServer] = await ps(server.pid);
  const [, , , ownSession] = await ps(process.pid);
  t.not(sessionOfServer, ownSession);
});

test("start: an acknowledged message survives kill -9, and the server comes back on the same port", async (t) => {
  const server = await testServer(t);
  const before = await connect({ servers: server.url, reconnect: false });
  await (await jetstreamManager(before)).streams.add({ name: "KEPT", subjects: ["kept"] });
  await jetstream(before).publish("kept", "word");
  const exit = await server.kill();
  t.deepEqual(exit, { code: undefined, signal: "SIGKILL", asked: false });
  await before.closed();
  const { port, pid } = server;
  await server.restart();
  t.is(server.port, port);
  t.not(server.pid, pid);
  const after = await connect({ servers: server.url });
  const message = await (await jetstreamManager(after)).streams.getMessage("KEPT", { seq: 1 });
  t.is(message?.string(), "word");
  await after.close();
});

test("start: a second server in the same directory is refused until the first has stopped", async (t) => {
  const dir = await temporaryDir(t);
  const first = await startServer({ dir });
  t.teardown(() => first.stop());
  const e = await t.throwsAsync(startServer({ dir }), { instanceOf: FlError });
  t.is(e?.code, "FL_LOCKED");
  t.is(e?.detail.pid, process.pid);
  await first.stop();
  const second = await startServer({ dir });
  t.teardown(() => second.stop());
  t.not(second.pid, first.pid);
});

test("start: a port that is taken is FL_NATS_START with the server's last lines, and the directory is free again", async (t) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  t.teardown(() => void taken.close());
  const address = taken.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const dir = await temporaryDir(t);
  const e = await t.throwsAsync(startServer({ dir, port }), { instanceOf: FlError });
  t.is(e?.code, "FL_NATS_START");
  t.regex(e?.message ?? "", /address already in use/);
  t.regex(String(e?.detail.lines), /address already in use/);
  await (await lockDirectory(dir, "server.lock")).release();
});

test("start: a store that cannot be used is FL_NATS_START, not a wait", async (t) => {
  const dir = await temporaryDir(t);
  await writeFile(join(dir, "store"), "a file where a directory should be");
  const e = await t.throwsAsync(startServer({ dir }), { instanceOf: FlError });
  t.is(e?.code, "FL_NATS_START");
});

test("stop: it is asked, once is enough, and exited says so", async (t) => {
  const server = await startServer({ dir: await temporaryDir(t) });
  await Promise.all([server.stop(), server.stop()]);
  t.like(await server.exited, { asked: true });
  t.is(processStart(server.pid), undefined);
  await server.stop();
});

test("stop: killing the guard ends the server too", async (t) => {
  if (process.platform !== "linux") return t.pass("needs /proc");
  const server = await startServer({ dir: await temporaryDir(t) });
  t.teardown(() => server.stop());
  const stat = await readFile(`/proc/${server.pid}/stat`, "utf8");
  process.kill(Number(stat.replace(/^.*\)\s/s, "").split(" ")[1]), "SIGKILL");
  await server.exited;
  t.is(processStart(server.pid), undefined);
});

/** A process of its own that starts a server in `dir`, says its pid and waits. */
async function owner(dir: string): Promise<{ pid: number; server: number; kill: () => void }> {
  const module = new URL("../../src/nats/server.js", import.meta.url).href;
  const code = `import { startServer } from ${JSON.stringify(module)};
    const server = await startServer(${JSON.stringify({ dir, binary: (await binary).path })});
    console.log(server.pid);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  const [said] = await once(child.stdout, "data");
  return { pid: child.pid ?? 0, server: Number(String(said)), kill: () => void child.kill("SIGKILL") };
}

test("death: kill -9 of its parent ends the server and its guard, and the directory can be taken over at once", async (t) => {
  const dir = await temporaryDir(t);
  const parent = await owner(dir);
  t.not(processStart(parent.server), undefined);
  const guard =
    process.platform === "linux"
      ? Number((await readFile(`/proc/${parent.server}/stat`, "utf8")).replace(/^.*\)\s/s, "").split(" ")[1])
      : parent.server;
  parent.kill();
  const heir = await startServer({ dir, log: t.log });
  t.teardown(() => heir.stop());
  t.true(await goneWithin(parent.server, 10_000));
  t.true(await goneWithin(guard, 10_000));
  t.true(await goneWithin(parent.pid, 10_000));
});

test("death: a parent that is alive keeps its directory against another process", async (t) => {
  const dir = await temporaryDir(t);
  const parent = await owner(dir);
  const e = await t.throwsAsync(startServer({ dir }), { instanceOf: FlError });
  t.like(e, { code: "FL_LOCKED" });
  t.is(e?.detail.pid, parent.pid);
  parent.kill();
  t.true(await goneWithin(parent.server, 10_000));
});

test("lock: one of many takers gets a dead owner's directory", async (t) => {
  const dir = await temporaryDir(t);
  await writeFile(join(dir, "a.lock"), JSON.stringify({ pid: process.pid, start: "another run with the same pid" }));
  const takers = await Promise.allSettled(Array.from({ length: 6 }, () => lockDirectory(dir, "a.lock")));
  t.is(takers.filter((taker) => taker.status === "fulfilled").length, 1);
});

test("lock: a torn lock file is nobody's", async (t) => {
  const dir = await temporaryDir(t);
  await writeFile(join(dir, "a.lock"), '{"pid":');
  await t.notThrowsAsync(lockDirectory(dir, "a.lock"));
});

/** `key: value` lines that are not comments. */
function keysOf(config: string): Map<string, string> {
  const lines = [...config.matchAll(/^ *(\w+): *([^#\n]*?) *$/gm)];
  return new Map(lines.map(([, key = "", value = ""]) => [key, value]));
}

const place = { name: "n", port: -1, storeDir: "/s", pidFile: "/p", portsDir: "/d" };

test("config: nats.conf and the configuration of our own server agree on what matters", async (t) => {
  const ours = keysOf(renderConfig({ ...place, version: "2.15.1" }));
  const theirs = keysOf(await readFile("nats.conf", "utf8"));
  for (const key of ["host", "max_payload", "max_pending", "sync_interval"]) {
    t.not(theirs.get(key), undefined, key);
    t.is(ours.get(key), theirs.get(key), key);
  }
  t.true(theirs.has("store_dir"));
});

test("config: nats.conf is accepted by the server as it stands, its WebSocket listener is off", async (t) => {
  const { path } = await binary;
  if (canSyncAlways((await binary).version)) {
    await t.notThrowsAsync(promisify(execFile)(path, ["-t", "-c", "nats.conf"]));
  }
  t.regex(await readFile("nats.conf", "utf8"), /^# websocket \{/m);
});

test("config: sync_interval is written exactly for the versions that know it", (t) => {
  t.false(keysOf(renderConfig({ ...place, version: "2.9.25" })).has("sync_interval"));
  t.is(keysOf(renderConfig({ ...place, version: "2.10.0" })).get("sync_interval"), "always");
});

test("config: a directory with quotes, spaces and backslashes in its name works", async (t) => {
  const dir = join(await temporaryDir(t), 'a "quoted" \\ näme $HOME #x');
  const server = await startServer({ dir });
  t.teardown(() => server.stop());
  t.regex(await readFile(join(dir, "server.pid"), "utf8"), /^\d+/);
});

test("old: the server of the system's own suite starts too, and says what it cannot promise", async (t) => {
  const env = { XDG_CACHE_HOME: await temporaryDir(t) };
  const path = await fetchServer({ env, fetchers: packages.slice(-1), log: t.log }).then(
    (found) => found.path,
    (e: unknown) => {
      // only what this machine lacks excuses; a fault of ours in the fetch must fail here
      const why = e instanceof FlError ? String(e.detail.tried) : String(e);
      if (!/Could not (resolve|connect)|Temporary failure|Network is unreach|no source entry|ENOENT/.test(why)) throw e;
      t.log(`SKIPPED: the system's package archive is out of reach: ${why}`);
      return undefined;
    },
  );
  if (path === undefined) return t.pass();
  const server = await startServer({ dir: await temporaryDir(t), binary: path });
  t.teardown(() => server.stop());
  const version = execFileSync(path, ["--version"], { encoding: "utf8" });
  t.true(version.includes(server.version));
  t.is(
    server.warnings.some((warning) => warning.includes("sync_interval")),
    !canSyncAlways(server.version),
  );
  t.is((await readInfo(server.url, 1_000)).version, server.version);
});
