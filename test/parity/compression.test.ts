/** Compression of what travels, in whole experiments over a memory world. */
import { createHash } from "node:crypto";
import test from "ava";
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { Pipeline, seedOf } from "../../src/codec/pipeline.ts";
import { defineAggregation } from "../../src/parts/aggregation.ts";
import type { PlanInput } from "../../src/plan/plan.ts";
import { decodeFrame } from "../../src/tensor/frame.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { bytesOf } from "../../src/transfer/model-stream.ts";
import { decode } from "../../src/wire/codec.ts";
import { type Offer, offer } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { match } from "../../src/wire/template.ts";
import { expected, experiment, fakeTrainer, gate, type Hook, weightOf } from "../support/experiment.ts";
import { type TestWorld, testWorld } from "../support/ports.ts";

const everyone = ["a", "b", "c"];
const all = () => everyone;
const LENGTH = 400;
type Compression = NonNullable<PlanInput["compression"]>;
type Offered = { readonly who: string; readonly offer: Offer };

function offersOf(world: TestWorld): Offered[] {
  const offered: Offered[] = [];
  const spy = world.wire("spy");
  spy.ports.bus.subscribe(spy.wildcard(subjects.offer, {}), (m) => {
    const who = match(subjects.offer.pattern, m.subject)!.collaborator;
    offered.push({ who, offer: decode<Offer>(offer, m.data, m.contentType, m.subject) });
  });
  return offered;
}

/** Whole updates as the rule sees them, by round. */
function watched() {
  const saw = new Map<string, Float32Array>();
  const inner = fedavg.create();
  let round = 0;
  const aggregation: ReturnType<typeof fedavg.create> = {
    begin: (r) => {
      round = r.round;
      return inner.begin(r);
    },
    accept: (update) => {
      saw.set(`${update.collaborator} ${round}`, update.values.slice());
      return inner.accept(update);
    },
    finish: (out) => inner.finish(out),
  };
  return { saw, aggregation };
}

async function run(t: Parameters<typeof experiment>[0], compression: Compression | undefined, more: object = {}) {
  const world = testWorld();
  const offered = offersOf(world);
  const { saw, aggregation } = watched();
  const e = experiment(t, { world, length: LENGTH, plan: { rounds: 3, compression, ...more } });
  const aggregator = await e.aggregator({ aggregation });
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(LENGTH))));
  const output = await aggregator.done;
  return { e, output, offered, saw, last: await e.model("last") };
}

const updatesIn = (offered: readonly Offered[], round: number): Offered[] => [
  ...new Map(offered.filter((o) => o.offer.round === round && o.offer.bytes > 0).map((o) => [o.who, o])).values(),
];
const dataOf = ({ offer: { frame } }: Offered): Uint8Array => Uint8Array.from(decodeFrame(frame!).data);

test("C24 C25 without compression every update and every model keeps every bit, whatever exactBelow says", async (t) => {
  for (const compression of [undefined, { up: "none", down: "none", exactBelow: 0 }] as const) {
    const { output, offered, last } = await run(t, compression);
    t.like(output, { state: "finished" });
    t.deepEqual(last, expected(LENGTH, 3, all));
    t.true(updatesIn(offered, 2).every((o) => o.offer.bytes === 4 * LENGTH));
  }
});

test("C24 a compressed update is smaller, and the rule sees it whole: the model and what the codec gave, no bit else", async (t) => {
  const chains: Compression["up"][] = [
    "f16",
    "bf16",
    "int8",
    "topk",
    "randomk",
    "stc",
    "kmeans",
    "eden",
    ["topk", { use: "int8", block: 16 }],
  ];
  for (const up of chains) {
    const { e, output, offered, saw } = await run(t, { up });
    t.like(output, { state: "finished" });
    const layout = layoutOf([{ name: "w", dtype: "f32", shape: [LENGTH] }]);
    const pipeline = new Pipeline(e.plan.compression.up, 100, layout);
    const start = expected(LENGTH, 0, all);
    const first = updatesIn(offered, 1);
    t.is(first.length, 3);
    for (const o of first) {
      t.true(o.offer.bytes < 2.1 * LENGTH, `${JSON.stringify(up)}: ${o.offer.bytes}`);
      const whole = new Float32Array(LENGTH);
      await pipeline.decode(dataOf(o), start, whole, seedOf(42, 1, o.who));
      t.deepEqual(saw.get(`${o.who} 1`), whole);
    }
  }
});

test("C24 what dense codecs make of an experiment is close to what it would have been", async (t) => {
  const exact = expected(LENGTH, 3, all);
  const bounds = { f16: 1e-3, bf16: 6e-3, int8: 1e-2, eden: 0.04 };
  for (const [use, bound] of Object.entries(bounds)) {
    const { last } = await run(t, { up: use === "eden" ? { use, bits: 8 } : use });
    const off = Math.max(...last.map((x, i) => Math.abs(x - exact[i]!)));
    t.true(off > 0 && off < bound, `${use}: ${off}`);
  }
});

test("C24 tensors below exactBelow, those held out, and what an optimizer remembers lose nothing", async (t) => {
  const { last, offered } = await run(t, { up: "stc", exactBelow: LENGTH + 1 });
  t.deepEqual(last, expected(LENGTH, 3, all));
  t.true(updatesIn(offered, 1).every((o) => o.offer.bytes === 4 + 4 * LENGTH));
  const layout = layoutOf([
    { name: "0.kernel", dtype: "f32", shape: [200] },
    { name: "1.gamma", dtype: "f32", shape: [50] },
    { name: "optimizer/v/0.kernel", dtype: "f32", shape: [150] },
  ]);
  const saw = new Map<string, Float32Array>();
  const world = testWorld();
  const plan = {
    ...{ rounds: 2, compression: { up: "stc" }, holdout: { names: ["*.gamma"] }, optimizer: "global" },
    tasks: ["validate", { task: "train", arguments: { optimizer: "momentum" } }],
  };
  const e = experiment(t, { world, plan });
  const inner = watched();
  const aggregator = await e.aggregator({ aggregation: inner.aggregation });
  const trainers = everyone.map((n) => {
    const trainer = { ...fakeTrainer(LENGTH), layout };
    const { read } = trainer;
    trainer.read = (out) => {
      read.call(trainer, out);
      saw.set(n, out.slice());
    };
    return e.collaborator(n, trainer);
  });
  await Promise.all(trainers);
  t.like(await aggregator.done, { state: "finished" });
  for (const name of everyone) {
    const update = inner.saw.get(`${name} 2`)!;
    t.is(update.length, 350);
    t.deepEqual(update.slice(200), saw.get(name)!.slice(250), "to the bit");
    t.notDeepEqual(update.slice(0, 200), saw.get(name)!.slice(0, 200));
  }
});

test("C24 rules that need whole updates get them", async (t) => {
  const rows: number[][] = [];
  const rule = defineAggregation({
    name: "first",
    combine({ columns, out }) {
      rows.push(columns.map((c) => c.length));
      out.set(columns[0]!);
    },
  });
  const e = experiment(t, { length: LENGTH, plan: { rounds: 2, compression: { up: ["topk", "eden"] } } });
  const aggregator = await e.aggregator({ aggregation: rule.create() });
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(LENGTH))));
  t.like(await aggregator.done, { state: "finished" });
  t.deepEqual(rows, [
    [LENGTH, LENGTH, LENGTH],
    [LENGTH, LENGTH, LENGTH],
  ]);
});

test("C24 a compressed update is repeated, not made again, to a restarted Aggregator, and what it left counts once", async (t) => {
  const straight = await run(t, { up: "topk" });
  const e = experiment(t, { length: LENGTH, plan: { rounds: 3, compression: { up: "topk" } } });
  const reached = gate();
  const held = gate();
  const hold: Hook = ({ task, round, collaborator }) => {
    if (task !== "train" || round !== 2 || collaborator !== "c") return;
    reached.open();
    return held.opened;
  };
  const first = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(LENGTH, hold))));
  await reached.opened;
  await first.kill();
  const second = await e.aggregator();
  held.open();
  t.like(await second.done, { state: "finished" });
  t.deepEqual(await e.model("last"), straight.last, "as if nothing had happened, bit for bit");
});

test("C24 what compression leaves out comes later: the model catches up on what a single update could not carry", async (t) => {
  const rounds = 40;
  const lost = async (feedback: boolean): Promise<number> => {
    const compression = { up: { use: "topk", fraction: 0.1, feedback } };
    const { last } = await run(t, compression, { rounds });
    const exact = expected(LENGTH, rounds, all);
    return Math.sqrt(last.reduce((s, x, i) => s + (x - exact[i]!) ** 2, 0) / exact.reduce((s, x) => s + x * x, 0));
  };
  const [without, with_] = [await lost(false), await lost(true)];
  t.true(with_ < without / 1.5, `${with_} of ${without}`);
  t.is(weightOf("a"), 1);
});

/** Too large to lie in a record, so that its changes are stored as such. */
const LARGE = 4000;

/** What each collaborator's trainer was given to begin each round with. */
function seeing() {
  const saw = new Map<string, Float32Array>();
  const trainer = (name: string, hook: Hook = () => {}) => {
    let written = new Float32Array(0);
    const inner = fakeTrainer(LARGE, async (context) => {
      if (context.task === "validate" && !saw.has(`${name} ${context.round}`))
        saw.set(`${name} ${context.round}`, written);
      await hook(context);
    });
    const { write } = inner;
    inner.write = (values) => {
      written = values.slice();
      write.call(inner, values);
    };
    return inner;
  };
  return { saw, trainer };
}

const bits = (values: Float32Array | undefined): string => createHash("sha256").update(bytesOf(values!)).digest("hex");
const downwards: Compression[] = [
  { down: "int8" },
  { down: { use: "eden", bits: 4 } },
  { down: { use: "topk", fraction: 0.05 } },
  { down: { use: "stc", fraction: 0.05 }, up: { use: "stc", fraction: 0.05 } },
  { down: { use: "randomk", fraction: 0.2 }, up: ["topk", "kmeans"] },
];

test("C24 C27 the first model is lossless, and Aggregator and collaborators hold the same lossy model in every round, bit for bit", async (t) => {
  for (const compression of downwards) {
    const { saw, trainer } = seeing();
    const e = experiment(t, { length: LARGE, plan: { rounds: 4, compression, checkpoints: { keep: "all" } } });
    const aggregator = await e.aggregator();
    const says = JSON.stringify(compression);
    await Promise.all(everyone.map((n) => e.collaborator(n, trainer(n))));
    t.like(await aggregator.done, { state: "finished" });
    t.is(bits(saw.get("b 1")), bits(expected(LARGE, 0, all)), says);
    for (let round = 1; round <= 4; round++) {
      const stored = bits(await e.model(`round-${round}`));
      for (const name of everyone) t.is(bits(saw.get(`${name} ${round + 1}`)), stored, `${says}: ${name} ${round}`);
    }
    const record = await e.round();
    t.truthy(record?.change, says);
    t.true(record!.change!.ref.bytes < 1.1 * LARGE, `${says}: ${record!.change!.ref.bytes}`);
    t.like(record!.change!.base, { round: 4 });
    t.is(bits(await e.model("last")), bits(await e.model("round-4")));
    t.not(bits(await e.model("round-1")), bits(expected(LARGE, 1, all)), "it is a lossy one");
  }
});

test("C24 the same holds after a restart of the Aggregator, with a collaborator that is restarted and one that comes late", async (t) => {
  for (const compression of downwards.slice(2, 4)) {
    const straight = experiment(t, { length: LARGE, plan: { rounds: 5, compression } });
    const alone = await straight.aggregator();
    await Promise.all(everyone.map((n) => straight.collaborator(n, fakeTrainer(LARGE))));
    t.like(await alone.done, { state: "finished" });

    const { saw, trainer } = seeing();
    const e = experiment(t, { length: LARGE, plan: { rounds: 5, compression, checkpoints: { keep: "all" } } });
    const reached = gate();
    const held = gate();
    const hold: Hook = ({ task, round, collaborator }) => {
      if (task !== "train" || round !== 3 || collaborator !== "c") return;
      reached.open();
      return held.opened;
    };
    const first = await e.aggregator();
    const run = await Promise.all(everyone.map((n) => e.collaborator(n, trainer(n, hold))));
    await reached.opened;
    await first.kill();
    if (compression.up === undefined) {
      // with feedback upwards what it had left out is gone with it
      await run[1]!.kill();
      await e.collaborator("b", trainer("b"));
    }
    const second = await e.aggregator();
    held.open();
    t.like(await second.done, { state: "finished" });
    for (let round = 1; round <= 5; round++) {
      const stored = bits(await e.model(`round-${round}`));
      for (const name of everyone) t.is(bits(saw.get(`${name} ${round + 1}`)), stored, `${name} ${round}`);
    }
    t.is(bits(await e.model("last")), bits(await straight.model("last")), "as if nothing had happened");
  }
});

test("C24 nothing is lost on the way down unless the plan says so, and models that lie in the record go whole", async (t) => {
  const up = experiment(t, { length: LARGE, plan: { rounds: 2, compression: { up: "int8" } } });
  const first = await up.aggregator();
  await Promise.all(everyone.map((n) => up.collaborator(n, fakeTrainer(LARGE))));
  t.like(await first.done, { state: "finished" });
  t.is((await up.round())?.change, undefined);
  const { e, last } = await run(t, { down: "int8" });
  t.is((await e.round())?.change, undefined);
  const exact = expected(LENGTH, 3, all);
  t.true(last.every((x, i) => Math.abs(x - exact[i]!) < 0.01));
});

test("C24 what a model's compression leaves out comes in later rounds", async (t) => {
  const { last } = await run(t, { down: { use: "topk", fraction: 0.1 } }, { rounds: 40 });
  const { last: without } = await run(t, { down: { use: "topk", fraction: 0.1, feedback: false } }, { rounds: 40 });
  const exact = expected(LENGTH, 40, all);
  const off = (model: Float32Array): number => model.reduce((s, x, i) => s + (x - exact[i]!) ** 2, 0);
  t.true(off(last) < off(without) / 2, `${off(last)} ${off(without)}`);
});
