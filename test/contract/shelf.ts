/** The laws of a Shelf, whichever adapter it is. */
import { createHash, randomBytes } from "node:crypto";
import type { TestFn } from "ava";
import { bytes, type MakeWorld, text } from "./world.ts";

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

export function shelfContract(test: TestFn, make: MakeWorld): void {
  test("shelf: what is put is got back, whatever its size, and its digest is its SHA-256", async (t) => {
    const { connect, unique } = await make(t);
    const here = await (await connect("a")).store.shelf({ name: unique });
    const there = await (await connect("b")).store.shelf({ name: unique });
    t.is(await here.get("none"), undefined);
    for (const size of [0, 1, 512 * 1024, 512 * 1024 + 1, 3_000_000]) {
      const data = new Uint8Array(randomBytes(size));
      t.is(await here.put(`size ${size}/ü.bin`, data), sha256(data));
      t.true(Buffer.from(data).equals((await there.get(`size ${size}/ü.bin`))!));
    }
  });

  test("shelf: opened as existing it is there already, or not found, and nothing is made", async (t) => {
    const { connect, unique } = await make(t);
    const { store } = await connect("a");
    for (const _ of [1, 2]) {
      await t.throwsAsync(store.shelf({ name: unique, existing: true }), { code: "FL_NOT_FOUND" });
    }
    await (await store.shelf({ name: unique })).put("x", bytes("one"));
    t.is(text(await (await store.shelf({ name: unique, existing: true })).get("x")), "one");
  });

  test("shelf: a put replaces what was there", async (t) => {
    const { connect, unique } = await make(t);
    const shelf = await (await connect("a")).store.shelf({ name: unique });
    await shelf.put("x", new Uint8Array(1_500_000).fill(1));
    await shelf.put("x", bytes("new"));
    t.is(text(await shelf.get("x")), "new");
    t.deepEqual(await shelf.list(), [{ name: "x", bytes: 3, digest: sha256(bytes("new")) }]);
  });

  test("shelf: a reader gets one whole object or another, never a mixture, while it is replaced", async (t) => {
    const { connect, unique } = await make(t);
    const shelf = await (await connect("a")).store.shelf({ name: unique });
    const reader = await (await connect("b")).store.shelf({ name: unique });
    const version = (n: number): Uint8Array => new Uint8Array(1_200_000 + n).fill(n);
    await shelf.put("x", version(0));
    let writing = true;
    const writes = (async () => {
      for (let n = 1; n <= 8; n++) await shelf.put("x", version(n));
      writing = false;
    })();
    while (writing) {
      const data = (await reader.get("x"))!;
      const n = data[0]!;
      t.is(data.length, 1_200_000 + n);
      t.true(data.every((byte) => byte === n));
    }
    await writes;
    t.is((await reader.get("x"))?.[0], 8);
  });

  test("shelf: what is deleted is gone, from the list too; deleting nothing is fine", async (t) => {
    const { connect, unique } = await make(t);
    const shelf = await (await connect("a")).store.shelf({ name: unique });
    t.deepEqual(await shelf.list(), []);
    await shelf.put("a", bytes("a"));
    await shelf.put("b", bytes("bb"));
    await shelf.delete("a");
    await shelf.delete("a");
    await shelf.delete("never");
    t.is(await shelf.get("a"), undefined);
    t.deepEqual(await shelf.list(), [{ name: "b", bytes: 2, digest: sha256(bytes("bb")) }]);
    await shelf.put("a", bytes("again"));
    t.is(text(await shelf.get("a")), "again");
  });

  test("shelf: it keeps its own copy", async (t) => {
    const { connect, unique } = await make(t);
    const shelf = await (await connect("a")).store.shelf({ name: unique });
    const data = bytes("mine");
    await shelf.put("x", data);
    data.fill(0);
    (await shelf.get("x"))!.fill(0);
    t.is(text(await shelf.get("x")), "mine");
  });
}
