/** The servers' part of SCAFFOLD, FedDyn, FedCurv, FedNova and q-FedAvg, against their papers, with some of the collaborators away. */
import test from "ava";
import fc from "fast-check";
import { fedavg } from "../../actors/aggregation/fedavg.ts";
import { fedcurv } from "../../actors/aggregation/fedcurv.ts";
import { feddyn } from "../../actors/aggregation/feddyn.ts";
import { fednova } from "../../actors/aggregation/fednova.ts";
import { qFedavg } from "../../actors/aggregation/q-fedavg.ts";
import { scaffold } from "../../actors/aggregation/scaffold.ts";
import { stepsOf } from "../../src/engine/method.ts";
import type { Aggregation, Update } from "../../src/parts/aggregation.ts";
import { type Layout, layoutOf } from "../../src/tensor/layout.ts";
import {
  isSlot,
  type MethodName,
  methodSlot,
  modelOf,
  ownerOf,
  withMethod,
  withSlots,
} from "../../src/tensor/slots.ts";
import { aggregationContract, updatesOf } from "../contract/aggregation.ts";

aggregationContract(test, "scaffold", () => scaffold);
aggregationContract(test, "feddyn", () => feddyn, {}, { one: false });
aggregationContract(test, "fedcurv", () => fedcurv);
aggregationContract(test, "fednova", () => fednova);
aggregationContract(test, "q_fedavg", () => qFedavg, {}, { one: false });
aggregationContract(test, "q_fedavg with q = 0", () => qFedavg, { q: 0 });

const model = layoutOf(["0.kernel", "1.bias"].map((name) => ({ name, dtype: "f32", shape: [1] })));
const travelling = (name: MethodName): Layout => withMethod(model, name, "travelling");

type More = { round?: number; members?: number };
async function play(
  rule: Aggregation,
  layout: Layout,
  global: Float32Array,
  updates: readonly Update[],
  more: More = {},
) {
  await rule.begin({ round: 1, layout, global, weightBound: 1e6, ...more });
  for (const update of updates) await rule.accept(update);
  const out = new Float32Array(layout.length);
  await rule.finish(out);
  return out;
}
const near = (got: ArrayLike<number>, want: readonly number[]): boolean =>
  want.every((x, j) => Math.abs(got[j]! - x) <= 1e-5 * Math.max(1, Math.abs(x)));
const mean = (updates: readonly Update[], j: number): number =>
  updates.reduce((sum, u) => sum + u.values[j]!, 0) / updates.length;
const absent = fc.integer({ min: 0, max: 20 });

test("SCAFFOLD: of N collaborators |S| answer: c moves by |S| / N of their mean change, x by their mean", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(4), absent, async (updates, away) => {
      const global = Float32Array.of(5, -3, 0.5, 2);
      const members = updates.length + away;
      const out = await play(scaffold.create({ learningRate: 0.5 }), travelling("scaffold"), global, updates, {
        members,
      });
      const want = [...global].map((w, j) => {
        const moved = mean(updates, j) - w;
        return w + moved * (j < 2 ? 0.5 : updates.length / members);
      });
      t.true(near(out, want), `${out} is not ${want}`);
    }),
  ));

test("FedDyn: the drift grows by |P| / m of each round's mean step, and is taken off the mean", (t) =>
  fc.assert(
    fc.asyncProperty(fc.array(updatesOf(2, 4), { minLength: 1, maxLength: 4 }), absent, async (rounds, away) => {
      const rule = feddyn.create({ alpha: 0.1 });
      let global: Float32Array = new Float32Array(2);
      let h = [0, 0];
      for (const [k, updates] of rounds.entries()) {
        const members = updates.length + away;
        const from = global;
        h = h.map((x, j) => x - (0.1 / members) * updates.reduce((sum, u) => sum + u.values[j]! - from[j]!, 0));
        const want = h.map((x, j) => mean(updates, j) - x / 0.1);
        global = await play(rule, model, global, updates, { round: k + 1, members });
        t.true(near(global, want), `round ${k + 1}: ${global} is not ${want}`);
      }
    }),
  ));

test("C07 FedCurv: Fisher tensors are summed as they are, whatever the weights, and others averaged by them", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(6), async (updates) => {
      const out = await play(fedcurv.create(), travelling("fedcurv"), new Float32Array(6), updates);
      const bare = updates.map((u) => ({ ...u, values: u.values.slice(0, 2) }));
      t.deepEqual(out.slice(0, 2), await play(fedavg.create(), model, new Float32Array(2), bare));
      const sums = [2, 3, 4, 5].map((j) => updates.reduce((sum, u) => sum + u.values[j]!, 0));
      const size = updates.reduce((sum, u) => sum + Math.max(...u.values.map(Math.abs)), 0);
      for (const [j, sum] of sums.entries()) t.true(Math.abs(out[2 + j]! - sum) <= 1e-7 * Math.max(1, size));
    }),
  ));

test("a method's slots lie behind the model and what an optimizer remembers; some travel, some stay (SL3)", (t) => {
  const names = (layout: Layout): string[] => layout.tensors.map((x) => x.name).slice(2);
  t.deepEqual(names(travelling("scaffold")), ["scaffold/c/0.kernel", "scaffold/c/1.bias"]);
  t.deepEqual(names(travelling("feddyn")), []);
  const all = withMethod(withSlots(model, "momentum"), "fedcurv");
  t.deepEqual(
    names(all).filter((name) => name.endsWith("bias")),
    ["optimizer/momentum", "fedcurv/u", "fedcurv/v", "fedcurv/own-u", "fedcurv/own-v"].map((kept) => `${kept}/1.bias`),
  );
  t.true(names(all).every((name) => isSlot(name) && /^[01]\./.test(ownerOf(name)!)));
  t.deepEqual(["fedcurv/v/1.bias", "fedcurv/own-v/1.bias", "optimizer/m/1.bias", "1.bias"].map(methodSlot), [
    "travels",
    "stays",
    undefined,
    undefined,
  ]);
  const values = new Float32Array(all.length).fill(7).fill(3, 0, 2);
  t.deepEqual([...modelOf({ layout: all, values }).values], [3, 3]);
});

/** The last numbers of each update made such as a method sends. */
const told = (updates: readonly Update[], by: (u: Update, k: number) => number[]): Update[] =>
  updates.map((u, k) => {
    const values = u.values.slice();
    const scalars = by(u, k);
    values.set(scalars, values.length - scalars.length);
    return { ...u, values };
  });
const few = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 12, maxLength: 12 });

test("FedNova: steps are averaged, not updates, and their number is put back as a mean", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(3), few, async (given, taken) => {
      const global = Float32Array.of(5, -3, 0);
      const updates = told(given, (_, k) => [taken[k]!]);
      const out = await play(fednova.create(), travelling("fednova"), global, updates);
      const n = updates.reduce((sum, u) => sum + u.weight, 0);
      const tau = updates.reduce((sum, u, k) => sum + (u.weight / n) * taken[k]!, 0);
      const want = [0, 1].map(
        (j) =>
          global[j]! +
          tau * updates.reduce((sum, u, k) => sum + ((u.weight / n) * (u.values[j]! - global[j]!)) / taken[k]!, 0),
      );
      t.true(near(out, want), `${out} is not ${want}`);
      t.is(out[2], 0, "the number of steps is no part of the model");
    }),
  ));

test("FedNova of equal numbers of steps is FedAvg", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(3), fc.integer({ min: 1, max: 50 }), async (given, steps) => {
      const updates = told(given, () => [steps]);
      const out = await play(fednova.create(), travelling("fednova"), new Float32Array(3), updates);
      const bare = updates.map((u) => ({ ...u, values: u.values.slice(0, 2) }));
      t.true(near(out, [...(await play(fedavg.create(), model, new Float32Array(2), bare))]));
    }),
  ));

test("how far steps lead is what FedNova's closed forms say, for plain SGD, momentum and FedProx", (t) => {
  const sgd = { learningRate: 0.05, momentum: 0.9, optimizer: "sgd", proximal: 0 } as const;
  const close = (got: number, want: number): void => {
    t.true(Math.abs(got - want) < 1e-9 * want, `${got} is not ${want}`);
  };
  for (const tau of [1, 2, 7, 100]) {
    close(stepsOf(tau, sgd), tau);
    const rho = 0.9;
    close(stepsOf(tau, { ...sgd, optimizer: "momentum" }), (tau - (rho * (1 - rho ** tau)) / (1 - rho)) / (1 - rho));
    const alpha = 0.05 * 2;
    close(stepsOf(tau, { ...sgd, proximal: 2 }), (1 - (1 - alpha) ** tau) / alpha);
  }
});

test("q-FedAvg: steps are weighed by the loss that collaborators had before training, to the power of q", (t) =>
  fc.assert(
    fc.asyncProperty(
      updatesOf(4, 6),
      few,
      fc.constantFrom(0, 0.1, 1, 2),
      fc.constantFrom(0.1, 1),
      async (given, losses, q, rate) => {
        const global = Float32Array.of(5, -3, 0, 0);
        const updates = told(given, (_, k) => [losses[k]! / 8, rate]);
        const out = await play(qFedavg.create({ q }), travelling("q_fedavg"), global, updates);
        const inverse = 1 / Math.fround(rate);
        let [h, moved] = [0, [0, 0]];
        for (const [k, { values }] of updates.entries()) {
          const loss = losses[k]! / 8;
          const u = [0, 1].map((j) => inverse * (global[j]! - values[j]!));
          moved = moved.map((x, j) => x + loss ** q * u[j]!);
          h += q * loss ** (q - 1) * u.reduce((sum, x) => sum + x * x, 0) + inverse * loss ** q;
        }
        const want = [0, 1].map((j) => global[j]! - moved[j]! / h);
        t.true(near(out, want), `${out} is not ${want}`);
        if (q === 0)
          t.true(
            near(
              out,
              [0, 1].map((j) => mean(updates, j)),
            ),
            "all count alike",
          );
      },
    ),
  ));

test("numbers that no training has are refused, and leave no trace", async (t) => {
  const update = (...values: number[]): Update => ({
    collaborator: `c${values}`,
    weight: 1,
    values: Float32Array.from(values),
  });
  for (const [part, name, wrong, right] of [
    [fednova, "fednova", update(1, 2, 0), update(1, 2, 3)],
    [qFedavg, "q_fedavg", update(1, 2, -1, 0.1), update(1, 2, 1, 0.1)],
    [qFedavg, "q_fedavg", update(1, 2, 1, 0), update(1, 2, 1, 0.1)],
  ] as const) {
    const layout = travelling(name);
    const rule = part.create();
    await rule.begin({ round: 1, layout, global: new Float32Array(layout.length), weightBound: 10 });
    await t.throwsAsync(async () => rule.accept(wrong), { code: "FL_UPDATE_RANGE" });
    await rule.accept(right);
    const out = new Float32Array(layout.length);
    await rule.finish(out);
    t.deepEqual(out, await play(part.create(), layout, new Float32Array(layout.length), [right]));
  }
});
