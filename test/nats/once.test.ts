/**
 * Law P3 where it is hard: the server has stored a write and its answer was lost. A proxy loses it at that moment.
 */

import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import test, { type ExecutionContext } from "ava";
import { silentLog } from "../../src/log.ts";
import { connectNats, type NatsPorts } from "../../src/nats/connect.ts";
import { bytes, Seen, text } from "../contract/world.ts";
import { type LossyProxy, proxyTo } from "../support/proxy.ts";
import { type TestServer, testServer } from "../support/server.ts";

let server: TestServer;
let count = 0;
test.before(async () => {
  server = await testServer();
});
test.after.always(() => server?.stop());

type Split = { far: NatsPorts; near: NatsPorts; proxy: LossyProxy; unique: string };

/** `far` speaks through the proxy, `near` directly. */
async function split(t: ExecutionContext): Promise<Split> {
  const proxy = await proxyTo(server.url);
  const far = await connectNats({ url: proxy.url, name: "far", log: silentLog });
  const near = await connectNats({ url: server.url, name: "near", log: silentLog });
  t.teardown(async () => {
    await Promise.all([far.close(), near.close()]);
    await proxy.close();
  });
  return { far, near, proxy, unique: `once-${++count}` };
}

for (const verb of ["put", "create", "update"] as const) {
  test(`a ${verb} whose answer was lost counts, once, and gives its first revision`, async (t) => {
    const { far, near, proxy, unique } = await split(t);
    const [table, other] = [await far.store.table({ name: unique }), await near.store.table({ name: unique })];
    const before = verb === "update" ? await table.put("k", bytes("old")) : 0;
    const [stored, stop] = [new Seen<number>(), new AbortController()];
    await other.watch("k", ({ value, revision }) => text(value) === "new" && stored.push(revision), stop.signal);
    proxy.mute();
    const writing = verb === "update" ? table.update("k", bytes("new"), before) : table[verb]("k", bytes("new"));
    const [revision] = await stored.first(1);
    proxy.cut();
    t.is(await writing, revision!);
    t.like(await other.get("k"), { revision: revision! });
    stop.abort();
  });
}

test("a put that is repeated does not overwrite what somebody else has put since", async (t) => {
  const { far, near, proxy, unique } = await split(t);
  const [table, other] = [await far.store.table({ name: unique }), await near.store.table({ name: unique })];
  const [stored, stop] = [new Seen<number>(), new AbortController()];
  await other.watch("k", ({ revision }) => stored.push(revision), stop.signal);
  proxy.mute();
  const writing = table.put("k", bytes("mine"));
  await stored.first(1);
  await other.put("k", bytes("later"));
  proxy.cut();
  t.is(await writing, 1);
  t.is(text((await other.get("k"))?.value), "later");
  stop.abort();
});

test("an update whose id the server has forgotten is recognised by its value, a stranger's is not", async (t) => {
  const { far, near, proxy, unique } = await split(t);
  const [table, other] = [await far.store.table({ name: unique }), await near.store.table({ name: unique })];
  const nc = await connect({ servers: server.url });
  t.teardown(() => nc.close());
  await (await jetstreamManager(nc)).streams.update(`KV_${unique}`, { duplicate_window: nanos(100) });
  const forget = async (): Promise<void> => {
    const js = jetstream(nc);
    const probe = `probe-${++count}`;
    // younger than the write in question: when it is forgotten, so is that
    const publish = () => js.publish(`$KV.${unique}.probe`, "x", { msgID: probe });
    await publish();
    while ((await publish()).duplicate);
  };
  for (const [key, found] of [
    ["ours", "new"],
    ["theirs", "stranger"],
  ] as const) {
    const before = await table.put(key, bytes("old"));
    const [stored, stop] = [new Seen<number>(), new AbortController()];
    await other.watch(key, ({ revision }) => revision > before && stored.push(revision), stop.signal);
    proxy.mute();
    const writing = table.update(key, bytes("new"), before);
    const [revision] = await stored.first(1);
    if (found === "stranger") await other.update(key, bytes("stranger"), revision!);
    await forget();
    proxy.cut();
    if (found === "new") t.is(await writing, revision!);
    else await t.throwsAsync(writing, { code: "FL_FENCED" });
    stop.abort();
  }
});

test("an append whose answer was lost is stored once", async (t) => {
  const { far, near, proxy, unique } = await split(t);
  const journal = await far.store.journal({ name: unique, subjects: [`${unique}.>`] });
  const stored = new Seen<string>();
  near.bus.subscribe(`${unique}.>`, (m) => stored.push(m.subject));
  await near.bus.flush();
  proxy.mute();
  const writing = journal.append(`${unique}.x`, bytes("x"));
  await stored.first(1);
  await near.bus.request(`${unique}.y`, bytes("y"), { timeoutMs: 2_000 }); // behind it in the stream
  proxy.cut();
  t.deepEqual(await writing, { seq: 1, duplicate: true });
  t.is((await journal.append(`${unique}.z`, bytes("z"))).seq, 3);
});
