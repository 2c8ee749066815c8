import test from "ava";
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { type Pull, WEIGHT_BOUND, Workbench } from "../../actors/aggregator/workbench.ts";
import { pipelineOf, seedOf } from "../../src/codec/pipeline.ts";
import { FlError } from "../../src/errors.ts";
import type { Aggregation } from "../../src/parts/aggregation.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { CHUNK_BYTES, encodeFrame } from "../../src/tensor/frame.ts";
import { type Layout, layoutOf, specsOf } from "../../src/tensor/layout.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import type { Offer, Verdict } from "../../src/wire/messages.ts";
import { quiet } from "../support/ports.ts";

const layoutOfLength = (length: number): Layout => layoutOf([{ name: "w", dtype: "f32", shape: [length] }]);
const small = layoutOfLength(3);
const large = layoutOfLength((3 * CHUNK_BYTES) / 4);
/** as many uploads as are open at once, and two more */
const SLOTS = 16;
const crowd = Array.from({ length: SLOTS + 2 }, (_, i) => `c${String(i).padStart(2, "0")}`);

const vector = (layout: Layout, value: number): Float32Array => new Float32Array(layout.length).fill(value);
const noPull: Pull = () => Promise.reject(new Error("nothing is pulled"));

/** A small update, in its offer. */
const inline = (value: number, more: Partial<Offer> = {}, layout = small): Offer => ({
  ...{ round: 1, epoch: 1, weight: 1, metrics: [], bytes: layout.bytes, layout: layout.digest },
  frame: encodeFrame(bytesOf(vector(layout, value)), 0),
  ...more,
});
/** An update that has to be pulled. */
const pulled = (layout: Layout, more: Partial<Offer> = {}): Offer => ({
  ...{ round: 1, epoch: 1, weight: 1, metrics: [], bytes: layout.bytes, layout: layout.digest },
  ...more,
});

type Options = {
  layout?: Layout;
  pull?: Pull;
  expected?: readonly string[];
  aggregation?: Aggregation;
  round?: number;
};

async function opened({ layout = small, pull = noPull, expected = ["a", "b", "c"], ...rest }: Options = {}) {
  const bytes = new Map<string, number>();
  const bench = new Workbench(rest.aggregation ?? fedavg.create(), pull, (who, n) => bytes.set(who, n));
  if (rest.round !== 0) bench.load(layout, vector(layout, 0));
  await bench.open(rest.round ?? 1, new Set(expected), new Set(expected));
  return { bench, bytes };
}

/** Senders whose chunks the test lets through when it likes. */
function senders(values: Readonly<Record<string, Float32Array>>) {
  const held: { who: string; index: number; answer: () => void; vanish: () => void }[] = [];
  let most = 0;
  const pull: Pull = (who, _round, index, signal) => {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason);
      const settle = (act: () => void) => (): void => {
        held.splice(held.indexOf(one), 1);
        signal.removeEventListener("abort", abort);
        act();
      };
      const one = {
        ...{ who, index },
        answer: settle(() => resolve(encodeFrame(bytesOf(values[who]!), index))),
        vanish: settle(() => reject(new FlError("FL_NO_RESPONDER"))),
      };
      signal.addEventListener("abort", abort, { once: true });
      held.push(one);
      most = Math.max(most, new Set(held.map((h) => h.who)).size);
    });
  };
  /** Lets everything of one sender through until there is nothing more. */
  const finish = async (who: string): Promise<void> => {
    for (let some = true; some; ) {
      const mine = held.filter((h) => h.who === who);
      some = mine.length > 0;
      for (const h of mine) h.answer();
      await quiet(3);
    }
  };
  return { pull, held, finish, most: () => most, asked: () => new Set(held.map((h) => h.who)) };
}

const verdicts = (all: readonly Verdict[]): string[] => all.map((v) => v.verdict);

test("updates in their offers are taken in, and the round closes with their mean in the order of names (B2)", async (t) => {
  const { bench, bytes } = await opened();
  const metrics = [{ task: "train", values: { loss: 1 } }];
  t.deepEqual(await bench.offer("b", inline(6, { weight: 2, metrics })), { verdict: "accepted" });
  t.deepEqual(await bench.offer("a", inline(3)), { verdict: "accepted" });
  t.is(bytes.get("a"), 12);
  const { contributions, changed } = await bench.close();
  t.deepEqual(contributions, [
    ["a", { weight: 1, metrics: [] }],
    ["b", { weight: 2, metrics }],
  ]);
  t.true(changed);
  t.deepEqual([...bench.global], [5, 5, 5]);
});

test("C02 an update that has been taken is a duplicate when it is offered again (B2)", async (t) => {
  const { bench } = await opened();
  t.is((await bench.offer("a", inline(3))).verdict, "accepted");
  t.is((await bench.offer("a", inline(900))).verdict, "duplicate");
  await bench.offer("b", inline(5));
  await bench.close();
  t.deepEqual([...bench.global], [4, 4, 4]);
});

test("C02 an offer of an older round is late, one of a round that is not open yet is to come again", async (t) => {
  const { bench } = await opened({ round: 3 });
  t.is((await bench.offer("a", inline(1, { round: 2 }))).verdict, "late");
  t.is((await bench.offer("a", inline(1, { round: 4 }))).verdict, "again");
  t.is((await bench.offer("a", inline(1, { round: 3 }))).verdict, "accepted");
  await bench.close();
  t.is((await bench.offer("a", inline(1, { round: 3 }))).verdict, "again", "between rounds nothing can be judged");
  await bench.open(4, new Set(["a"]), new Set(["a"]));
  t.is((await bench.offer("a", inline(1, { round: 3 }))).verdict, "late");
});

test("of several uploads the eldest leads, and when it is whole the next one does (B7)", async (t) => {
  const layout = layoutOfLength((20 * CHUNK_BYTES) / 4);
  const s = senders({ a: vector(layout, 1), b: vector(layout, 2), c: vector(layout, 3) });
  const { bench } = await opened({ layout, pull: s.pull });
  const under = (who: string): number => s.held.filter((h) => h.who === who).length;
  const all = ["a", "b", "c"].map((who) => bench.offer(who, pulled(layout)));
  await quiet(3);
  t.deepEqual([under("a"), under("b"), under("c")], [8, 2, 2]);
  await s.finish("a");
  s.held.find((h) => h.who === "b")!.answer();
  await quiet(3);
  t.deepEqual([under("a"), under("b"), under("c")], [0, 8, 2]);
  s.held.find((h) => h.who === "b")!.vanish();
  await quiet(3);
  s.held.find((h) => h.who === "c")!.answer();
  await quiet(3);
  t.is(under("c"), 8, "one that is gone leads no more");
  await s.finish("c");
  t.deepEqual(verdicts(await Promise.all(all)), ["accepted", "again", "accepted"]);
});

const crowdValues = Object.fromEntries(crowd.map((n, i) => [n, vector(large, i)]));

test("C49 memory is bounded: as many transfers as slots, the others wait unread and follow (B1, B4)", async (t) => {
  const s = senders(crowdValues);
  const buffers = new Set<ArrayBufferLike>();
  const taken: string[] = [];
  const aggregation: Aggregation = {
    begin: () => {},
    accept: ({ collaborator, values }) => {
      t.deepEqual([...new Set(values)], [crowd.indexOf(collaborator)]);
      buffers.add(values.buffer);
      taken.push(collaborator);
    },
    finish: () => {},
  };
  const { bench } = await opened({ layout: large, pull: s.pull, expected: crowd, aggregation });
  const offers = crowd.map((n) => bench.offer(n, pulled(large)));
  await quiet();
  t.deepEqual([...s.asked()], crowd.slice(0, SLOTS));
  await s.finish("c05");
  t.is((await offers[5]!).verdict, "accepted");
  t.deepEqual(
    [...s.asked()].filter((n) => n >= "c16"),
    ["c16"],
    "a freed slot is the next one's",
  );
  for (const n of crowd.toReversed()) await s.finish(n);
  for (const n of crowd) await s.finish(n);
  t.deepEqual(new Set(verdicts(await Promise.all(offers))), new Set(["accepted"]));
  t.is(s.most(), SLOTS);
  t.is(taken.length, crowd.length);
  t.is(buffers.size, SLOTS, "the buffers are used again");
});

test("a sender that vanishes frees its slot and may offer again (B4)", async (t) => {
  const s = senders(crowdValues);
  const aggregation: Aggregation = { begin: () => {}, accept: () => {}, finish: () => {} };
  const { bench } = await opened({ layout: large, pull: s.pull, expected: crowd, aggregation });
  const offers = crowd.map((n) => bench.offer(n, pulled(large)));
  await quiet();
  t.false(s.asked().has("c16"));
  s.held.find((h) => h.who === "c03")!.vanish();
  t.like(await offers[3], { verdict: "again", error: { code: "FL_NO_RESPONDER" } });
  await quiet();
  t.true(s.asked().has("c16"), "its slot is the next one's");
  const again = bench.offer("c03", pulled(large));
  for (const h of s.held.filter((one) => one.who === "c03")) h.vanish(); // what the first transfer had under way
  for (let i = 0; i < 2; i++) for (const n of crowd) await s.finish(n);
  t.is((await again).verdict, "accepted");
  t.is((await bench.close()).contributions.length, crowd.length);
});

test("a chunk that comes after its transfer broke off does not reach whoever has the slot now", async (t) => {
  const late: (() => void)[] = [];
  const broken: Pull = (who, _round, index) => {
    if (who === "a" && index === 0) return Promise.reject(new FlError("FL_NO_RESPONDER"));
    const frame = encodeFrame(bytesOf(vector(large, who === "a" ? 100 : 7)), index);
    if (who === "a") return new Promise((resolve) => late.push(() => resolve(frame)));
    return Promise.resolve(frame);
  };
  const seen: number[] = [];
  const { bench } = await opened({
    ...{ layout: large, pull: broken },
    aggregation: {
      begin: () => {},
      accept: async ({ values }) => {
        for (const answer of late) answer();
        await quiet(3);
        seen.push(...new Set(values));
      },
      finish: () => {},
    },
  });
  t.is((await bench.offer("a", pulled(large))).verdict, "again");
  t.is((await bench.offer("b", pulled(large))).verdict, "accepted");
  t.deepEqual(seen, [7]);
});

test("an offer that is made again while its chunks are on the way shares the transfer and gets its verdict (B6)", async (t) => {
  const s = senders({ a: vector(large, 2) });
  const { bench } = await opened({ layout: large, pull: s.pull });
  const first = bench.offer("a", pulled(large));
  await quiet();
  const again = bench.offer("a", pulled(large));
  await quiet();
  t.is(s.held.length, 3, "three chunks, each asked for once");
  await s.finish("a");
  t.deepEqual(await Promise.all([first, again]), [{ verdict: "again" }, { verdict: "accepted" }]);
  t.is((await bench.offer("a", pulled(large))).verdict, "duplicate");
  t.is((await bench.close()).contributions.length, 1);
});

test("while the aggregation is waited for, one offer of each collaborator waits, however often it is made (B5, B6)", async (t) => {
  const real = fedavg.create();
  let come = (): void => {};
  const late: Aggregation = {
    begin: async (r) => {
      await new Promise<void>((resolve) => (come = resolve));
      await real.begin(r);
    },
    accept: (u) => real.accept(u),
    finish: (out) => real.finish(out),
  };
  const bench = new Workbench(late, noPull, () => {});
  bench.load(small, vector(small, 0));
  const open = bench.open(1, new Set(["a", "b"]), new Set(["a", "b"]));
  const waiting = new Set<number>();
  const offers = Array.from({ length: 20 }, (_, i) => {
    waiting.add(i);
    const offer = bench.offer(i % 2 ? "a" : "b", inline(1 + 2 * (i % 2)));
    void offer.then(() => waiting.delete(i));
    return offer;
  });
  await quiet();
  t.deepEqual([...waiting], [18, 19], "the newest of each");
  t.deepEqual(new Set(verdicts(await Promise.all(offers.slice(0, 18)))), new Set(["again"]));
  come();
  await open;
  t.deepEqual(verdicts(await Promise.all(offers.slice(18))), ["accepted", "accepted"]);
  await bench.close();
  t.deepEqual([...bench.global], [2, 2, 2]);
});

test("closing turns away at once what is still on the way, and whoever waits for a slot (B3)", async (t) => {
  const s = senders(crowdValues);
  const aggregation: Aggregation = { begin: () => {}, accept: () => t.fail(), finish: () => t.fail() };
  const { bench } = await opened({ layout: large, pull: s.pull, expected: crowd, aggregation });
  const offers = crowd.map((n) => bench.offer(n, pulled(large)));
  await quiet();
  t.is(s.asked().size, SLOTS);
  const { contributions, changed } = await bench.close(); // nobody answers a chunk: it must not be waited for
  t.deepEqual(new Set(verdicts(await Promise.all(offers))), new Set(["late"]));
  t.deepEqual(contributions, []);
  t.false(changed);
});

test("closing waits for the update that is being combined: it was whole, so it counts (B2)", async (t) => {
  let go = (): void => {};
  const real = fedavg.create();
  const slow: Aggregation = {
    begin: (r) => real.begin(r),
    accept: async (u) => {
      if (u.collaborator === "b") await new Promise<void>((resolve) => (go = resolve));
      await real.accept(u);
    },
    finish: (out) => real.finish(out),
  };
  const { bench } = await opened({ aggregation: slow });
  await bench.offer("a", inline(1));
  const b = bench.offer("b", inline(3));
  await quiet();
  const closing = bench.close();
  await quiet();
  t.is((await bench.offer("c", inline(500))).verdict, "late", "B3");
  go();
  t.deepEqual(
    (await closing).contributions.map(([n]) => n),
    ["a", "b"],
  );
  t.is((await b).verdict, "accepted");
  t.deepEqual([...bench.global], [2, 2, 2]);
});

test("a refused update leaves the sum as it was, and its collaborator may not have a second try by accident (G2)", async (t) => {
  const { bench } = await opened();
  const bad = vector(small, 1);
  bad[2] = Number.NaN;
  await bench.offer("a", inline(3));
  t.like(await bench.offer("b", inline(0, { frame: encodeFrame(bytesOf(bad), 0) })), {
    ...{ verdict: "refused", error: { code: "FL_UPDATE_RANGE" } },
  });
  await bench.offer("c", inline(5));
  t.deepEqual(
    (await bench.close()).contributions.map(([n]) => n),
    ["a", "c"],
  );
  t.deepEqual([...bench.global], [4, 4, 4]);
});

test("what cannot be an update of this round is refused with its code", async (t) => {
  const { bench } = await opened();
  const two = encodeFrame(bytesOf(vector(large, 1)), 1);
  const cases: [string, Offer][] = [
    ["FL_UPDATE_RANGE", inline(1, { weight: WEIGHT_BOUND * 2 })],
    ["FL_LAYOUT_MISMATCH", inline(1, { layout: large.digest })],
    ["FL_LAYOUT_MISMATCH", inline(1, { bytes: 8 })],
    ["FL_LAYOUT_MISMATCH", inline(1, { specs: specsOf(large) })],
    ["FL_FRAME_MALFORMED", inline(1, { frame: Uint8Array.of(1, 2) })],
    ["FL_FRAME_MALFORMED", inline(1, { frame: two })],
  ];
  for (const [code, offer] of cases) t.like(await bench.offer("a", offer), { verdict: "refused", error: { code } });
  t.like(await bench.offer("stranger", inline(1)), { verdict: "refused", error: { code: "FL_STATE" } });
  t.is((await bench.offer("a", inline(1))).verdict, "accepted");
});

test("a damaged frame in an offer may be offered again", async (t) => {
  const { bench } = await opened();
  const frame = encodeFrame(bytesOf(vector(small, 1)), 0);
  frame[frame.length - 1]! ^= 1;
  t.like(await bench.offer("a", inline(1, { frame })), { verdict: "again", error: { code: "FL_FRAME_CHECKSUM" } });
  t.is((await bench.offer("a", inline(1))).verdict, "accepted");
});

test("round 0: the one model that is offered is the global model, with the layout it brings", async (t) => {
  const s = senders({ a: vector(large, 9) });
  const { bench } = await opened({ round: 0, pull: s.pull, expected: ["a"] });
  t.is(bench.layout, undefined);
  t.like(await bench.offer("a", pulled(large, { round: 0 })), {
    ...{ verdict: "refused", error: { code: "FL_LAYOUT_MISMATCH" } },
  });
  t.like(await bench.offer("a", pulled(large, { round: 0, specs: specsOf(small) })), { verdict: "refused" });
  const offer = bench.offer("a", pulled(large, { round: 0, specs: specsOf(large) }));
  await quiet();
  await s.finish("a");
  t.is((await offer).verdict, "accepted");
  t.true((await bench.close()).changed);
  t.is(bench.layout?.digest, large.digest);
  t.deepEqual([...new Set(bench.global)], [9]);
});

test("round 0: when another is asked, the first one's model is refused even if it comes in the end", async (t) => {
  const s = senders({ a: vector(large, 1), b: vector(large, 2) });
  const { bench } = await opened({ round: 0, pull: s.pull, expected: ["a"] });
  const a = bench.offer("a", pulled(large, { round: 0, specs: specsOf(large) }));
  await quiet();
  await bench.open(0, new Set(["b"]), new Set(["b"]));
  const b = bench.offer("b", pulled(large, { round: 0, specs: specsOf(large) }));
  await quiet();
  await s.finish("b");
  await s.finish("a");
  t.like(await a, { verdict: "refused", error: { code: "FL_STATE" } });
  t.is((await b).verdict, "accepted");
  t.deepEqual([...new Set(bench.global)], [2]);
});

test("a round that only rates takes metrics and no tensors, and changes no model", async (t) => {
  const { bench } = await opened();
  await bench.offer("a", inline(4));
  await bench.close();
  await bench.open(2, new Set(), new Set(["a"]));
  const metrics = [{ task: "validate_global", values: { accuracy: 0.5 } }];
  t.is((await bench.offer("a", { ...pulled(small, { round: 2, metrics }), bytes: 0 })).verdict, "accepted");
  const { contributions, changed } = await bench.close();
  t.deepEqual(contributions, [["a", { weight: 1, metrics }]]);
  t.false(changed);
  t.deepEqual([...bench.global], [4, 4, 4]);
});

test("closing a round that is not open is FL_STATE", async (t) => {
  const { bench } = await opened();
  await bench.close();
  await t.throwsAsync(bench.close(), { code: "FL_STATE" });
});

async function compressing(up: unknown, length = 300) {
  const layout = layoutOfLength(length);
  const plan = parsePlan({ version: 1, rounds: 1, compression: { up } });
  const bench = new Workbench(fedavg.create(), noPull, () => {}, plan);
  bench.load(layout, vector(layout, 1));
  await bench.open(1, new Set(["a", "b"]), new Set(["a", "b"]));
  const pipeline = pipelineOf(plan.compression.up, plan.compression.exactBelow, layout)!;
  const seed = seedOf(plan.seed, 1, "a");
  const packed = await pipeline.encode({ values: vector(layout, 1.5), base: vector(layout, 1), seed });
  const offer = (bytes: Uint8Array): Offer => ({
    ...inline(0, {}, layout),
    ...{ bytes: bytes.length, frame: encodeFrame(bytes, 0) },
  });
  return { bench, packed, offer, pipeline };
}

test("a compressed update is taken in, and counts as the whole it stands for (B8)", async (t) => {
  const { bench, packed, offer } = await compressing(["topk", "int8"]);
  t.true(packed.length < 100);
  t.like(await bench.offer("a", offer(packed)), { verdict: "accepted" });
  await bench.close();
  const changed = bench.global.filter((x) => x !== 1);
  t.is(changed.length, 3);
  t.true(changed.every((x) => Math.abs(x - 1.5) < 0.002));
});

test("a compressed update that claims more than its layout allows is refused before a byte of it is pulled (B8)", async (t) => {
  const { bench, packed, offer, pipeline } = await compressing("eden");
  for (const bytes of [pipeline.most + 1, 2 ** 40]) {
    const verdict = await bench.offer("a", { ...offer(packed), bytes, frame: undefined });
    t.like(verdict, { verdict: "refused", error: { code: "FL_CODEC_MALFORMED" } });
  }
  t.like(await bench.offer("a", offer(packed)), { verdict: "accepted" }, "and a good one is taken after it");
});

test("a compressed update that does not decode is refused without a trace, and a whole one is no compressed one", async (t) => {
  const { bench, packed, offer } = await compressing("stc");
  const strange = packed.with(2, 99);
  const whole = bytesOf(vector(layoutOfLength(9), 2));
  const infinite = packed.slice();
  infinite.set([0, 0, 0x80, 0x7f], 8); // its magnitude
  for (const bytes of [strange, packed.subarray(0, -1), whole, infinite, new Uint8Array(0)]) {
    t.like(await bench.offer("a", offer(bytes)), { verdict: "refused", error: { code: "FL_CODEC_MALFORMED" } });
  }
  t.like(await bench.offer("b", { ...offer(packed) }), { verdict: "accepted" });
  const { contributions } = await bench.close();
  t.deepEqual(
    contributions.map(([name]) => name),
    ["b"],
  );
  t.true(bench.global.every((x) => x === 1 || x === 1.5));
});
