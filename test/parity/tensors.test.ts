/** What a plan says of single tensors and of how updates travel: in whole experiments over a memory world. */
import test from "ava";
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { PartedAggregation } from "../../actors/aggregation/parted.ts";
import { defineAggregation } from "../../src/parts/aggregation.ts";
import { decodeFrame } from "../../src/tensor/frame.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { decode } from "../../src/wire/codec.ts";
import { type Offer, offer } from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";
import { expected, experiment, fakeTrainer, gate, type Hook } from "../support/experiment.ts";
import { type TestWorld, testWorld } from "../support/ports.ts";

const everyone = ["a", "b", "c"];
const all = () => everyone;
const layout = layoutOf([
  { name: "0.kernel", dtype: "f32", shape: [3] },
  { name: "1.gamma", dtype: "f32", shape: [2] },
  { name: "2.kernel", dtype: "f32", shape: [3] },
]);
const paths = ["dense/kernel", "bn1/gamma", "dense/kernel"];

/** Three layers of the fake trainer's weights; `saw` has them as each task found them. */
function threeLayers(hook: Hook = () => {}) {
  const saw = new Map<string, number[]>();
  const trainer = fakeTrainer(8, (context) => {
    saw.set(`${context.task} ${context.round}`, seen);
    return hook(context);
  });
  let seen: number[] = [];
  const { write } = trainer;
  const named = {
    ...trainer,
    layout,
    paths,
    saw,
    write(values: Float32Array) {
      seen = [...values];
      write.call(named, values);
    },
  };
  return named;
}

function offersOf(world: TestWorld): Offer[] {
  const offered: Offer[] = [];
  const spy = world.wire("spy");
  spy.ports.bus.subscribe(spy.wildcard(subjects.offer, {}), (m) => {
    offered.push(decode<Offer>(offer, m.data, m.contentType, m.subject));
  });
  return offered;
}

/** What `name` alone makes of the held values 3 and 4 by itself. */
const alone = (name: string, rounds: number): number[] => [...expected(8, rounds, () => [name])].slice(3, 5);
const shared = (rounds: number): number[] => [...expected(8, rounds, all)].filter((_, i) => i !== 3 && i !== 4);

test("C28 tensors held out by name stay at each collaborator, go on there, and are in no update and no stored model", async (t) => {
  const world = testWorld();
  const offered = offersOf(world);
  const e = experiment(t, { world, plan: { rounds: 3, holdout: { names: ["bn*"] } } });
  const aggregator = await e.aggregator();
  const trainers = await Promise.all(everyone.map((n) => e.collaborator(n, threeLayers())));
  t.like(await aggregator.done, { state: "finished" });
  t.deepEqual([...(await e.model("last"))], shared(3));
  t.deepEqual(
    (await e.round())?.specs?.map((s) => s.name),
    ["0.kernel", "2.kernel"],
  );
  t.true(offered.every((o) => o.bytes === 24 || o.bytes === 0));
  for (const [i, name] of everyone.entries()) {
    const { saw } = trainers[i]!.trainer as ReturnType<typeof threeLayers>;
    t.deepEqual(saw.get("validate 4")!.slice(3, 5), alone(name, 3), "its own, rated with the final model");
    t.deepEqual(saw.get("validate 4")!.toSpliced(3, 2), shared(3));
  }
});

test("C28 what is held out begins anew with its process, and nothing else is touched by that", async (t) => {
  const e = experiment(t, { plan: { rounds: 3, holdout: { names: ["*.gamma"] } } });
  const reached = gate();
  const held = gate();
  const hold: Hook = ({ task, round, collaborator }) => {
    if (task !== "train" || round !== 2 || collaborator !== "c") return;
    reached.open();
    return held.opened;
  };
  const aggregator = await e.aggregator();
  const [, , c] = await Promise.all(everyone.map((n) => e.collaborator(n, threeLayers(hold))));
  await reached.opened;
  await c!.kill();
  const again = threeLayers();
  await e.collaborator("c", again);
  t.like(await aggregator.done, { state: "finished" });
  held.open();
  t.deepEqual([...(await e.model("last"))], shared(3), "what is shared is as if nothing had been");
  t.deepEqual(again.saw.get("train 2")!.slice(3, 5), [...expected(8, 0, all)].slice(3, 5));
});

test("C28 what is held out is as it was before a round whose work failed", async (t) => {
  const e = experiment(t, { plan: { rounds: 3, quorum: 2, holdout: { names: ["*.gamma"] } } });
  const c = threeLayers();
  const { run } = c;
  c.run = async (task, context) => {
    const metrics = await run.call(c, task, context);
    if (task === "train" && context.round === 2) throw new Error("no luck");
    return metrics;
  };
  const aggregator = await e.aggregator();
  await Promise.all([e.collaborator("a", threeLayers()), e.collaborator("b", threeLayers()), e.collaborator("c", c)]);
  t.like(await aggregator.done, { state: "finished" });
  t.deepEqual(c.saw.get("train 3")!.slice(3, 5), alone("c", 1));
});

test("C28 a pattern that matches nothing is told with what there is, and one that matches all is refused", async (t) => {
  const why = async (names: string[]): Promise<string> => {
    const e = experiment(t, { plan: { holdout: { names } } });
    return JSON.stringify(await (await e.collaborator("a", threeLayers())).done);
  };
  t.regex(
    await why(["bn*", "bm*"]),
    /FL_PLAN_INVALID.*bm\* matches no tensor.*0\.kernel \(dense\/kernel\), 1\.gamma \(bn1/,
  );
  t.regex(await why(["*"]), /FL_PLAN_INVALID.*matches every tensor/);
});

test("C08 an aggregation of one's own sees every collaborator's tensors and what came of earlier rounds, and each tensor may have its own", async (t) => {
  const saw: { names: readonly string[]; rows: number[][]; rounds: number[] }[] = [];
  const first = defineAggregation({
    name: "first",
    history: true,
    combine({ columns, collaborators, history, out }) {
      saw.push({ names: collaborators, rows: columns.map((c) => [...c]), rounds: history.map((h) => h.round) });
      out.set(columns[0]!);
    },
  });
  const aggregation = new PartedAggregation([
    { names: ["*.gamma"], aggregation: first.create() },
    { names: undefined, aggregation: fedavg.create() },
  ]);
  const e = experiment(t, { plan: { rounds: 2 } });
  const aggregator = await e.aggregator({ aggregation });
  const run = await Promise.all(everyone.map((n) => e.collaborator(n, threeLayers())));
  t.like(await aggregator.done, { state: "finished" });
  t.deepEqual(
    saw.map(({ names, rounds }) => [...names, ...rounds]),
    [everyone, [...everyone, 1]],
  );
  const { saw: seen } = run[0]!.trainer as ReturnType<typeof threeLayers>;
  t.deepEqual(saw[0]!.rows[0], alone("a", 1));
  t.deepEqual(seen.get("validate 3")!.slice(3, 5), alone("a", 2), "the first collaborator's, as the rule says");
  t.deepEqual(seen.get("validate 3")!.toSpliced(3, 2), shared(2), "the rest is averaged");
});

test("C23 updates as differences from the model come to the same, within the stated bound, also with tensors held out", async (t) => {
  const run = async (plan: object): Promise<{ model: Float32Array; frames: Float32Array[] }> => {
    const world = testWorld();
    const offered = offersOf(world);
    const e = experiment(t, { world, plan: { rounds: 3, ...plan } });
    const aggregator = await e.aggregator();
    await Promise.all(everyone.map((n) => e.collaborator(n, threeLayers())));
    t.like(await aggregator.done, { state: "finished" });
    const frames = offered.flatMap(({ frame, round }) => {
      if (frame === undefined || round !== 1) return [];
      return [new Float32Array(new Uint8Array(decodeFrame(frame).data).buffer)];
    });
    return { model: await e.model("last"), frames };
  };
  for (const more of [{}, { holdout: { names: ["bn*"] } }]) {
    const full = await run(more);
    const delta = await run({ ...more, delta: true });
    const largest = Math.max(...[...full.frames, full.model].flatMap((values) => [...values].map(Math.abs)));
    for (const [i, x] of full.model.entries()) {
      t.true(Math.abs(x - delta.model[i]!) <= 3 * 2 ** -23 * largest, `${x} ${delta.model[i]}`);
    }
    t.notDeepEqual(delta.frames, full.frames, "what travels is something else");
    t.is(delta.frames.length, 3);
    for (const frame of delta.frames) t.true(frame.every((x) => Math.abs(x) <= 0.6 + 1e-6));
  }
});

test("C23 a difference is repeated to a restarted Aggregator and counts against the same model", async (t) => {
  const e = experiment(t, { plan: { rounds: 3, delta: true } });
  const reached = gate();
  const held = gate();
  const hold: Hook = ({ task, round, collaborator }) => {
    if (task !== "train" || round !== 2 || collaborator !== "c") return;
    reached.open();
    return held.opened;
  };
  const first = await e.aggregator();
  await Promise.all(everyone.map((n) => e.collaborator(n, fakeTrainer(8, hold))));
  await reached.opened;
  await first.kill();
  const second = await e.aggregator();
  held.open();
  t.like(await second.done, { state: "finished" });
  for (const [i, x] of expected(8, 3, all).entries()) t.true(Math.abs(x - (await e.model("last"))[i]!) < 1e-6);
});
