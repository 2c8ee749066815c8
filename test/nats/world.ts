/** One server for a test file; each test has its own names on it and its own connections. */
import type { TestFn } from "ava";
import { silentLog } from "../../src/log.ts";
import { connectNats } from "../../src/nats/connect.ts";
import type { MakeWorld } from "../contract/world.ts";
import { type TestServer, testServer } from "../support/server.ts";

export function natsWorld(test: TestFn): MakeWorld {
  let server: TestServer;
  let count = 0;
  test.before(async () => {
    server = await testServer();
  });
  test.after.always(() => server?.stop());
  return async (t) => ({
    unique: `test-${++count}`,
    connect: async (name) => {
      const ports = await connectNats({ url: server.url, name, log: silentLog });
      t.teardown(() => ports.close());
      return ports;
    },
  });
}
