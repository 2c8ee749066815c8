/** The laws of a Bus, whichever adapter it is. */
import type { TestFn } from "ava";
import type { Message } from "../../src/ports.ts";
import { bytes, type MakeWorld, Seen, text } from "./world.ts";

export function busContract(test: TestFn, make: MakeWorld): void {
  test("bus: a published message reaches subscribers on every connection, its own too, in order", async (t) => {
    const { connect, unique } = await make(t);
    const [a, b] = [await connect("a"), await connect("b")];
    const [atA, atB] = [new Seen<string>(), new Seen<string>()];
    a.bus.subscribe(`${unique}.x`, (m) => atA.push(text(m.data)!));
    b.bus.subscribe(`${unique}.x`, (m) => atB.push(text(m.data)!));
    await Promise.all([a.bus.flush(), b.bus.flush()]);
    for (const word of ["one", "two", "three"]) a.bus.publish(`${unique}.x`, bytes(word));
    t.deepEqual(await atA.first(3), ["one", "two", "three"]);
    t.deepEqual(await atB.first(3), ["one", "two", "three"]);
  });

  test("bus: delivery is never inside the call that publishes", async (t) => {
    const { connect, unique } = await make(t);
    const { bus } = await connect("a");
    const seen = new Seen<number>();
    let published = false;
    bus.subscribe(`${unique}.x`, () => seen.push(published ? 1 : 0));
    await bus.flush();
    bus.publish(`${unique}.x`, bytes("x"));
    published = true;
    t.deepEqual(await seen.first(1), [1]);
  });

  test("bus: * stands for one token and > for the rest", async (t) => {
    const { connect, unique } = await make(t);
    const { bus } = await connect("a");
    const [star, rest] = [new Seen<string>(), new Seen<string>()];
    bus.subscribe(`${unique}.*.end`, (m) => star.push(m.subject));
    bus.subscribe(`${unique}.>`, (m) => rest.push(m.subject));
    await bus.flush();
    const all = ["a.end", "a.b.end", "a", "b.end"].map((tail) => `${unique}.${tail}`);
    for (const subject of [unique, ...all]) bus.publish(subject, bytes("x"));
    t.deepEqual(await rest.first(4), all);
    t.deepEqual(star.all, [`${unique}.a.end`, `${unique}.b.end`]);
  });

  test("bus: members of a queue share, everybody else gets everything", async (t) => {
    const { connect, unique } = await make(t);
    const [a, b] = [await connect("a"), await connect("b")];
    const [shared, alone] = [new Seen<string>(), new Seen<string>()];
    a.bus.subscribe(`${unique}.x`, (m) => shared.push(text(m.data)!), { queue: "q" });
    b.bus.subscribe(`${unique}.x`, (m) => shared.push(text(m.data)!), { queue: "q" });
    b.bus.subscribe(`${unique}.x`, (m) => alone.push(text(m.data)!));
    await Promise.all([a.bus.flush(), b.bus.flush()]);
    const words = Array.from({ length: 20 }, (_, i) => `w${i}`);
    for (const word of words) a.bus.publish(`${unique}.x`, bytes(word));
    t.deepEqual(await alone.first(20), words);
    t.deepEqual((await shared.first(20)).toSorted(), words.toSorted());
    await Promise.all([a.bus.flush(), b.bus.flush()]);
    t.is(shared.all.length, 20);
  });

  test("bus: what was unsubscribed gets nothing more", async (t) => {
    const { connect, unique } = await make(t);
    const { bus } = await connect("a");
    const [ended, other] = [new Seen<string>(), new Seen<string>()];
    const end = bus.subscribe(`${unique}.x`, (m) => ended.push(m.subject));
    bus.subscribe(`${unique}.x`, (m) => other.push(m.subject));
    await bus.flush();
    end();
    bus.publish(`${unique}.x`, bytes("x"));
    await other.first(1);
    t.is(ended.all.length, 0);
  });

  test("bus: a request is answered, also after the handler returned; a publish wants no answer", async (t) => {
    const { connect, unique } = await make(t);
    const [server, client] = [await connect("server"), await connect("client")];
    const wants = new Seen<boolean>();
    let late: Message | undefined;
    server.bus.subscribe(`${unique}.echo`, (m) => {
      wants.push(m.wantsReply);
      if (text(m.data) === "late") late = m;
      else m.respond(m.data);
    });
    await server.bus.flush();
    const answer = await client.bus.request(`${unique}.echo`, bytes("hello"), { timeoutMs: 2_000 });
    t.is(text(answer.data), "hello");
    const pending = client.bus.request(`${unique}.echo`, bytes("late"), { timeoutMs: 2_000 });
    await wants.first(2);
    late!.respond(bytes("at last"));
    t.is(text((await pending).data), "at last");
    client.bus.publish(`${unique}.echo`, bytes("x"));
    t.deepEqual(await wants.first(3), [true, true, false]);
  });

  test("bus: many requests in flight get each its own answer", async (t) => {
    const { connect, unique } = await make(t);
    const [server, client] = [await connect("server"), await connect("client")];
    server.bus.subscribe(`${unique}.*`, (m) => m.respond(bytes(`${m.subject} ${text(m.data)}`)));
    await server.bus.flush();
    const asked = Array.from({ length: 100 }, (_, i) => i);
    const answers = await Promise.all(
      asked.map((i) => client.bus.request(`${unique}.${i}`, bytes(`${i}`), { timeoutMs: 5_000 })),
    );
    t.deepEqual(
      answers.map((a) => text(a.data)),
      asked.map((i) => `${unique}.${i} ${i}`),
    );
  });

  test("bus: a request that nobody serves fails at once, one that nobody answers in time", async (t) => {
    const { connect, unique } = await make(t);
    const { bus } = await connect("a");
    bus.subscribe(`${unique}.silent`, () => {});
    await bus.flush();
    await t.throwsAsync(bus.request(`${unique}.nobody`, bytes("x"), { timeoutMs: 60_000 }), {
      code: "FL_NO_RESPONDER",
    });
    await t.throwsAsync(bus.request(`${unique}.silent`, bytes("x"), { timeoutMs: 20 }), { code: "FL_TIMEOUT" });
  });

  test("bus: an aborted request fails with the signal's reason", async (t) => {
    const { connect, unique } = await make(t);
    const { bus } = await connect("a");
    bus.subscribe(`${unique}.silent`, () => {});
    await bus.flush();
    const [stop, reason] = [new AbortController(), new Error("enough")];
    const pending = bus.request(`${unique}.silent`, bytes("x"), { timeoutMs: 60_000, signal: stop.signal });
    stop.abort(reason);
    t.is(await t.throwsAsync(pending), reason);
    const again = bus.request(`${unique}.silent`, bytes("x"), { timeoutMs: 60_000, signal: stop.signal });
    t.is(await t.throwsAsync(again), reason);
  });

  test("bus: a closed bus fails what is pending, refuses what is new, and drops late answers", async (t) => {
    const { connect, unique } = await make(t);
    const [server, client] = [await connect("server"), await connect("client")];
    const got = new Seen<Message>();
    server.bus.subscribe(`${unique}.silent`, got.push);
    await server.bus.flush();
    const pending = client.bus.request(`${unique}.silent`, bytes("x"), { timeoutMs: 60_000 });
    const failed = t.throwsAsync(pending, { code: "FL_CLOSED" });
    const [message] = await got.first(1);
    await client.bus.close();
    await failed;
    await t.throwsAsync(client.bus.request(`${unique}.silent`, bytes("x"), { timeoutMs: 1_000 }), {
      code: "FL_CLOSED",
    });
    t.throws(() => client.bus.publish(`${unique}.x`, bytes("x")), { code: "FL_CLOSED" });
    t.notThrows(() => message!.respond(bytes("too late")));
    await server.bus.close();
    t.notThrows(() => message!.respond(bytes("far too late")));
  });

  test("bus: a handler that throws is not the end of the subscription", async (t) => {
    const { connect, unique } = await make(t);
    const { bus } = await connect("a");
    const seen = new Seen<string>();
    bus.subscribe(`${unique}.x`, (m) => {
      seen.push(text(m.data)!);
      if (text(m.data) === "bad") throw new Error("handler");
    });
    await bus.flush();
    for (const word of ["bad", "good"]) bus.publish(`${unique}.x`, bytes(word));
    t.deepEqual(await seen.first(2), ["bad", "good"]);
  });

  test("bus: the content type goes along; what is not announced is MessagePack, or JSON if it starts with {", async (t) => {
    const { connect, unique } = await make(t);
    const { bus } = await connect("a");
    const seen = new Seen<string>();
    bus.subscribe(`${unique}.x`, (m) => {
      seen.push(m.contentType);
      if (m.wantsReply) m.respond(bytes("[1]"), "json");
    });
    await bus.flush();
    bus.publish(`${unique}.x`, bytes("[1]"));
    bus.publish(`${unique}.x`, bytes("[1]"), "json");
    bus.publish(`${unique}.x`, bytes("{}"));
    bus.publish(`${unique}.x`, new Uint8Array(0));
    const answer = await bus.request(`${unique}.x`, Uint8Array.of(0x81), { timeoutMs: 2_000, contentType: "msgpack" });
    t.is(answer.contentType, "json");
    t.deepEqual(await seen.first(5), ["msgpack", "json", "json", "msgpack", "msgpack"]);
  });

  test("bus: a message as large as the server takes passes, a larger one is refused", async (t) => {
    const { connect, unique } = await make(t);
    const { bus } = await connect("a");
    const seen = new Seen<number>();
    bus.subscribe(`${unique}.x`, (m) => seen.push(m.data.length));
    await bus.flush();
    bus.publish(`${unique}.x`, new Uint8Array(bus.maxPayload));
    t.throws(() => bus.publish(`${unique}.x`, new Uint8Array(bus.maxPayload + 1)), { code: "FL_INTERNAL" });
    t.deepEqual(await seen.first(1), [bus.maxPayload]);
  });

  test("bus: receivers of one message do not share its bytes with the sender", async (t) => {
    const { connect, unique } = await make(t);
    const [a, b] = [await connect("a"), await connect("b")];
    const seen = new Seen<string>();
    b.bus.subscribe(`${unique}.x`, (m) => {
      seen.push(text(m.data)!);
      m.data.fill(0);
    });
    a.bus.subscribe(`${unique}.x`, (m) => seen.push(text(m.data)!));
    await Promise.all([a.bus.flush(), b.bus.flush()]);
    const data = bytes("mine");
    a.bus.publish(`${unique}.x`, data);
    await a.bus.flush();
    t.deepEqual(await seen.first(2), ["mine", "mine"]);
    t.is(text(data), "mine");
  });
}
