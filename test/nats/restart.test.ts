/**
 * Laws P3 and P4 when the server is killed (kill -9) and comes back on the same store. Every test has its own server.
 * PROMPT_MS bounds how long after the server's return a reader may stay behind.
 */
import { randomBytes } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { silentLog } from "../../src/log.ts";
import { connectNats, type NatsPorts } from "../../src/nats/connect.ts";
import { bytes, Seen, text } from "../contract/world.ts";
import { type TestServer, testServer } from "../support/server.ts";

const PROMPT_MS = 1_500;

type World = { server: TestServer; connect(name: string): Promise<NatsPorts> };

async function world(t: ExecutionContext): Promise<World> {
  const server = await testServer();
  const open: NatsPorts[] = [];
  t.teardown(async () => {
    await Promise.all(open.map((ports) => ports.close()));
    await server.stop();
  });
  return {
    server,
    connect: async (name) => {
      const ports = await connectNats({ url: server.url, name, log: silentLog });
      open.push(ports);
      return ports;
    },
  };
}

/** Fails the test if the promise takes longer. */
async function prompt<T>(t: ExecutionContext, promise: Promise<T>, what: string): Promise<T> {
  const began = performance.now();
  const result = await promise;
  const took = Math.round(performance.now() - began);
  t.log(`${what}: ${took} ms after the server's return`);
  t.true(took < PROMPT_MS, `${what} took ${took} ms`);
  return result;
}

test("appends in flight when the server is killed are stored, each once", async (t) => {
  const { server, connect } = await world(t);
  const { store } = await connect("a");
  const journal = await store.journal({ name: "J", subjects: ["j.>"] });
  const data = new Uint8Array(randomBytes(64 * 1024));
  const acks = new Seen<{ subject: string; seq: number }>();
  let writing = true;
  const lanes = Array.from({ length: 16 }, async (_, lane) => {
    for (let i = 0; writing; i++) {
      const subject = `j.${lane}.${i}`;
      const options = lane % 2 === 0 ? {} : { id: subject };
      acks.push({ subject, seq: (await journal.append(subject, data, options)).seq });
    }
  });
  for (let round = 0; round < 2; round++) {
    await acks.first(acks.all.length + 50);
    await server.kill();
    const before = acks.all.length;
    await server.restart();
    await prompt(t, acks.first(before + 16), "appends");
  }
  writing = false;
  await Promise.all(lanes);
  const stored = new Map<string, number>();
  let count = 0;
  for await (const { subject, seq, pending } of journal.follow({ from: 0, signal: new AbortController().signal })) {
    stored.set(subject, seq);
    count++;
    if (pending === 0) break;
  }
  t.is(count, acks.all.length);
  for (const { subject, seq } of acks.all) t.is(stored.get(subject), seq);
});

test("a follower goes on behind the last message it had, and misses and repeats none", async (t) => {
  const { server, connect } = await world(t);
  const [a, b] = [await connect("a"), await connect("b")];
  const spec = { name: "J", subjects: ["j.>"] };
  const [reader, writer] = [await a.store.journal(spec), await b.store.journal(spec)];
  const [seen, stop] = [new Seen<number>(), new AbortController()];
  const following = (async () => {
    for await (const { seq } of reader.follow({ filter: "j.x", from: 0, signal: stop.signal })) seen.push(seq);
  })();
  const numbers: number[] = [];
  for (let i = 0; i < 10; i++) numbers.push((await writer.append("j.x", bytes(`${i}`))).seq);
  await seen.first(10);
  for (let round = 0; round < 2; round++) {
    await server.kill();
    const during = writer.append("j.x", bytes("down"));
    await server.restart();
    numbers.push((await during).seq);
    await prompt(t, seen.first(numbers.length), "follow");
    numbers.push((await writer.append("j.x", bytes("after"))).seq);
    await seen.first(numbers.length);
  }
  t.deepEqual(seen.all, numbers);
  stop.abort();
  await following;
});

test("a watch goes on with what has changed meanwhile, deletions included", async (t) => {
  const { server, connect } = await world(t);
  const [a, b] = [await connect("a"), await connect("b")];
  const [reader, writer] = [await a.store.table({ name: "T" }), await b.store.table({ name: "T" })];
  await writer.put("k.0", bytes("0"));
  await writer.put("gone", bytes("0"));
  const [seen, stop] = [new Seen<string>(), new AbortController()];
  await reader.watch(">", ({ key, value }) => seen.push(`${key}=${text(value) ?? "gone"}`), stop.signal);
  t.is(seen.all.length, 2);
  await server.kill();
  const during = [writer.put("k.1", bytes("1")), writer.delete("gone")];
  await server.restart();
  await Promise.all(during);
  const changes = await prompt(t, seen.first(4), "watch");
  t.deepEqual(changes.slice(2).toSorted(), ["gone=gone", "k.1=1"]);
  await writer.put("k.2", bytes("2"));
  t.is((await seen.first(5))[4], "k.2=2");
  t.is(seen.all.length, 5);
  stop.abort();
});

test("watches, follows and entries begun while the server is away begin when it is back", async (t) => {
  const { server, connect } = await world(t);
  const { store } = await connect("a");
  const table = await store.table({ name: "T" });
  const journal = await store.journal({ name: "J", subjects: ["j.>"] });
  await table.put("k", bytes("1"));
  await journal.append("j.x", bytes("1"));
  await server.kill();
  const stop = new AbortController();
  const seen = new Seen<string>();
  const watching = table.watch(">", ({ key }) => seen.push(key), stop.signal);
  const followed = (async () => {
    for await (const { seq } of journal.follow({ from: 0, signal: stop.signal })) return seq;
    return 0;
  })();
  const entries = table.entries();
  const read = journal.read(1);
  await server.restart();
  await prompt(t, Promise.all([watching, followed, entries, read]), "readers");
  t.deepEqual(seen.all, ["k"]);
  t.is(await followed, 1);
  t.is((await entries).length, 1);
  t.is((await read)?.seq, 1);
  stop.abort();
});

test("a chain of compare-and-set updates is never broken by a restart", async (t) => {
  const { server, connect } = await world(t);
  const { store } = await connect("a");
  const table = await store.table({ name: "T" });
  let revision = await table.create("k", bytes("0"));
  let done = 0;
  const steps = new Seen<number>();
  const chain = (async () => {
    for (let i = 1; i <= 300; i++) {
      revision = await table.update("k", bytes(`${i}`), revision);
      steps.push(i);
      done = i;
    }
  })();
  for (const at of [50, 150]) {
    await steps.first(at);
    await server.kill();
    await server.restart();
  }
  await chain;
  t.is(done, 300);
  t.is(revision, 301);
  t.is(text((await table.get("k"))?.value), "300");
});

test("work that was being done when the server was killed is acknowledged afterwards and not done again", async (t) => {
  const { server, connect } = await world(t);
  const { store } = await connect("a");
  const journal = await store.journal({ name: "J", subjects: ["j.>"] });
  const [started, stop] = [new Seen<number>(), new AbortController()];
  let finish = (): void => {};
  const worker = journal.work({ durable: "w", signal: stop.signal }, async ({ seq }) => {
    started.push(seq);
    if (seq === 1) {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    }
  });
  await journal.append("j.x", bytes("1"));
  await started.first(1);
  await server.kill();
  await server.restart();
  finish();
  await journal.append("j.x", bytes("2"));
  t.deepEqual(await prompt(t, started.first(2), "work"), [1, 2]);
  await server.kill(); // the worker is waiting now
  await server.restart();
  await journal.append("j.x", bytes("3"));
  t.deepEqual(await prompt(t, started.first(3), "work"), [1, 2, 3]);
  stop.abort();
  await worker;
});

test("work of a worker that went away comes to another", async (t) => {
  const { connect } = await world(t);
  const [a, b] = [await connect("a"), await connect("b")];
  const spec = { name: "J", subjects: ["j.>"] };
  const [first, second] = [await a.store.journal(spec), await b.store.journal(spec)];
  const [started, stop] = [new Seen<string>(), new AbortController()];
  const lost = first.work({ durable: "w", signal: stop.signal }, async ({ seq }) => {
    started.push(`a ${seq}`);
    await new Promise(() => {});
  });
  lost.catch(() => {});
  await first.append("j.x", bytes("1"));
  await started.first(1);
  await a.close();
  const worker = second.work({ durable: "w", signal: stop.signal }, async ({ seq }) => started.push(`b ${seq}`));
  t.deepEqual(await started.first(2), ["a 1", "b 1"]);
  stop.abort();
  await worker;
});

test("an object is put and got over a restart", async (t) => {
  const { server, connect } = await world(t);
  const { store } = await connect("a");
  const shelf = await store.shelf({ name: "S" });
  const data = new Uint8Array(randomBytes(12_000_000));
  await shelf.put("x", data.subarray(0, 5_000_000));
  const put = shelf.put("x", data);
  await store.table({ name: "T" }); // a few round trips, so that the put is under way
  await server.kill();
  await server.restart();
  await put;
  const got = shelf.get("x");
  await server.kill();
  await server.restart();
  t.true(Buffer.from(data).equals((await got)!));
  t.is((await shelf.list())[0]?.bytes, data.length);
});

test("a request on its way fails when the server is killed; one made while it is away waits for it", async (t) => {
  const { server, connect } = await world(t);
  const [a, b] = [await connect("a"), await connect("b")];
  const [back, heard] = [new Seen<number>(), new Seen<string>()];
  a.bus.onReconnect(() => back.push(1));
  b.bus.onReconnect(() => back.push(1));
  b.bus.subscribe("serve", (m) => m.respond(m.data));
  b.bus.subscribe("silent", (m) => heard.push(m.subject));
  await b.bus.flush();
  const pending = a.bus.request("silent", bytes("x"), { timeoutMs: 60_000 });
  const failed = t.throwsAsync(pending, { code: "FL_TIMEOUT", message: /connection lost/ });
  await heard.first(1);
  await server.kill();
  await failed;
  await t.throwsAsync(a.bus.request("serve", bytes("x"), { timeoutMs: 10 }), { code: "FL_TIMEOUT" });
  await server.restart();
  await prompt(t, back.first(2), "connections");
  await b.bus.flush(); // its subscriptions are at the server again
  const answer = await a.bus.request("serve", bytes("x"), { timeoutMs: 5_000 });
  t.is(text(answer.data), "x");
});

test("closing ends what waits for a server that is away", async (t) => {
  const { server, connect } = await world(t);
  const { bus, store, close } = await connect("a");
  const table = await store.table({ name: "T" });
  const journal = await store.journal({ name: "J", subjects: ["j.>"] });
  await server.kill();
  const signal = new AbortController().signal;
  const waiting = [
    table.put("k", bytes("1")),
    table.watch(">", () => {}, signal),
    journal.append("j.x", bytes("1")),
    journal.work({ durable: "w", signal }, async () => {}),
    (async () => {
      for await (const _ of journal.follow({ from: 0, signal })) t.fail();
    })(),
    bus.request("x", bytes("1"), { timeoutMs: 60_000 }),
    bus.flush(),
  ].map((promise) => t.throwsAsync(promise as Promise<unknown>, { code: "FL_CLOSED" }));
  await close();
  await Promise.all(waiting);
});
