import test from "ava";
import { FlError } from "../../src/errors.ts";
import type { Journal } from "../../src/ports.ts";
import { CHUNK_BYTES } from "../../src/tensor/frame.ts";
import { type Layout, layoutOf } from "../../src/tensor/layout.ts";
import {
  bytesOf,
  INLINE_BYTES,
  LIVE_BYTES,
  ModelFeed,
  type ModelPlace,
  publishModel,
  readModel,
} from "../../src/transfer/model-stream.ts";
import { WINDOW } from "../../src/transfer/pull.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import { type ModelRef, modelRef } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { Wire } from "../../src/wire/wire.ts";
import { FED, quiet, testWorld } from "../support/ports.ts";

const EXP = "e";
const layoutOfLength = (length: number): Layout => layoutOf([{ name: "w", dtype: "f32", shape: [length] }]);
const model = (length: number, round: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(i * 0.37 + round)));
const LENGTH = (5 * CHUNK_BYTES) / 4 + 11; // six chunks
const layout = layoutOfLength(LENGTH);
const signal = new AbortController().signal;
const at = (round: number) => ({ epoch: 1, round });

async function scene(lose: (subject: string) => boolean = () => false) {
  const world = testWorld({ lose });
  const wire = world.wire("aggregator");
  const journal = await wire.journal("model", EXP);
  const publish = (round: number, epoch = 1, values = model(LENGTH, round)): Promise<ModelRef> =>
    publishModel(here(journal), subjects.modelChunk, { epoch, round }, bytesOf(values), layout.digest);
  const ports = world.ports("collaborator");
  const counted = countedReads(journal);
  const here = (journal: Journal): ModelPlace => ({ wire, journal, exp: EXP });
  const feed = new ModelFeed({ wire: new Wire(ports, FED), journal: counted.journal, exp: EXP });
  return { world, wire, journal, here, publish, feed, ports, counted };
}

/** The journal, and how many reads it sees: in all, and at once. */
function countedReads(journal: Journal) {
  const count = { all: 0, now: 0, most: 0 };
  const counting: Journal = Object.create(journal, {
    last: {
      value: async (subject: string) => {
        count.all++;
        count.most = Math.max(count.most, ++count.now);
        try {
          await quiet(1);
          return await journal.last(subject);
        } finally {
          count.now--;
        }
      },
    },
  });
  return { journal: counting, count };
}

const equal = (a: Float32Array | undefined, b: Float32Array): boolean =>
  a !== undefined && Buffer.compare(bytesOf(a), bytesOf(b)) === 0;

test("a stored model is read back bit for bit, at most a window at a time (D1)", async (t) => {
  const { publish, journal, here } = await scene();
  await publish(1);
  const values = model(LENGTH * 4, 2);
  const ref = await publish(2, 1, values);
  t.like(ref, { seq: 7, chunks: 21, bytes: values.byteLength, epoch: 1, round: 2 });
  const { journal: counting, count } = countedReads(journal);
  const back = await readModel(here(counting), ref);
  t.is(Buffer.compare(back!, bytesOf(values)), 0);
  t.is(count.most, WINDOW);
  t.is(count.all, 21);
});

test("publishing the same model again stores nothing and names the same place: a crash in between costs nothing", async (t) => {
  const { publish, journal } = await scene();
  const first = await publish(1);
  t.deepEqual(await publish(1), first);
  t.is(await journal.read(first.seq + first.chunks), undefined);
});

test("another writer's frames in between are noticed (D1)", async (t) => {
  const { wire, journal, here } = await scene();
  let appended = 0;
  const meddled: Journal = Object.create(journal, {
    append: {
      value: async (...args: Parameters<Journal["append"]>) => {
        if (++appended === 3)
          await journal.append(
            wire.subject(subjects.stateChunk, { exp: EXP, epoch: 9, round: 1, index: 0 }),
            Uint8Array.of(1),
          );
        return journal.append(...args);
      },
    },
  });
  await t.throwsAsync(
    publishModel(here(meddled), subjects.modelChunk, at(1), bytesOf(model(LENGTH, 1)), layout.digest),
    {
      code: "FL_FENCED",
    },
  );
});

test("what came live is used without reading the record, and equals the stored copy bit for bit (D2)", async (t) => {
  const { publish, feed, journal, here, counted, ports } = await scene();
  feed.listen(layout);
  for (const round of [1, 2]) {
    const ref = await publish(round);
    await ports.bus.flush();
    const live = await feed.fetch(ref, signal);
    t.true(equal(live, model(LENGTH, round)));
    t.is(Buffer.compare(bytesOf(live!), (await readModel(here(journal), ref))!), 0);
    t.is(counted.count.all, 0);
    feed.listen(layout);
  }
});

test("a model of which any frame was missed live is repaired from the record, bit for bit (D2)", async (t) => {
  for (const missing of [[0], [3], [5], [0, 1, 2, 3, 4, 5]]) {
    let index = 0;
    const { publish, feed, counted, ports } = await scene(
      (subject) => /\.model\./.test(subject) && missing.includes(index++),
    );
    feed.listen(layout);
    const ref = await publish(1);
    await ports.bus.flush();
    t.true(equal(await feed.fetch(ref, signal), model(LENGTH, 1)));
    t.is(counted.count.all, 6);
  }
});

test("whoever listened for one model and is told of another gets the one it is told of", async (t) => {
  const { publish, feed, ports } = await scene();
  const old = await publish(1);
  feed.listen(layout);
  await publish(2);
  await ports.bus.flush();
  t.true(equal(await feed.fetch(old, signal), model(LENGTH, 1)));
  feed.listen(layout);
  await publish(3, 1);
  const owned = await publish(3, 2, model(LENGTH, 30)); // a restarted Aggregator's
  await ports.bus.flush();
  t.true(equal(await feed.fetch(owned, signal), model(LENGTH, 30)));
});

test("a damaged frame and a stranger's are counted, and the record serves", async (t) => {
  const { publish, feed, ports, wire } = await scene();
  feed.listen(layout);
  const subject = wire.subject(subjects.modelChunk, { exp: EXP, epoch: 1, round: 1, index: 0 });
  wire.ports.bus.publish(subject, Uint8Array.of(1, 2, 3));
  const ref = await publish(1);
  await ports.bus.flush();
  t.is(ports.counters.get("FL_FRAME_MALFORMED"), 1);
  t.true(equal(await feed.fetch(ref, signal), model(LENGTH, 1)));
});

test("a model that was purged is undefined, and the feed goes on", async (t) => {
  const { publish, feed, journal, here, wire } = await scene();
  const gone = await publish(1);
  const kept = await publish(2);
  await journal.purge(wire.wildcard(subjects.modelChunk, { exp: EXP }), kept.seq);
  t.is(await readModel(here(journal), gone), undefined);
  t.is(await feed.fetch(gone, signal), undefined);
  t.is(await feed.fetch({ ...kept, seq: kept.seq + 1 }, signal), undefined, "another writer's frame is none of it");
  await journal.purge(wire.subject(subjects.modelChunk, { exp: EXP, ...at(2), index: 3 }));
  t.is(await feed.fetch(kept, signal), undefined, "half of it is nothing");
  t.true(equal(await feed.fetch(await publish(3), signal), model(LENGTH, 3)));
});

test("models beyond LIVE_BYTES are never listened for (D3)", async (t) => {
  const { feed, ports } = await scene();
  let subscribed = 0;
  const subscribe = ports.bus.subscribe.bind(ports.bus);
  ports.bus.subscribe = (...args) => {
    subscribed++;
    return subscribe(...args);
  };
  feed.listen(undefined);
  feed.listen(layoutOfLength(LIVE_BYTES / 4 + 1));
  t.is(subscribed, 0);
  feed.listen(layoutOfLength(LIVE_BYTES / 4));
  feed.listen(layoutOfLength(LIVE_BYTES / 4));
  t.is(subscribed, 1);
});

test("what is published while nobody listens does not touch the buffer that was handed out", async (t) => {
  const { publish, feed, ports } = await scene();
  feed.listen(layout);
  const ref = await publish(1);
  await ports.bus.flush();
  const mine = await feed.fetch(ref, signal);
  await publish(2);
  await ports.bus.flush();
  t.true(equal(mine, model(LENGTH, 1)));
  feed.listen(layout);
  feed.rest();
  await publish(3);
  await ports.bus.flush();
  t.true(equal(mine, model(LENGTH, 1)));
});

test("a read that failed writes nothing more, however late its other answers come (D4)", async (t) => {
  const { publish, journal, here } = await scene();
  const ref = await publish(1);
  const held: (() => void)[] = [];
  const slow: Journal = Object.create(journal, {
    last: {
      value: async (subject: string) => {
        if (subject.endsWith(".0")) throw new FlError("FL_TIMEOUT");
        await new Promise<void>((resolve) => held.push(resolve));
        return journal.last(subject);
      },
    },
  });
  const into = new Uint8Array(ref.bytes);
  await t.throwsAsync(readModel(here(slow), ref, { into }), { code: "FL_TIMEOUT" });
  for (const answer of held) answer();
  await quiet(2);
  t.true(into.every((b) => b === 0));
});

test("a read that was called off writes nothing more, however late its answers come (D4)", async (t) => {
  const { publish, journal, here } = await scene();
  const ref = await publish(1);
  const held: (() => void)[] = [];
  const slow: Journal = Object.create(journal, {
    last: {
      value: async (subject: string) => {
        await new Promise<void>((resolve) => held.push(resolve));
        return journal.last(subject);
      },
    },
  });
  const stop = new AbortController();
  const into = new Uint8Array(ref.bytes);
  const reading = readModel(here(slow), ref, { into, signal: stop.signal });
  t.is(held.length, 6);
  stop.abort(new FlError("FL_STATE"));
  for (const answer of held) answer();
  await t.throwsAsync(reading, { code: "FL_STATE" });
  await quiet(2);
  t.true(into.every((b) => b === 0));
});

test("a small model travels in its reference: the stream never sees it (D5)", async (t) => {
  const { journal, here, wire, feed, counted } = await scene();
  const small = layoutOfLength(INLINE_BYTES / 4);
  const values = model(small.length, 3);
  feed.listen(small);
  const ref = await publishModel(here(journal), subjects.modelChunk, at(3), bytesOf(values), small.digest);
  t.like(ref, { seq: 0, chunks: 0, bytes: INLINE_BYTES, epoch: 1, round: 3 });
  t.is(await journal.last(wire.subject(subjects.modelChunk, { exp: EXP, ...at(3), index: 0 })), undefined);
  values.fill(0); // the Aggregator's buffer is the next round's
  const stored = decode(modelRef, encode(ref), "msgpack", "ref");
  t.true(equal(await feed.fetch(stored, signal), model(small.length, 3)));
  const copy = await readModel(here(journal), stored);
  t.true(equal(new Float32Array(copy!.buffer), model(small.length, 3)), "aligned, whatever the message was");
  t.is(counted.count.all, 0);
  const larger = bytesOf(model(small.length + 1, 3));
  t.is((await publishModel(here(journal), subjects.modelChunk, at(4), larger, small.digest)).chunks, 1);
});

test("a reference whose bytes are not those of its size is refused (D5)", async (t) => {
  const { journal, here } = await scene();
  const ref = { seq: 0, chunks: 0, bytes: 8, epoch: 1, round: 1, layout: layout.digest, data: new Uint8Array(4) };
  await t.throwsAsync(readModel(here(journal), ref), { instanceOf: FlError, code: "FL_FRAME_MALFORMED" });
});

test("a small model that comes while the one before is in use does not touch it, and is used without reading the record", async (t) => {
  const { publish, feed, ports, counted } = await scene();
  let subscribed = 0;
  const subscribe = ports.bus.subscribe.bind(ports.bus);
  ports.bus.subscribe = (...args) => {
    subscribed++;
    return subscribe(...args);
  };
  const two = layoutOfLength(CHUNK_BYTES / 4 + 11); // chunks; two buffers of it are kept
  const values = (round: number): Float32Array => model(two.length, round);
  feed.listen(two);
  let ref = await publish(1, 1, values(1));
  await ports.bus.flush();
  for (const round of [1, 2, 3, 4]) {
    const mine = await feed.fetch(ref, signal);
    t.true(equal(mine, values(round)));
    ref = await publish(round + 1, 1, values(round + 1)); // before the reader listens again
    await ports.bus.flush();
    t.true(equal(mine, values(round)), `the model of round ${round} is still in use`);
    feed.listen(two);
  }
  t.is(counted.count.all, 0);
  t.is(subscribed, 1);
});

test("a small model that was read from the record is not touched either by the next one, which comes live", async (t) => {
  let lost = true;
  const { publish, feed, ports, counted } = await scene((subject) => lost && /\.model\./.test(subject));
  const two = layoutOfLength(CHUNK_BYTES / 4 + 11);
  const values = (round: number): Float32Array => model(two.length, round);
  feed.listen(two);
  const missed = await publish(1, 1, values(1));
  lost = false;
  const mine = await feed.fetch(missed, signal);
  t.is(counted.count.all, 2);
  const next = await publish(2, 1, values(2));
  await ports.bus.flush();
  t.true(equal(mine, values(1)));
  t.true(equal(await feed.fetch(next, signal), values(2)));
  t.is(counted.count.all, 2);
});
