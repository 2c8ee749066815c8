/** Several rules in one round: each sees its own tensors, and together they are an aggregation like any other. */
import test from "ava";
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { fedavgm } from "../../actors/aggregation/fedavgm.ts";
import { median } from "../../actors/aggregation/median.ts";
import { PartedAggregation, sharesOf } from "../../actors/aggregation/parted.ts";
import { planAggregation } from "../../actors/aggregation/resolve.ts";
import { FlError } from "../../src/errors.ts";
import { type Aggregation, type AggregationPart, defineAggregation } from "../../src/parts/aggregation.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { withSlots } from "../../src/tensor/slots.ts";
import { aggregate, aggregationContract } from "../contract/aggregation.ts";
import { testWorld } from "../support/ports.ts";

const layout = layoutOf(["0.kernel", "0.bias", "1.kernel"].map((name) => ({ name, dtype: "f32", shape: [2] })));
const updates = [1, 2, 9].map((x, k) => ({ collaborator: `c${k}`, weight: 1, values: new Float32Array(6).fill(x) }));
const parted = (names: string[], rule: Aggregation, rest: Aggregation = fedavg.create()): PartedAggregation =>
  new PartedAggregation([
    { names, aggregation: rule },
    { names: undefined, aggregation: rest },
  ]);

/** The contract's model has one tensor, so one rule has it all; the other has nothing to do. */
const whole: AggregationPart = defineAggregation({ name: "parted", create: () => parted(["w"], fedavg.create()) });
aggregationContract(test, "parted", () => whole);

test("each tensor is combined by the first rule that names it, the rest by the plan's own (PT1)", async (t) => {
  const rule = parted(["*.bias"], median.create());
  t.deepEqual([...(await aggregate(rule, updates, layout))], [4, 4, 2, 2, 4, 4]);
  t.deepEqual([...(await aggregate(rule, updates.slice(0, 2), layout))], Array(6).fill(1.5), "round after round");
  await rule.dispose();
});

test("what an optimizer remembers of a tensor goes with it (PT1)", (t) => {
  const shares = sharesOf(withSlots(layout, "momentum"), [["0.bias"], undefined]);
  t.deepEqual(
    shares[0]?.layout.tensors.map((x) => x.name),
    ["0.bias", "optimizer/momentum/0.bias"],
  );
});

test("a pattern that matches nothing, and a rule that others leave nothing, are told with what there is (PT1)", (t) => {
  const why = (...rules: string[][]) =>
    t.throws(() => sharesOf(layout, [...rules, undefined]), { code: "FL_PLAN_INVALID" })?.message;
  t.regex(why(["*.bias", "bn*"])!, /tensors\[0\]\.names: bn\* matches no tensor; the model has 0\.kernel, 0\.bias/);
  t.regex(why(["*"], ["*.bias"])!, /tensors\[1\]\.names matches only what earlier ones do/);
  t.is(sharesOf(layout, [["*"], undefined])[1], undefined, "the plan's own may have nothing");
});

test("a wrong update leaves no trace in any rule; a refusal halfway ends the round, never halves it (PT2)", async (t) => {
  const rule = parted(["*.bias"], median.create());
  await rule.begin({ round: 1, layout, global: new Float32Array(6), weightBound: 10 });
  const wrong = { ...updates[0]!, values: new Float32Array(6).fill(1).fill(Number.NaN, 5) };
  await t.throwsAsync(rule.accept(wrong), { code: "FL_UPDATE_RANGE" });
  await rule.accept(updates[1]!);
  const out = new Float32Array(6);
  await rule.finish(out);
  t.deepEqual([...out], Array(6).fill(2));
  await rule.dispose();

  const inner = fedavg.create();
  const picky: Aggregation = {
    begin: (r) => inner.begin(r),
    accept: (u) => {
      if (u.collaborator === "c1") throw new FlError("FL_UPDATE_RANGE", { reason: "not that one" });
      return inner.accept(u);
    },
    finish: (o) => inner.finish(o),
  };
  const halved = parted(["*.bias"], fedavg.create(), picky);
  await halved.begin({ round: 1, layout, global: new Float32Array(6), weightBound: 10 });
  await halved.accept(updates[0]!);
  await t.throwsAsync(halved.accept(updates[1]!), { code: "FL_UPDATE_RANGE" });
  await t.throwsAsync(halved.finish(out), { code: "FL_PART_FAILED", message: /refused an update of c1/ });
});

test("the states of its rules are kept as one, and there is none where they have none", async (t) => {
  const counting = (): Aggregation & { n: number } => {
    const inner = fedavg.create();
    return {
      n: 0,
      begin: (r) => inner.begin(r),
      accept: (u) => inner.accept(u),
      finish(out) {
        this.n++;
        return inner.finish(out);
      },
      save() {
        return Uint8Array.of(this.n);
      },
      restore(bytes) {
        this.n = bytes[0]!;
      },
    };
  };
  t.is(parted(["*.bias"], fedavg.create()).save, undefined);
  const rule = parted(["*.bias"], counting());
  for (let round = 0; round < 3; round++) await aggregate(rule, updates, layout);
  const restored = counting();
  parted(["*.bias"], restored).restore(rule.save!());
  t.is(restored.n, 3);
});

test("a round that one rule loses and all do again counts once in what the others remember (G7)", async (t) => {
  let lost = true;
  const inner = fedavg.create();
  const elsewhere: Aggregation = {
    begin: (r) => inner.begin(r),
    accept: (u) => inner.accept(u),
    async finish(out) {
      if (lost) throw new FlError("FL_PART_LOST", { reason: "gone" });
      await inner.finish(out);
    },
  };
  const rule = parted(["*.bias"], fedavgm.create(), elsewhere);
  const straight = parted(["*.bias"], fedavgm.create());
  for (const round of [1, 2]) {
    lost = true;
    await t.throwsAsync(aggregate(rule, updates, layout, { round }), { code: "FL_PART_LOST" });
    lost = false;
    t.deepEqual(
      await aggregate(rule, updates, layout, { round }),
      await aggregate(straight, updates, layout, { round }),
    );
  }
});

test("as a plan says it: names are checked, an actor on the bus has one rule only (AG1)", async (t) => {
  const plan = (tensors: unknown) => parsePlan({ version: 1, rounds: 1, aggregation: { tensors } });
  const { aggregation } = plan([{ names: ["*.bias"], use: "median" }]);
  const rule = await planAggregation(aggregation, { wire: testWorld().wire("agg"), exp: "e" });
  t.deepEqual([...(await aggregate(rule, updates, layout))], [4, 4, 2, 2, 4, 4]);
  await rule.dispose?.();
  const twice = ["a", "b"].map((name) => ({ names: [name], use: "nats:krum" }));
  t.throws(() => plan(twice), { message: /tensors\[1\]\.use must not be nats:krum once more/ });
  t.throws(() => plan([{ names: [], use: "median" }]), { code: "FL_PLAN_INVALID" });
  t.throws(() => plan([{ names: ["a"] }]), { message: /tensors\[0\]\.use/ });
});
