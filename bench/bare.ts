/**
 * The bare exchange: what the messages of a round cost on the same server without a runtime around them. Two processes, as
 * in a round: one appends the model to a stream in 512 KiB messages, puts a key and collects; the other watches the key
 * from as many connections as there are collaborators, receives the model live and answers with an update of its size.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";

const CHUNK = 512 * 1024;
const WINDOW = 16;

/** @returns the time of each round in milliseconds */
export async function bare(url: string, collaborators: number, bytes: number, rounds: number): Promise<number[]> {
  const nc = await connect({ servers: url });
  const js = jetstream(nc);
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: "bare", subjects: ["bare.model"] });
  const kv = await new Kvm(nc).create("bare");
  const chunks = Math.max(1, Math.ceil(bytes / CHUNK));
  const chunk = new Uint8Array(Math.min(CHUNK, bytes));
  let arrived = 0;
  let wake = (): void => {};
  let ready = 0;
  nc.subscribe("bare.ready", {
    callback: () => {
      if (++ready === collaborators) wake();
    },
  });
  nc.subscribe("bare.update", {
    callback: (_, message) => {
      message.respond();
      if (++arrived === collaborators * chunks) wake();
    },
  });
  await nc.flush();
  const allReady = new Promise<void>((resolve) => (wake = resolve));
  const entry = fileURLToPath(import.meta.url);
  const peer = fork(entry, [JSON.stringify({ url, collaborators, chunks, chunk: chunk.length })]);
  await allReady;
  const times: number[] = [];
  const wanted = Math.max(5, Math.min(rounds, Math.ceil(4e9 / (bytes * collaborators + 1e6))));
  for (let i = 0; i < wanted; i++) {
    arrived = 0;
    const done = new Promise<void>((resolve) => (wake = resolve));
    const begun = performance.now();
    const under = new Set<Promise<unknown>>();
    for (let k = 0; k < chunks; k++) {
      const one: Promise<unknown> = js.publish("bare.model", chunk).finally(() => under.delete(one));
      under.add(one);
      if (under.size >= WINDOW) await Promise.race(under);
    }
    await Promise.all(under);
    await kv.put("round", String(i));
    await done;
    times.push(performance.now() - begun);
  }
  peer.kill();
  await jsm.streams.delete("bare");
  await nc.close();
  return times;
}

/** The other side, in its own process. */
async function peer(argument: string): Promise<void> {
  const { url, collaborators, chunks, chunk } = JSON.parse(argument) as Record<string, number> & { url: string };
  for (let i = 0; i < collaborators!; i++) {
    const nc = await connect({ servers: url });
    nc.subscribe("bare.model", { callback: () => {} });
    const watch = await (await new Kvm(nc).open("bare")).watch({ key: "round" });
    await nc.flush();
    nc.publish("bare.ready");
    void (async () => {
      for await (const entry of watch) {
        if (entry.operation !== "PUT") continue;
        let next = 0;
        const send = async (): Promise<void> => {
          while (next++ < chunks!) await nc.request("bare.update", new Uint8Array(chunk!), { timeout: 60_000 });
        };
        void Promise.all(Array.from({ length: Math.min(8, chunks!) }, send));
      }
    })();
  }
}
if (process.argv[1] === fileURLToPath(import.meta.url)) await peer(process.argv[2] ?? "{}");
