/** A 200 MB model through a nats-server with nothing but its own defaults: 1 MB messages, 64 MB pending a connection. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import test from "ava";
import { systemClock } from "../../src/clock.ts";
import { Counters } from "../../src/counters.ts";
import { silentLog } from "../../src/log.ts";
import { connectNats } from "../../src/nats/connect.ts";
import { locateServer } from "../../src/nats/server-binary.ts";
import { encodeFrame } from "../../src/tensor/frame.ts";
import { publishModel, readModel } from "../../src/transfer/model-stream.ts";
import { pullChunks } from "../../src/transfer/pull.ts";
import { subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { temporaryDir } from "../support/server.ts";

const BYTES = 200e6;

test("200 MB go down to several readers and up again through default limits, and nobody is a slow consumer", async (t) => {
  const dir = await temporaryDir(t);
  const { path } = await locateServer();
  const server = spawn(path, ["-js", "-sd", dir, "-a", "127.0.0.1", "-p", "-1"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const gone = new Promise((resolve) => server.once("exit", resolve));
  t.teardown(async () => {
    server.kill("SIGKILL");
    await gone;
  });
  const log: string[] = [];
  const url = await new Promise<string>((resolve) => {
    createInterface({ input: server.stderr }).on("line", (line) => {
      log.push(line);
      const address = /Listening for client connections on (\S+)/.exec(line)?.[1];
      if (address !== undefined) resolve(`nats://${address}`);
    });
  });
  const wireOf = async (name: string): Promise<Wire> => {
    const nats = await connectNats({ url, name, log: silentLog });
    t.teardown(() => nats.close());
    const ports = { bus: nats.bus, store: nats.store, clock: systemClock, log: silentLog, counters: new Counters() };
    return new Wire(ports, "large");
  };
  const [aggregator, a, b] = await Promise.all([wireOf("aggregator"), wireOf("a"), wireOf("b")]);

  const model = new Uint8Array(BYTES);
  new Float64Array(model.buffer).forEach((_, i, all) => {
    all[i] = i * 1.000001;
  });
  const journal = await aggregator.journal("model", "large");
  const ref = await publishModel(
    { wire: aggregator, journal, exp: "large" },
    subjects.modelChunk,
    { epoch: 1, round: 1 },
    model,
    "0".repeat(64),
  );
  await Promise.all(
    [a, b].map(async (wire) => {
      const got = await readModel({ wire, journal: await wire.journal("model", "large"), exp: "large" }, ref);
      t.is(Buffer.compare(got!, model), 0);
    }),
  );

  const end = a.serve(
    subjects.pull,
    { exp: "large", collaborator: "a" },
    (_, { index }) => encodeFrame(model, index),
    () => new Uint8Array(0),
  );
  await a.ports.bus.flush();
  const into = new Uint8Array(BYTES);
  await pullChunks({
    request: (index) =>
      aggregator.request(
        subjects.pull,
        { exp: "large", collaborator: "a" },
        { round: 1, index },
        { timeoutMs: 10_000 },
      ),
    into,
  });
  end();
  t.is(Buffer.compare(into, model), 0);
  t.deepEqual(
    log.filter((line) => /slow consumer/i.test(line)),
    [],
  );
});
