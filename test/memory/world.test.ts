/** What a memory world offers beyond the contract: a clock, lost messages, a reconnect on demand. */
import test from "ava";
import fc from "fast-check";
import { silentLog } from "../../src/log.ts";
import { memoryWorld } from "../../src/memory/ports.ts";
import { matches } from "../../src/memory/subject.ts";
import { bytes, Seen, text } from "../contract/world.ts";
import { manualClock } from "../support/clock.ts";

test("request timeouts, duplicate windows and redelivery run on the world's clock", async (t) => {
  const clock = manualClock();
  const { bus, store } = memoryWorld({ clock, log: silentLog }).ports("a");
  bus.subscribe("silent", () => {});
  const pending = t.throwsAsync(bus.request("silent", bytes("x"), { timeoutMs: 1_000 }), { code: "FL_TIMEOUT" });
  clock.advance(1_000);
  await pending;
  const journal = await store.journal({ name: "J", subjects: ["j.>"] });
  await journal.append("j.x", bytes("x"), { id: "1" });
  clock.advance(119_999);
  t.true((await journal.append("j.x", bytes("x"), { id: "1" })).duplicate);
  clock.advance(1);
  t.false((await journal.append("j.x", bytes("x"), { id: "1" })).duplicate);
  const [seen, stop] = [new Seen<number>(), new AbortController()];
  const worker = journal.work({ durable: "w", signal: stop.signal }, async ({ seq }) => {
    seen.push(seq);
    if (seen.all.length === 1) throw new Error("not now");
  });
  t.deepEqual(await seen.first(2), [1, 2]);
  clock.advance(1_000);
  t.deepEqual(await seen.first(3), [1, 2, 1]);
  stop.abort();
  await worker;
});

test("a lost message reaches no subscriber, but a journal records it", async (t) => {
  let lossy = true;
  const { bus, store } = memoryWorld({ log: silentLog, lose: () => lossy }).ports("a");
  const journal = await store.journal({ name: "J", subjects: ["j.>"] });
  const seen = new Seen<string>();
  bus.subscribe("j.>", (m) => seen.push(text(m.data)!));
  await journal.append("j.x", bytes("lost"));
  bus.publish("j.x", bytes("lost too"));
  lossy = false;
  await journal.append("j.x", bytes("seen"));
  t.deepEqual(await seen.first(1), ["seen"]);
  t.is(text((await journal.read(2))?.data), "lost too");
});

test("a test can say that a bus was away", (t) => {
  const { bus } = memoryWorld({ log: silentLog }).ports("a");
  let times = 0;
  const end = bus.onReconnect(() => times++);
  bus.reconnected();
  end();
  bus.reconnected();
  t.is(times, 1);
});

test("a pattern matches a subject token by token", (t) => {
  const plain = (pattern: string, subject: string): boolean => {
    const [want, got] = [pattern.split("."), subject.split(".")];
    const end = want.indexOf(">");
    const fits = (w: string, i: number): boolean => w === "*" || w === got[i];
    if (end >= 0) return got.length > end && want.slice(0, end).every((w, i) => i < got.length && fits(w, i));
    return want.length === got.length && want.every(fits);
  };
  const tokens = (words: string[]) => fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(tokens(["a", "ab", "b", "*"]), fc.boolean(), tokens(["a", "ab", "b"]), (pattern, open, subject) => {
      const [p, s] = [[...pattern, ...(open ? [">"] : [])].join("."), subject.join(".")];
      t.is(matches(p, s), plain(p, s), `${p} ${s}`);
    }),
    { numRuns: 2_000 },
  );
  t.true(matches(">", "a.b"));
});

test("a reader is told how many are to come, also when some have come or gone meanwhile (J4)", async (t) => {
  const { store } = memoryWorld({ log: silentLog });
  const journal = await store.journal({ name: "J", subjects: ["j.>"] });
  const data = new Uint8Array(1);
  for (const subject of ["j.a", "j.b", "j.a", "j.a", "j.b", "j.a"]) await journal.append(subject, data);
  const told: [number, number][] = [];
  const stop = new AbortController();
  for await (const { seq, pending } of journal.follow({ filter: "j.a", from: 1, signal: stop.signal })) {
    told.push([seq, pending]);
    if (seq === 1) await journal.append("j.a", data);
    if (seq === 3) await journal.purge("j.a", 5);
    if (pending === 0) break;
  }
  t.deepEqual(told, [
    [1, 3],
    [3, 3],
    [6, 1],
    [7, 0],
  ]);
});
