import { crc32 } from "node:zlib";
import test from "ava";
import { Pipeline, seedOf } from "../../src/codec/pipeline.ts";
import type { Journal } from "../../src/ports.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { ChangeFeed } from "../../src/transfer/change-feed.ts";
import { bytesOf, publishModel } from "../../src/transfer/model-stream.ts";
import type { ModelChange, ModelRef } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { testWorld } from "../support/ports.ts";

const exp = "e";
const LENGTH = 300_000;
const layout = layoutOf([{ name: "w", dtype: "f32", shape: [LENGTH] }]);
const values = (by: number): Float32Array => Float32Array.from({ length: LENGTH }, (_, i) => Math.sin(i * by));
const { signal } = new AbortController();

/** Models of rounds 1, 2, 3, … as an Aggregator stores them; `read` has the subjects that were read. */
async function federation(entry: { use: string; [option: string]: unknown }) {
  const world = testWorld();
  const wire = world.wire("aggregator");
  const journal = await wire.journal("model", exp);
  const pipeline = new Pipeline([entry], 100, layout);
  const read: string[] = [];
  const spied: Journal = new Proxy(journal, {
    get: (target, key) => {
      if (key !== "last") return Reflect.get(target, key).bind(target);
      return (subject: string) => {
        read.push(subject.split(".").at(-4)!);
        return target.last(subject);
      };
    },
  });
  const feed = new ChangeFeed({ wire: world.wire("a"), journal: spied, exp }, pipeline, 7);
  let held = values(0.1);
  const store = (round: number, subject: typeof subjects.modelChunk | typeof subjects.changeChunk, bytes: Uint8Array) =>
    publishModel({ wire, journal, exp }, subject, { epoch: 1, round }, bytes, layout.digest);
  let last: ModelRef = await store(1, subjects.modelChunk, bytesOf(held));
  const first = last;
  const next = async (made: Float32Array): Promise<{ model: ModelRef; change: ModelChange }> => {
    const round = last.round + 1;
    const seed = seedOf(7, round, undefined);
    const packed = await pipeline.encode({ values: made, base: held, seed });
    const model = new Float32Array(LENGTH);
    await pipeline.decode(packed, held, model, seed);
    held = model;
    const ref = await store(round, subjects.modelChunk, bytesOf(model));
    const change = await store(round, subjects.changeChunk, packed);
    const { epoch, round: from } = last;
    last = ref;
    return { model: ref, change: { ref: change, base: { epoch, round: from }, crc32: crc32(bytesOf(model)) } };
  };
  const taken = (): string[] => [...new Set(read.splice(0))];
  return { feed, next, first, taken, journal, wire, held: () => held };
}

test("C27 the first model is read whole; from then on a change makes the same bits of what is held", async (t) => {
  const f = await federation({ use: "eden", bits: 2 });
  const whole = await f.feed.fetch({ model: f.first }, signal);
  t.deepEqual(whole, values(0.1), "lossless");
  t.deepEqual(f.taken(), ["model"]);
  for (let round = 2; round < 5; round++) {
    const record = await f.next(values(0.1 * round));
    const got = await f.feed.fetch(record, signal);
    t.deepEqual(f.taken(), ["change"]);
    t.deepEqual(Buffer.from(got!.buffer), Buffer.from(f.held().buffer), "bit for bit");
    t.is(await f.feed.fetch(record, signal), got, "what is held is not read again");
    t.deepEqual(f.taken(), []);
  }
});

test("whoever has missed a round, or begins, gets the whole model", async (t) => {
  const f = await federation({ use: "int8", block: 256, rounding: "nearest" });
  const second = await f.next(values(0.2));
  t.deepEqual(await f.feed.fetch(second, signal), f.held());
  t.deepEqual(f.taken(), ["model"], "it holds nothing yet");
  await f.next(values(0.3));
  t.deepEqual(await f.feed.fetch(await f.next(values(0.4)), signal), f.held());
  t.deepEqual(f.taken(), ["model"], "it holds the last but one");
  t.deepEqual(await f.feed.fetch(await f.next(values(0.5)), signal), f.held());
  t.deepEqual(f.taken(), ["change"]);
});

test("a change that is damaged, gone, too large or makes another model is passed over, and nothing held is lost (CF1, CF2)", async (t) => {
  const f = await federation({ use: "f16" });
  await f.feed.fetch({ model: f.first }, signal);
  let record = await f.next(values(0.2));
  const wrong = { ...record, change: { ...record.change, crc32: record.change.crc32 ^ 1 } };
  t.deepEqual(await f.feed.fetch(wrong, signal), f.held());
  t.deepEqual(f.taken(), ["model", "change"]);
  record = await f.next(values(0.3));
  const large = { ...record.change.ref, bytes: 2 ** 40 };
  t.deepEqual(await f.feed.fetch({ ...record, change: { ...record.change, ref: large } }, signal), f.held());
  t.deepEqual(f.taken(), ["model", "change"].slice(0, 1));
  record = await f.next(values(0.4));
  const strange = { ...record.change.ref, data: new Uint8Array(9), bytes: 9 };
  t.deepEqual(await f.feed.fetch({ ...record, change: { ...record.change, ref: strange } }, signal), f.held());
  t.deepEqual(f.taken(), ["model"]);
  record = await f.next(values(0.5));
  await f.journal.purge(f.wire.wildcard(subjects.changeChunk, { exp, epoch: 1, round: 5 }));
  t.deepEqual(await f.feed.fetch(record, signal), f.held());
  record = await f.next(values(0.6));
  f.taken();
  const aborted = AbortSignal.abort(new Error("a newer round"));
  await t.throwsAsync(f.feed.fetch(record, aborted), { message: "a newer round" });
  t.deepEqual(await f.feed.fetch(record, signal), f.held());
  t.false(f.taken().includes("model"), "what was held still was");
});

test("a model that is not kept any more is none", async (t) => {
  const f = await federation({ use: "bf16" });
  await f.journal.purge(f.wire.wildcard(subjects.modelChunk, { exp }));
  t.is(await f.feed.fetch({ model: f.first }, signal), undefined);
});
