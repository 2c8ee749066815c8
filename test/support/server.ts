/**
 * A real nats-server for integration tests: free port, temporary directory, gone with the test.
 *
 * N1 `kill` is kill -9 and resolves when the process is gone; `restart` comes back on the same port with the same store.
 * N2 In a test, pass `t`; for a whole file, call it in `test.before` and register `after.always(() => server.stop())`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Server, type ServerExit, type ServerOptions, startServer } from "../../src/nats/server.ts";

export type TestServer = {
  /** the same before and after a restart */
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly version: string;
  /** of the present process */
  readonly pid: number;
  kill(): Promise<ServerExit>;
  /** after `kill`, or instead of it: a running server is stopped first */
  restart(): Promise<void>;
  /** ends it and deletes its directory; idempotent */
  stop(): Promise<void>;
};

type Teardown = { teardown(end: () => Promise<void>): void };

export async function testServer(t?: Teardown, options: Omit<ServerOptions, "dir"> = {}): Promise<TestServer> {
  const dir = await temporaryDir(t);
  let server: Server = await startServer({ ...options, dir });
  const { url } = server;
  const port = Number(new URL(url).port);
  const stop = async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  };
  t?.teardown(stop);
  return {
    url,
    port,
    dir,
    get version() {
      return server.version;
    },
    get pid() {
      return server.pid;
    },
    async kill() {
      process.kill(server.pid, "SIGKILL");
      return await server.exited;
    },
    async restart() {
      await server.stop();
      server = await startServer({ ...options, dir, port });
    },
    stop,
  };
}

/** A directory that goes with the test. */
export async function temporaryDir(t?: Teardown): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "entente-test-"));
  // what a test killed may take a moment to go, and writes until then
  t?.teardown(() => rm(dir, { recursive: true, force: true, maxRetries: 10 }));
  return dir;
}
