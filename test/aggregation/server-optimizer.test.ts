/** The server optimizers against Algorithm 2 of Reddi et al., written down once more, element by element. */
import test from "ava";
import fc from "fast-check";
import { aggregations } from "../../actors/aggregation/builtin.ts";
import type { Update } from "../../src/parts/aggregation.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { aggregate, aggregationContract, updatesOf } from "../contract/aggregation.ts";

type Options = Record<string, number>;
/** One element through all rounds: deltas in, steps out. */
type Slow = (deltas: readonly number[], options: Options) => number[];

const adaptive =
  (defaults: Options, second: (v: number, d: number, beta2: number) => number): Slow =>
  (deltas, given) => {
    const { learningRate, beta1, beta2, tau }: Options = {
      learningRate: 0.01,
      tau: 1e-3,
      beta2: 0.99,
      ...defaults,
      ...given,
    };
    let m = 0;
    let v = tau! ** 2;
    return deltas.map((d) => {
      m = beta1! * m + (1 - beta1!) * d;
      v = second(v, d, beta2!);
      return (learningRate! * m) / (Math.sqrt(v) + tau!);
    });
  };

const slow: Record<string, Slow> = {
  fedavgm: (deltas, { momentum = 0.9, learningRate = 1 }) => {
    let v = 0;
    return deltas.map((d) => {
      v = momentum * v + d;
      return learningRate * v;
    });
  },
  fedadagrad: adaptive({ beta1: 0 }, (v, d) => v + d ** 2),
  fedadam: adaptive({ beta1: 0.9 }, (v, d, beta2) => beta2 * v + (1 - beta2) * d ** 2),
  fedyogi: adaptive({ beta1: 0.9 }, (v, d, beta2) => v - (1 - beta2) * d ** 2 * Math.sign(v - d ** 2)),
};
const names = Object.keys(slow);
const others: Record<string, Options> = {
  fedavgm: { momentum: 0.5, learningRate: 0.3 },
  fedadagrad: { learningRate: 0.1, beta1: 0.5, tau: 0.1 },
  fedadam: { learningRate: 1, beta1: 0, beta2: 0.5, tau: 1e-4 },
  fedyogi: { learningRate: 0.1, beta1: 0.2, beta2: 0.9, tau: 1e-2 },
};

for (const name of names) aggregationContract(test, name, () => aggregations[name]!, {}, { one: false });

const close = (got: number, want: number, slack = 2e-6): boolean =>
  Math.abs(got - want) <= slack * Math.max(1, Math.abs(want));

/** The next model by the definitions, of rounds of updates from a model that is all zero. */
function onPaper(name: string, rounds: readonly (readonly Update[])[], options: Options): number[][] {
  const deltasOf = (j: number, steps: readonly number[]): number[] =>
    rounds.slice(0, steps.length + 1).map((updates, k) => {
      const n = updates.reduce((sum, u) => sum + u.weight, 0);
      const w = steps.slice(0, k).reduce((sum, s) => sum + s, 0);
      return updates.reduce((sum, u) => sum + (u.weight / n) * (u.values[j]! - w), 0);
    });
  return Array.from({ length: rounds[0]![0]!.values.length }, (_, j) => {
    let steps: number[] = [];
    for (let k = 0; k < rounds.length; k++) steps = slow[name]!(deltasOf(j, steps), options);
    return steps.map((_, k) => steps.slice(0, k + 1).reduce((sum, s) => sum + s, 0));
  });
}

for (const name of names) {
  for (const options of [{}, others[name]!]) {
    test(`C05 C06 ${name} does what its paper says, round after round: ${JSON.stringify(options)}`, (t) =>
      fc.assert(
        fc.asyncProperty(fc.array(updatesOf(2, 4), { minLength: 1, maxLength: 4 }), async (rounds) => {
          const scaled = rounds.map((updates) => updates.map((u) => ({ ...u, values: u.values.map((x) => x / 1000) })));
          const rule = aggregations[name]!.create(options);
          const layout = layoutOf([{ name: "w", dtype: "f32", shape: [2] }]);
          const want = onPaper(name, scaled, options);
          let global: Float32Array = new Float32Array(2);
          for (const [k, updates] of scaled.entries()) {
            global = await aggregate(rule, updates, layout, { round: k + 1, global });
            for (const j of [0, 1]) {
              // a step of Adagrad, Adam and Yogi is m / (√v + τ): what f32 rounds off w is divided by τ again
              const slack =
                name === "fedavgm" ? 2e-6 : 2e-6 + (1e-6 * (options.learningRate ?? 0.01)) / (options.tau ?? 1e-3);
              t.true(close(global[j]!, want[j]![k]!, slack), `round ${k + 1}: ${global[j]}, not ${want[j]![k]}`);
            }
          }
        }),
        { numRuns: 100 },
      ));
  }
}

test("three steps of each by hand: v begins as τ², and no bias is corrected", async (t) => {
  // Δ = 1 in every round, as the model that a collaborator sends is always one further; β₁ = 0.9, β₂ = 0.99, τ = 0.001, η = 1
  const v = { fedadam: [0.01000099, 0.0199009801, 0.029701970299], fedyogi: [0.010001, 0.020001, 0.030001] };
  const m = [0.1, 0.19, 0.271];
  for (const name of ["fedadam", "fedyogi"] as const) {
    const rule = aggregations[name]!.create({ learningRate: 1 });
    let global: Float32Array = new Float32Array(5);
    let want = 0;
    for (const k of [0, 1, 2]) {
      const updates = [{ collaborator: "a", weight: 3, values: global.map((x) => x + 1) }];
      global = await aggregate(rule, updates, undefined, { round: k + 1, global });
      want += m[k]! / (Math.sqrt(v[name][k]!) + 0.001);
      t.true(close(global[0]!, want), `${name}: ${global[0]} is not ${want}`);
    }
  }
  const rule = aggregations.fedadagrad!.create({ learningRate: 1 });
  let global: Float32Array = new Float32Array(5);
  let want = 0;
  for (const k of [0, 1, 2]) {
    const updates = [{ collaborator: "a", weight: 3, values: global.map((x) => x + 1) }];
    global = await aggregate(rule, updates, undefined, { round: k + 1, global });
    want += 1 / (Math.sqrt(k + 1 + 1e-6) + 0.001);
    t.true(close(global[0]!, want), `${global[0]} is not ${want}`);
  }
});

test("fedavgm without momentum is FedAvg", (t) =>
  fc.assert(
    fc.asyncProperty(updatesOf(5), async (updates) => {
      const plain = await aggregate(aggregations.fedavg!.create(), updates);
      t.deepEqual(await aggregate(aggregations.fedavgm!.create({ momentum: 0 }), updates), plain);
    }),
  ));

for (const name of names) {
  test(`${name}: a model and updates moved by the same are moved by as much (translation)`, (t) =>
    fc.assert(
      fc.asyncProperty(updatesOf(5, 4), fc.integer({ min: -8, max: 8 }), async (given, by) => {
        const updates = given.map((u) => ({ ...u, values: u.values.map((x) => Math.round(x)) }));
        const moved = updates.map((u) => ({ ...u, values: u.values.map((x) => x + by) }));
        const rule = aggregations[name]!;
        const [here, there] = [
          await aggregate(rule.create(), updates),
          await aggregate(rule.create(), moved, undefined, { global: new Float32Array(5).fill(by) }),
        ];
        for (let j = 0; j < 5; j++) t.true(close(there[j]! - by, here[j]!, 1e-6), `${there[j]} and ${here[j]}`);
      }),
      { numRuns: 50 },
    ));
}

test("C05 what is remembered is an experiment's own, and one rule's for the tensors it has", async (t) => {
  const one = [{ collaborator: "a", weight: 1, values: new Float32Array(5).fill(1) }];
  const zero = new Float32Array(5);
  const [here, there] = [aggregations.fedadam!.create(), aggregations.fedadam!.create()];
  const first = await aggregate(here, one);
  const second = await aggregate(here, one, undefined, { round: 2, global: zero });
  t.notDeepEqual(second, first, "the second step is another");
  t.deepEqual(await aggregate(there, one), first, "another instance knows nothing of it");
});

test("a step that leads out of what a model can hold ends the experiment, with the rule's name", async (t) => {
  const rule = aggregations.fedavgm!.create({ learningRate: 1e9 });
  const updates = [{ collaborator: "a", weight: 1, values: new Float32Array(5).fill(100) }];
  await t.throwsAsync(aggregate(rule, updates), {
    code: "FL_PART_FAILED",
    message: /fedavgm took element 0 to 1e\+?11|fedavgm took element 0 to 99999997952/,
  });
});
