/** The laws of a Journal, whichever adapter it is. */
import type { ExecutionContext, TestFn } from "ava";
import type { Bus, Journal, Store, Stored } from "../../src/ports.ts";
import { bytes, type MakeWorld, Seen, text, type World } from "./world.ts";

type Open = { journal: Journal; bus: Bus; store: Store; unique: string; world: World };

export function journalContract(test: TestFn, make: MakeWorld): void {
  const open = async (t: ExecutionContext): Promise<Open> => {
    const world = await make(t);
    const { unique } = world;
    const { bus, store } = await world.connect("a");
    const journal = await store.journal({ name: unique, subjects: [`${unique}.>`] });
    return { journal, bus, store, unique, world };
  };
  /** Follows until the signal aborts; what comes goes to `seen`. */
  const follow = async (
    journal: Journal,
    seen: Seen<string>,
    options: { filter?: string; from: number | "new"; signal: AbortSignal },
  ): Promise<void> => {
    for await (const { seq, data, pending } of journal.follow(options)) seen.push(`${seq} ${text(data)} ${pending}`);
  };

  test("journal: what is appended is stored in order and read by number or as the newest", async (t) => {
    const { journal, unique } = await open(t);
    t.is(await journal.read(1), undefined);
    t.is(await journal.read(0), undefined);
    t.is(await journal.last(`${unique}.x`), undefined);
    t.deepEqual(await journal.append(`${unique}.x`, bytes("one")), { seq: 1, duplicate: false });
    t.deepEqual(await journal.append(`${unique}.x`, bytes("two")), { seq: 2, duplicate: false });
    t.deepEqual(await journal.append(`${unique}.y`, bytes("{}")), { seq: 3, duplicate: false });
    const first = await journal.read(1);
    t.like(first, { seq: 1, subject: `${unique}.x`, contentType: "msgpack" });
    t.is(text(first?.data), "one");
    t.like(await journal.last(`${unique}.x`), { seq: 2 });
    t.like(await journal.last(`${unique}.y`), { seq: 3, contentType: "json" });
    t.is(await journal.read(4), undefined);
  });

  test("journal: of each subject it keeps the newest only, if asked to", async (t) => {
    const { store, unique } = await open(t);
    const newest = await store.journal({ name: `${unique}-newest`, subjects: [`${unique}-newest.>`], newest: true });
    await newest.append(`${unique}-newest.x`, bytes("one"));
    await newest.append(`${unique}-newest.y`, bytes("two"));
    await newest.append(`${unique}-newest.x`, bytes("three"));
    t.is(await newest.read(1), undefined);
    t.is(text((await newest.last(`${unique}-newest.x`))?.data), "three");
    t.is(text((await newest.last(`${unique}-newest.y`))?.data), "two");
  });

  test("journal: an id is stored once", async (t) => {
    const { journal, unique } = await open(t);
    const first = await journal.append(`${unique}.x`, bytes("one"), { id: "1" });
    t.deepEqual(await journal.append(`${unique}.x`, bytes("one"), { id: "1" }), { seq: first.seq, duplicate: true });
    t.deepEqual(await journal.append(`${unique}.x`, bytes("one"), { id: "2" }), { seq: 2, duplicate: false });
  });

  test("journal: opened as existing it is there already, or not found, and nothing is made", async (t) => {
    const { store, unique } = await open(t);
    const absent = { name: `${unique}-none`, subjects: [`${unique}-none.>`], existing: true };
    for (const _ of [1, 2]) await t.throwsAsync(store.journal(absent), { code: "FL_NOT_FOUND" });
    const journal = await store.journal({ name: unique, subjects: [`${unique}.>`], existing: true });
    t.like(await journal.append(`${unique}.x`, bytes("one")), { seq: 1 });
  });

  test("journal: it does not take what is not on its subjects", async (t) => {
    const { journal, unique } = await open(t);
    await t.throwsAsync(journal.append(`other-${unique}`, bytes("x")), { code: "FL_NOT_FOUND" });
    await t.throwsAsync(journal.append(unique, bytes("x")), { code: "FL_NOT_FOUND" });
  });

  test("journal: it records what is published, and acknowledges what is requested", async (t) => {
    const { journal, bus, unique } = await open(t);
    bus.publish(`${unique}.x`, bytes("[1]"), "json");
    const answer = await bus.request(`${unique}.x`, bytes("two"), { timeoutMs: 2_000 });
    t.is(answer.contentType, "json");
    t.like(JSON.parse(text(answer.data)!), { stream: unique, seq: 2 });
    t.like(await journal.read(1), { subject: `${unique}.x`, contentType: "json" });
    t.is(text((await journal.read(2))?.data), "two");
  });

  test("journal: subscribers see what is appended, and nobody waits for their answer", async (t) => {
    const { journal, unique, world } = await open(t);
    const { bus } = await world.connect("b");
    const seen = new Seen<string>();
    bus.subscribe(`${unique}.x`, (m) => {
      seen.push(`${text(m.data)} ${m.wantsReply}`);
      m.respond(bytes("not for you"));
    });
    await bus.flush();
    t.is((await journal.append(`${unique}.x`, bytes("one"))).seq, 1);
    t.is((await journal.append(`${unique}.x`, bytes("two"))).seq, 2);
    t.deepEqual(await seen.first(2), ["one false", "two false"]);
  });

  test("journal: follow gives everything that matches, in order, and counts what is still to come", async (t) => {
    const { journal, unique } = await open(t);
    for (const [subject, word] of [
      ["x", "a"],
      ["y", "b"],
      ["x", "c"],
    ] as const)
      await journal.append(`${unique}.${subject}`, bytes(word));
    const stop = new AbortController();
    const [all, some, late, fresh] = [1, 2, 3, 4].map(() => new Seen<string>()) as [
      Seen<string>,
      Seen<string>,
      Seen<string>,
      Seen<string>,
    ];
    const ends = [
      follow(journal, all, { from: 0, signal: stop.signal }),
      follow(journal, some, { filter: `${unique}.x`, from: 0, signal: stop.signal }),
      follow(journal, late, { from: 3, signal: stop.signal }),
    ];
    t.deepEqual(await all.first(3), ["1 a 2", "2 b 1", "3 c 0"]);
    t.deepEqual(await some.first(2), ["1 a 1", "3 c 0"]);
    t.deepEqual(await late.first(1), ["3 c 0"]);
    ends.push(follow(journal, fresh, { from: "new", signal: stop.signal }));
    // "new" begins somewhere between the call and its first message: go on until it has begun
    for (let n = 0; fresh.all.length === 0; n++) await journal.append(`${unique}.z`, bytes(`n${n}`));
    const { seq } = await journal.append(`${unique}.x`, bytes("end"));
    for (let n = 1; !fresh.all.some((line) => line.startsWith(`${seq} end`)); n++) await fresh.first(n);
    t.false(fresh.all.some((line) => /^[123] /.test(line)));
    t.is((await some.first(3))[2], `${seq} end 0`);
    stop.abort();
    await Promise.all(ends);
  });

  test("journal: follow ends without an error when its signal aborts, and when its reader leaves", async (t) => {
    const { journal, unique } = await open(t);
    const stop = new AbortController();
    const waiting = follow(journal, new Seen(), { from: 0, signal: stop.signal });
    await journal.append(`${unique}.x`, bytes("one"));
    for await (const message of journal.follow({ from: 0, signal: stop.signal })) {
      t.is(message.seq, 1);
      break;
    }
    stop.abort();
    await waiting;
    await follow(journal, new Seen(), { from: 0, signal: stop.signal });
    t.pass();
  });

  test("journal: a slow reader gets all of a long journal", async (t) => {
    const { journal, unique } = await open(t);
    const data = new Uint8Array(64 * 1024);
    await Promise.all(Array.from({ length: 200 }, () => journal.append(`${unique}.x`, data)));
    const stop = new AbortController();
    let next = 1;
    for await (const message of journal.follow({ from: 0, signal: stop.signal })) {
      if (message.seq !== next++) break;
      if (message.seq % 20 === 0) await journal.read(1);
      if (message.pending === 0) break;
    }
    t.is(next, 201);
  });

  test("journal: purged messages are gone, their numbers are not used again", async (t) => {
    const { journal, unique } = await open(t);
    for (const subject of ["x", "y", "x", "x"]) await journal.append(`${unique}.${subject}`, bytes(subject));
    await journal.purge(`${unique}.x`, 4);
    t.deepEqual(await Promise.all([1, 2, 3, 4].map(async (seq) => (await journal.read(seq)) !== undefined)), [
      false,
      true,
      false,
      true,
    ]);
    await journal.purge(`${unique}.x`, 0);
    t.like(await journal.last(`${unique}.x`), { seq: 4 });
    await journal.purge(">");
    t.is(await journal.last(`${unique}.x`), undefined);
    t.is((await journal.append(`${unique}.x`, bytes("x"))).seq, 5);
  });

  test("journal: an erased message is read no more, and comes to no worker again", async (t) => {
    const { journal, unique } = await open(t);
    for (const word of ["a", "b", "c"]) await journal.append(`${unique}.x`, bytes(word));
    await journal.erase(1);
    await journal.erase(1);
    await journal.erase(99);
    t.is(await journal.read(1), undefined);
    const [stop, seen] = [new AbortController(), new Seen<string>()];
    const worker = journal.work({ durable: "w", signal: stop.signal }, async ({ seq, data }) => {
      seen.push(text(data)!);
      if (seq !== 2) return;
      await journal.erase(2);
      throw new Error("not now");
    });
    await seen.first(2);
    await journal.append(`${unique}.x`, bytes("d"));
    t.deepEqual(await seen.first(3), ["b", "c", "d"]);
    stop.abort();
    await worker;
    t.is((await journal.append(`${unique}.x`, bytes("e"))).seq, 5, "its number is not used again");
  });

  test("journal: work is done once each by workers that share a name", async (t) => {
    const { journal, unique, world } = await open(t);
    const other = await (await world.connect("b")).store.journal({ name: unique, subjects: [`${unique}.>`] });
    const stop = new AbortController();
    const done = new Seen<number>();
    const handler = async ({ seq }: Stored): Promise<void> => {
      await journal.read(seq);
      done.push(seq);
    };
    const workers = [journal, other].map((j) => j.work({ durable: "w", signal: stop.signal }, handler));
    const seqs = Array.from({ length: 20 }, (_, i) => i + 1);
    for (const seq of seqs) await journal.append(`${unique}.x`, bytes(`${seq}`));
    t.deepEqual(
      (await done.first(20)).toSorted((a, b) => a - b),
      seqs,
    );
    stop.abort();
    await Promise.all(workers);
    t.is(done.all.length, 20);
  });

  test("journal: rejected work comes again, and a new worker goes on where the last one ended", async (t) => {
    const { journal, unique } = await open(t);
    for (const word of ["a", "b", "c"]) await journal.append(`${unique}.x`, bytes(word));
    const [stop, seen] = [new AbortController(), new Seen<string>()];
    const worker = journal.work({ durable: "w", signal: stop.signal }, async ({ data }) => {
      const word = text(data)!;
      const again = seen.all.includes(word);
      seen.push(word);
      if (word === "b" && !again) throw new Error("not now");
    });
    const words = await seen.first(4);
    t.deepEqual(words.slice(0, 2), ["a", "b"]);
    t.deepEqual(words.slice(2).toSorted(), ["b", "c"]);
    stop.abort();
    await worker;
    await journal.append(`${unique}.x`, bytes("d"));
    const [next, more] = [new AbortController(), new Seen<string>()];
    const second = journal.work({ durable: "w", signal: next.signal }, async ({ data }) => more.push(text(data)!));
    t.deepEqual(await more.first(1), ["d"]);
    next.abort();
    await second;
  });

  test("journal: work ends when its signal aborts and the running handler is done", async (t) => {
    const { journal, unique } = await open(t);
    const [stop, started] = [new AbortController(), new Seen<number>()];
    let finish = (): void => {};
    let ended = false;
    const worker = journal
      .work({ durable: "w", signal: stop.signal }, async ({ seq }) => {
        started.push(seq);
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      })
      .then(() => {
        ended = true;
      });
    await journal.append(`${unique}.x`, bytes("a"));
    await started.first(1);
    stop.abort();
    await journal.read(1);
    t.false(ended);
    finish();
    await worker;
    t.true(ended);
  });

  test("journal: removed, it is not there any more; opened again it is empty", async (t) => {
    const { journal, store, unique } = await open(t);
    await journal.append(`${unique}.x`, bytes("a"));
    await store.removeJournal(unique);
    await store.removeJournal(unique);
    await t.throwsAsync(journal.append(`${unique}.x`, bytes("b")), { code: "FL_NOT_FOUND" });
    await t.throwsAsync(journal.read(1), { code: "FL_NOT_FOUND" });
    const again = await store.journal({ name: unique, subjects: [`${unique}.>`] });
    t.is(await again.read(1), undefined);
    t.is((await again.append(`${unique}.x`, bytes("c"))).seq, 1);
  });
}
