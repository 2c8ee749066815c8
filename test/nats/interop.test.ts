/** What the adapter stores is what any NATS client expects, and the other way round; and what it says of servers. */
import { createServer } from "node:net";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import test, { type ExecutionContext } from "ava";
import { silentLog } from "../../src/log.ts";
import { connectNats, type NatsPorts } from "../../src/nats/connect.ts";
import { bytes, Seen, text } from "../contract/world.ts";
import { type TestServer, testServer } from "../support/server.ts";

let server: TestServer;
let count = 0;
test.before(async () => {
  server = await testServer();
});
test.after.always(() => server?.stop());

type Both = { ours: NatsPorts; plain: NatsConnection; unique: string };

async function both(t: ExecutionContext): Promise<Both> {
  const ours = await connectNats({ url: server.url, name: "ours", log: silentLog });
  const plain = await connect({ servers: server.url });
  t.teardown(async () => {
    await Promise.all([ours.close(), plain.close()]);
  });
  return { ours, plain, unique: `interop-${++count}` };
}

test("a table is a key-value bucket", async (t) => {
  const { ours, plain, unique } = await both(t);
  const table = await ours.store.table({ name: unique });
  const kv = await new Kvm(plain).open(unique);
  await table.put("a.b", bytes("ours"));
  t.is((await kv.get("a.b"))?.string(), "ours");
  const revision = await kv.put("a.b", "theirs");
  t.is(text((await table.get("a.b"))?.value), "theirs");
  t.is(await table.update("a.b", bytes("ours again"), revision), revision + 1);
  await kv.purge("a.b");
  t.is(await table.get("a.b"), undefined);
  t.deepEqual(await table.entries(), []);
  await table.create("a.b", bytes("back"));
  await table.delete("a.b");
  t.is((await kv.get("a.b"))?.operation, "DEL");
  const status = await kv.status();
  t.like(status, { history: 1, storage: "file", replicas: 1 });
});

test("a shelf is an object store", async (t) => {
  const { ours, plain, unique } = await both(t);
  const shelf = await ours.store.shelf({ name: unique });
  const store = await new Objm(plain).open(unique);
  const data = new Uint8Array(1_300_000).map((_, i) => i % 253);
  await shelf.put("from/us", data);
  t.true(Buffer.from(data).equals((await store.getBlob("from/us"))!));
  await store.putBlob({ name: "from them" }, data);
  t.true(Buffer.from(data).equals((await shelf.get("from them"))!));
  t.deepEqual((await store.list()).map((o) => o.name).toSorted(), ["from them", "from/us"]);
  await store.delete("from/us");
  t.deepEqual(
    (await shelf.list()).map((o) => o.name),
    ["from them"],
  );
});

test("a damaged object is not handed out", async (t) => {
  const { ours, plain, unique } = await both(t);
  const shelf = await ours.store.shelf({ name: unique });
  await shelf.put("x", new Uint8Array(1_300_000));
  const jsm = await jetstreamManager(plain);
  await jsm.streams.deleteMessage(`OBJ_${unique}`, 2, false);
  await t.throwsAsync(shelf.get("x"), { code: "FL_DIGEST_MISMATCH" });
});

test("a journal is a stream kept in files, without limits, with a duplicate window", async (t) => {
  const { ours, plain, unique } = await both(t);
  const spec = { name: unique, subjects: [`${unique}.a`] };
  await ours.store.journal(spec);
  await ours.store.journal(spec);
  const jsm = await jetstreamManager(plain);
  const { config } = await jsm.streams.info(unique);
  t.like(config, { storage: "file", num_replicas: 1, retention: "limits", discard: "old", allow_direct: true });
  t.is(config.duplicate_window, 120_000_000_000);
  // a later release that records more adds its subjects
  const wider = await ours.store.journal({ name: unique, subjects: [`${unique}.a`, `${unique}.b`] });
  t.is((await wider.append(`${unique}.b`, bytes("x"))).seq, 1);
});

test("a plain client sends JSON with a header in any case, or without", async (t) => {
  const { ours, plain, unique } = await both(t);
  const seen = new Seen<string>();
  ours.bus.subscribe(`${unique}.x`, (m) => seen.push(m.contentType));
  await ours.bus.flush();
  const head = headers();
  head.set("Content-Type", "application/json; charset=utf-8");
  plain.publish(`${unique}.x`, "[1]", { headers: head });
  plain.publish(`${unique}.x`, "{}");
  plain.publish(`${unique}.x`, Uint8Array.of(0x80));
  t.deepEqual(await seen.first(3), ["json", "json", "msgpack"]);
});

test("an address where nobody listens, or nobody speaks NATS, is named", async (t) => {
  const other = createServer((socket) => socket.end("HTTP/1.1 400\r\n\r\n"));
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { port: number };
  const url = `nats://127.0.0.1:${port}`;
  const wrong = await t.throwsAsync(connectNats({ url, name: "a", log: silentLog }), { code: "FL_NATS_UNREACHABLE" });
  t.like(wrong, { detail: { url } });
  await new Promise((resolve) => other.close(resolve));
  const none = await t.throwsAsync(connectNats({ url, name: "a", log: silentLog }), { code: "FL_NATS_UNREACHABLE" });
  t.like(none, { detail: { url } });
  const stop = AbortSignal.abort(new Error("enough"));
  await t.throwsAsync(connectNats({ url, name: "a", log: silentLog, signal: stop }), { message: "enough" });
  await t.throwsAsync(connectNats({ url, name: "no.token", log: silentLog }), { code: "FL_SUBJECT_TOKEN" });
});
