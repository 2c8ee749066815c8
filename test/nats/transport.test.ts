/**
 * The client's transport is ours, and what one turn publishes arrives whole and in order (src/nats/transport.ts).
 * In series: the client keeps one transport factory a process, and the stock `connect` sets its own.
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import test from "ava";
import { connectGathering, GatheringTransport } from "../../src/nats/transport.ts";
import { testServer } from "../support/server.ts";

const transportOf = (nc: NatsConnection): unknown =>
  (nc as unknown as { protocol: { transport: unknown } }).protocol.transport;

test.serial("a connection of ours gathers its writes, and stays so after a reconnect (T2)", async (t) => {
  const server = await testServer(t);
  const nc = await connectGathering({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
  t.teardown(() => nc.close());
  t.true(transportOf(nc) instanceof GatheringTransport);
  const back = new Promise<void>((resolve) => {
    void (async () => {
      for await (const status of nc.status()) if (status.type === "reconnect") resolve();
    })();
  });
  await server.kill();
  await server.restart();
  await back;
  t.true(transportOf(nc) instanceof GatheringTransport);
});

test.serial("messages of every size come in order and unchanged, many in one turn (T1)", async (t) => {
  const server = await testServer(t);
  const [ours, stock] = [await connectGathering({ servers: server.url }), await connect({ servers: server.url })];
  t.teardown(() => Promise.all([ours.close(), stock.close()]).then(() => {}));
  const sizes = Array.from({ length: 200 }, (_, i) => [0, 1, 511, 65_535, 65_536, 300_000][i % 6]! + i);
  const carried = async (from: NatsConnection, to: NatsConnection): Promise<[number, boolean][]> => {
    const got: [number, boolean][] = [];
    const all = new Promise<void>((resolve) => {
      to.subscribe("sizes", {
        max: sizes.length,
        callback: (_, { data }) => {
          if (got.push([data.length, data.every((b) => b === data.length % 251)]) === sizes.length) resolve();
        },
      });
    });
    await to.flush();
    for (const size of sizes) from.publish("sizes", new Uint8Array(size).fill(size % 251));
    await all;
    return got;
  };
  const whole = sizes.map((size): [number, boolean] => [size, true]);
  t.deepEqual(await carried(ours, stock), whole);
  t.deepEqual(await carried(stock, ours), whole);
});

test.serial("what was published before closing still goes out (T1)", async (t) => {
  const server = await testServer(t);
  const reader = await connect({ servers: server.url });
  t.teardown(() => reader.close());
  const last = new Promise<string>((resolve) => {
    reader.subscribe("last", { callback: (_, message) => resolve(message.string()) });
  });
  await reader.flush();
  const nc = await connectGathering({ servers: server.url });
  nc.publish("last", "words");
  await nc.drain();
  t.is(await last, "words");
});
