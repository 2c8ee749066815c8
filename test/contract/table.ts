/** The laws of a Table, whichever adapter it is. */
import type { TestFn } from "ava";
import type { Change } from "../../src/ports.ts";
import { bytes, type MakeWorld, Seen, text } from "./world.ts";

const shown = ({ key, value }: Change): string => `${key}=${text(value) ?? "gone"}`;

export function tableContract(test: TestFn, make: MakeWorld): void {
  test("table: what is put is there, on every connection, with a revision that grows", async (t) => {
    const { connect, unique } = await make(t);
    const here = await (await connect("a")).store.table({ name: unique });
    const there = await (await connect("b")).store.table({ name: unique });
    t.is(await here.get("k"), undefined);
    const first = await here.put("k", bytes("one"));
    const second = await there.put("k", bytes("two"));
    t.true(second > first);
    const entry = await here.get("k");
    t.like(entry, { key: "k", revision: second });
    t.is(text(entry?.value), "two");
  });

  test("table: opened as existing it is there already, or not found, and nothing is made", async (t) => {
    const { connect, unique } = await make(t);
    const { store } = await connect("a");
    for (const _ of [1, 2]) {
      await t.throwsAsync(store.table({ name: unique, existing: true }), { code: "FL_NOT_FOUND" });
    }
    await (await store.table({ name: unique })).put("k", bytes("one"));
    t.is(text((await (await store.table({ name: unique, existing: true })).get("k"))?.value), "one");
  });

  test("table: a key may hold dots, slashes, dashes, = and _, and nothing a subject could not", async (t) => {
    const { connect, unique } = await make(t);
    const table = await (await connect("a")).store.table({ name: unique });
    for (const key of ["a.b.c", "a/b", "a-b_c=d", "Z9"]) {
      await table.put(key, bytes(key));
      t.is(text((await table.get(key))?.value), key);
    }
    for (const key of ["", "a b", "a.*", ">", ".a", "a.", "a..b", "ü"]) {
      await t.throwsAsync(table.put(key, bytes("x")), { code: "FL_SUBJECT_TOKEN" });
    }
  });

  test("table: a value may be empty or large", async (t) => {
    const { connect, unique } = await make(t);
    const table = await (await connect("a")).store.table({ name: unique });
    await table.put("empty", new Uint8Array(0));
    t.is((await table.get("empty"))?.value.length, 0);
    const large = new Uint8Array(300_000).map((_, i) => i % 251);
    await table.put("large", large);
    t.true(Buffer.from(large).equals((await table.get("large"))!.value));
  });

  test("table: a key is created once; after its deletion once more", async (t) => {
    const { connect, unique } = await make(t);
    const table = await (await connect("a")).store.table({ name: unique });
    await table.create("k", bytes("one"));
    await t.throwsAsync(table.create("k", bytes("two")), { code: "FL_EXISTS" });
    t.is(text((await table.get("k"))?.value), "one");
    await table.delete("k");
    t.is(await table.get("k"), undefined);
    const revision = await table.create("k", bytes("three"));
    t.like(await table.get("k"), { revision });
    await t.throwsAsync(table.create("k", bytes("three")), { code: "FL_EXISTS" });
  });

  test("table: an update is made only on the revision it was made for", async (t) => {
    const { connect, unique } = await make(t);
    const table = await (await connect("a")).store.table({ name: unique });
    const first = await table.put("k", bytes("one"));
    const second = await table.update("k", bytes("two"), first);
    await t.throwsAsync(table.update("k", bytes("three"), first), { code: "FL_FENCED" });
    await t.throwsAsync(table.update("k", bytes("two"), first), { code: "FL_FENCED" });
    await t.throwsAsync(table.update("other", bytes("x"), second), { code: "FL_FENCED" });
    await t.throwsAsync(table.update("k", bytes("x"), 0), { code: "FL_FENCED" });
    t.is(text((await table.get("k"))?.value), "two");
    await table.delete("k");
    await t.throwsAsync(table.update("k", bytes("x"), second), { code: "FL_FENCED" });
  });

  test("table: of many who update one revision one wins", async (t) => {
    const { connect, unique } = await make(t);
    const { store } = await connect("a");
    const [a, b] = [await store.table({ name: unique }), await (await connect("b")).store.table({ name: unique })];
    const revision = await a.put("k", bytes("start"));
    const tries = Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).update("k", bytes(`${i}`), revision));
    const ended = await Promise.allSettled(tries);
    const won = ended.flatMap((e, i) => (e.status === "fulfilled" ? [i] : []));
    t.is(won.length, 1);
    t.is(text((await a.get("k"))?.value), String(won[0]));
  });

  test("table: entries are the present ones that match", async (t) => {
    const { connect, unique } = await make(t);
    const table = await (await connect("a")).store.table({ name: unique });
    t.deepEqual(await table.entries(), []);
    for (const key of ["a.x", "a.y", "b.x", "c"]) await table.put(key, bytes(key));
    await table.put("c", bytes("new"));
    await table.delete("a.y");
    const list = async (filter?: string): Promise<string[]> => (await table.entries(filter)).map(shown).toSorted();
    t.deepEqual(await list(), ["a.x=a.x", "b.x=b.x", "c=new"]);
    t.deepEqual(await list("*.x"), ["a.x=a.x", "b.x=b.x"]);
    t.deepEqual(await list("a.>"), ["a.x=a.x"]);
    t.deepEqual(await list("c"), ["c=new"]);
    t.deepEqual(await list("none"), []);
  });

  test("table: a watch shows what is present, resolves, then shows every change", async (t) => {
    const { connect, unique } = await make(t);
    const table = await (await connect("a")).store.table({ name: unique });
    const writer = await (await connect("b")).store.table({ name: unique });
    await table.put("a", bytes("1"));
    await table.put("b", bytes("1"));
    await table.put("deleted", bytes("1"));
    await table.delete("deleted");
    const [seen, stop] = [new Seen<string>(), new AbortController()];
    const revisions: number[] = [];
    await table.watch(
      ">",
      (change) => {
        revisions.push(change.revision);
        seen.push(shown(change));
      },
      stop.signal,
    );
    t.deepEqual(seen.all.toSorted(), ["a=1", "b=1"]);
    await writer.put("a", bytes("2"));
    await writer.create("c", bytes("1"));
    const last = await writer.put("c", bytes("2"));
    await writer.delete("a");
    // values that were overwritten at once may be passed over, the newest never is
    const end = "a=gone";
    for (let n = 3; !seen.all.includes(end); n++) await seen.first(n);
    t.true(seen.all.includes("c=2"));
    t.true(revisions.includes(last));
    stop.abort();
    await writer.put("d", bytes("1"));
    t.false(seen.all.includes("d=1"));
  });

  test("table: a watch on an empty table resolves, and one key's watch sees only that key", async (t) => {
    const { connect, unique } = await make(t);
    const table = await (await connect("a")).store.table({ name: unique });
    const [seen, stop] = [new Seen<string>(), new AbortController()];
    await table.watch("mine.*", (change) => seen.push(shown(change)), stop.signal);
    await table.put("other.x", bytes("1"));
    await table.put("mine.x", bytes("1"));
    t.deepEqual(await seen.first(1), ["mine.x=1"]);
    stop.abort();
  });

  test("table: what a watcher throws does not end the watch", async (t) => {
    const { connect, unique } = await make(t);
    const table = await (await connect("a")).store.table({ name: unique });
    const [seen, stop] = [new Seen<string>(), new AbortController()];
    await table.watch(
      ">",
      (change) => {
        seen.push(shown(change));
        throw new Error("watcher");
      },
      stop.signal,
    );
    await table.put("a", bytes("1"));
    await seen.first(1);
    await table.put("b", bytes("1"));
    t.deepEqual(await seen.first(2), ["a=1", "b=1"]);
    stop.abort();
  });

  test("table: opened twice, also at the same time, it is the same table", async (t) => {
    const { connect, unique } = await make(t);
    const worlds = await Promise.all(["a", "b", "c"].map((name) => connect(name)));
    const tables = await Promise.all(worlds.map(({ store }) => store.table({ name: unique })));
    await tables[0]!.put("k", bytes("1"));
    for (const table of tables) t.is(text((await table.get("k"))?.value), "1");
  });
}
