/**
 * What every aggregation owes its callers (src/parts/aggregation.ts, G1 to G5 and G7), whatever it computes. Run it on a part
 * with `aggregationContract(test, name, () => part)`; `options` are those to create it with.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ExecutionContext, TestFn } from "ava";
import fc from "fast-check";
import { type Code, FlError } from "../../src/errors.ts";
import type { Aggregation, AggregationPart, Update } from "../../src/parts/aggregation.ts";
import { type Layout, layoutOf } from "../../src/tensor/layout.ts";

const layoutFor = (length: number): Layout => layoutOf([{ name: "w", dtype: "f32", shape: [length] }]);
const SMALL = layoutFor(5);
const WEIGHT_BOUND = 1_000_000;

/** updates of distinct collaborators, none with -0: of the two zeros a rule may give back either */
export const updatesOf = (length: number, max = 12): fc.Arbitrary<Update[]> =>
  fc
    .array(
      fc.record({
        weight: fc.oneof(fc.integer({ min: 1, max: WEIGHT_BOUND }), fc.double({ min: 0.001, max: 1, noNaN: true })),
        values: fc
          .array(fc.oneof(fc.float({ min: -1000, max: 1000, noNaN: true }), fc.constantFrom(0, 1, -1)), {
            minLength: length,
            maxLength: length,
          })
          .map((v) => Float32Array.from(v, (x) => x + 0)),
      }),
      { minLength: 1, maxLength: max },
    )
    .map((all) => all.map((u, k) => ({ ...u, collaborator: `c${k}` })));

/** one round from begin to finish; the first, from a model that is all zero, unless said otherwise */
export async function aggregate(
  rule: Aggregation,
  updates: readonly Update[],
  layout: Layout = SMALL,
  { round = 1, global = new Float32Array(layout.length) }: { round?: number; global?: Float32Array } = {},
): Promise<Float32Array> {
  await rule.begin({ round, layout, global, weightBound: WEIGHT_BOUND, updatesBound: updates.length });
  for (const update of updates) await rule.accept(update);
  const out = new Float32Array(layout.length);
  await rule.finish(out);
  return out;
}

const hex = (x: Float32Array): string => Buffer.from(x.buffer, x.byteOffset, x.byteLength).toString("hex");

async function refused(t: ExecutionContext, rule: Aggregation, update: Update, code: Code): Promise<void> {
  const e = await t.throwsAsync(async () => rule.accept(update), { instanceOf: FlError });
  t.is(e?.code, code);
}

export function aggregationContract(
  test: TestFn,
  name: string,
  makePart: () => AggregationPart,
  options: Record<string, unknown> = {},
  /** `one: false`: one update alone is not the result, as the rule takes a step of its own */
  { one = true } = {},
): void {
  type Law = (t: ExecutionContext, rule: Aggregation) => Promise<void>;
  const run = (body: Law) => async (t: ExecutionContext) => {
    const rule = makePart().create(options);
    try {
      await body(t, rule);
    } finally {
      await rule.dispose?.();
    }
  };
  const law = (title: string, body: Law): void => test(`${name}: ${title}`, run(body));
  /** for laws that look at the whole process */
  const lawAlone = (title: string, body: Law): void => test.serial(`${name}: ${title}`, run(body));

  law("the order of arrival does not show, bit for bit (G1)", (t, rule) =>
    fc.assert(
      fc.asyncProperty(
        updatesOf(5).chain((u) => fc.tuple(fc.constant(u), fc.shuffledSubarray(u, { minLength: u.length }))),
        async ([updates, other]) => t.is(hex(await aggregate(rule, other)), hex(await aggregate(rule, updates))),
      ),
      { numRuns: 25 },
    ),
  );

  law("who sent what does not show, but for rounding (G1)", (t, rule) =>
    fc.assert(
      fc.asyncProperty(
        updatesOf(5).chain((u) => fc.tuple(fc.constant(u), fc.shuffledSubarray(u, { minLength: u.length }))),
        async ([updates, other]) => {
          const renamed = updates.map((u, k) => ({ ...u, collaborator: other[k]?.collaborator ?? "" }));
          const [a, b] = [await aggregate(rule, updates), await aggregate(rule, renamed)];
          // a rule that adds floats in the order of names may round otherwise; more than that would be a preference
          for (let j = 0; j < 5; j++) {
            const [x, y] = [a[j] as number, b[j] as number];
            t.true(Math.abs(x - y) <= 1e-3 * Math.max(1e-3, Math.abs(x)), `${x} and ${y}`);
          }
        },
      ),
      { numRuns: 25 },
    ),
  );

  law("accepts that overlap give what accepts in turn give (G5)", async (t, rule) => {
    const layout = layoutFor(1_200_000); // more than one step of a sum
    const updates = [3, 1, 2].map((weight, k) => ({
      collaborator: `c${k}`,
      weight,
      values: Float32Array.from({ length: layout.length }, (_, i) => Math.sin(i * weight)),
    }));
    const inTurn = await aggregate(rule, updates, layout);
    const global = new Float32Array(layout.length);
    await rule.begin({ round: 1, layout, global, weightBound: 3 });
    await Promise.all(updates.toReversed().map(async (u) => rule.accept(u)));
    const out = new Float32Array(layout.length);
    await rule.finish(out);
    t.is(Buffer.compare(new Uint8Array(out.buffer), new Uint8Array(inTurn.buffer)), 0);
  });

  if (one)
    law("one update alone is the result", (t, rule) =>
      fc.assert(
        fc.asyncProperty(updatesOf(5, 1), async (updates) => {
          const out = await aggregate(rule, updates);
          const want = updates[0]?.values as Float32Array;
          // 2^-54: the grid of an exact sum, which values below 1e-8 feel
          for (let j = 0; j < 5; j++)
            t.true(Math.abs((out[j] as number) - (want[j] as number)) <= 2 ** -54, `element ${j}`);
        }),
        { numRuns: 25 },
      ),
    );

  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30]) {
    law(`an update with ${bad} in it is refused and leaves no trace (G2)`, (t, rule) =>
      fc.assert(
        fc.asyncProperty(updatesOf(5), fc.nat(4), fc.nat(12), async (updates, at, when) => {
          const want = hex(await aggregate(rule, updates));
          const broken = {
            collaborator: "broken",
            weight: 7,
            values: Float32Array.of(1, 2, 3, 4, 5).fill(bad, at, at + 1),
          };
          await rule.begin({ round: 1, layout: SMALL, global: new Float32Array(5), weightBound: WEIGHT_BOUND });
          for (const [k, update] of updates.entries()) {
            if (k === when) await refused(t, rule, broken, "FL_UPDATE_RANGE");
            await rule.accept(update);
          }
          await refused(t, rule, broken, "FL_UPDATE_RANGE");
          const out = new Float32Array(5);
          await rule.finish(out);
          t.is(hex(out), want);
        }),
        { numRuns: 12 },
      ),
    );
  }

  law("weights and lengths that cannot be are refused and leave no trace (G2)", async (t, rule) => {
    await rule.begin({ round: 1, layout: SMALL, global: new Float32Array(5), weightBound: 10 });
    const good = { collaborator: "a", weight: 2, values: Float32Array.of(1, 2, 3, 4, 5) };
    await rule.accept(good);
    for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 10.01]) {
      await refused(t, rule, { ...good, collaborator: "b", weight }, "FL_UPDATE_RANGE");
    }
    await refused(t, rule, { ...good, collaborator: "b", values: new Float32Array(4) }, "FL_LAYOUT_MISMATCH");
    const out = new Float32Array(5);
    await rule.finish(out);
    t.is(hex(out), hex(await aggregate(rule, [good])));
    if (one) t.deepEqual([...out], [...good.values]);
  });

  law("a round without updates has no result", async (t, rule) => {
    await rule.begin({ round: 1, layout: SMALL, global: new Float32Array(5), weightBound: 1 });
    const e = await t.throwsAsync(async () => rule.finish(new Float32Array(5)), { instanceOf: FlError });
    t.is(e?.code, "FL_STATE");
  });

  law("before a round has begun nothing is taken", (t, rule) =>
    refused(t, rule, { collaborator: "a", weight: 1, values: new Float32Array(5) }, "FL_STATE"),
  );

  law("one instance serves many rounds, of any layout, and remembers none (G5)", async (t, rule) => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 5, 300).chain((n) => updatesOf(n, 4)),
        async (updates) => {
          const layout = layoutFor(updates[0]?.values.length ?? 1);
          const fresh = makePart().create(options);
          t.is(hex(await aggregate(rule, updates, layout)), hex(await aggregate(fresh, updates, layout)));
          await fresh.dispose?.();
        },
      ),
      { numRuns: 30 },
    );
  });

  law("a round begun again forgets what was accepted", async (t, rule) => {
    const [a, b] = [1, 2].map((x) => ({ collaborator: `c${x}`, weight: 1, values: new Float32Array(5).fill(x) })) as [
      Update,
      Update,
    ];
    await rule.begin({ round: 1, layout: SMALL, global: new Float32Array(5), weightBound: 1 });
    const want = hex(await aggregate(rule, [b]));
    await rule.begin({ round: 1, layout: SMALL, global: new Float32Array(5), weightBound: 1 });
    await rule.accept(a);
    t.is(hex(await aggregate(rule, [b])), want);
  });

  law("what lasts is saved and restored: rounds go on as if nothing had been between them (G7)", (t) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(updatesOf(5, 4), { minLength: 2, maxLength: 5 }),
        fc.nat(3),
        async (rounds, interrupted) => {
          const straight = makePart().create(options);
          let broken = makePart().create(options);
          const models = [new Float32Array(5), new Float32Array(5)] as Float32Array[];
          for (const [k, updates] of rounds.entries()) {
            const begun = { round: k + 1 };
            models[0] = await aggregate(straight, updates, SMALL, { ...begun, global: models[0]! });
            models[1] = await aggregate(broken, updates, SMALL, { ...begun, global: models[1]! });
            t.is(hex(models[1]!), hex(models[0]!), `round ${k + 1}`);
            if (k !== interrupted) continue;
            const state = broken.save?.();
            await broken.dispose?.();
            broken = makePart().create(options);
            t.is(broken.save === undefined, state === undefined);
            if (state !== undefined) broken.restore?.(Buffer.concat([Buffer.of(7), state]).subarray(1));
          }
          await straight.dispose?.();
          await broken.dispose?.();
        },
      ),
      { numRuns: 12 },
    ),
  );

  law("a round that is done again counts once (G7)", async (t, rule) => {
    const fresh = makePart().create(options);
    const of = (x: number): Update[] => [{ collaborator: "a", weight: 1, values: new Float32Array(5).fill(x) }];
    for (const begun of [{ round: 1 }, { round: 2 }]) {
      await aggregate(rule, of(9), SMALL, begun);
      await rule.begin({ ...begun, layout: SMALL, global: new Float32Array(5), weightBound: 1 });
      await rule.accept(of(7)[0]!);
      t.is(hex(await aggregate(rule, of(2), SMALL, begun)), hex(await aggregate(fresh, of(2), SMALL, begun)));
    }
    t.deepEqual(rule.save?.(), fresh.save?.());
    await fresh.dispose?.();
  });

  law("a state that is none, another's, or of another model is refused", async (t, rule) => {
    if (rule.save === undefined) {
      t.pass();
      return;
    }
    const one = [{ collaborator: "a", weight: 1, values: new Float32Array(5).fill(1) }];
    await aggregate(rule, one);
    const state = Buffer.from(rule.save());
    const refusal = (bytes: Uint8Array) =>
      t.throws(() => makePart().create(options).restore?.(bytes), { instanceOf: FlError })?.code;
    t.is(refusal(Buffer.alloc(0)), "FL_STATE");
    t.is(refusal(state.subarray(0, -1)), "FL_STATE");
    t.is(refusal(Buffer.from(state.toString("latin1").replace(`"rule":"`, `"rule":"x`), "latin1")), "FL_STATE");
    const later = state.toString("latin1").replace(/"version":\d+/, `"version":999`);
    t.is(refusal(Buffer.from(later, "latin1")), "FL_SNAPSHOT_VERSION");
    const next = makePart().create(options);
    next.restore?.(state);
    const layout = layoutFor(6);
    const other = async (): Promise<void> =>
      next.begin({ round: 2, layout, global: new Float32Array(6), weightBound: 1 });
    t.is((await t.throwsAsync(other, { instanceOf: FlError }))?.code, "FL_LAYOUT_MISMATCH");
    await next.dispose?.();
  });

  lawAlone("memory does not grow with the number of updates (G3)", async (t, rule) => {
    const layout = layoutFor(250_000); // 1 MB
    const values = new Float32Array(layout.length).fill(0.5);
    const accept = async (k: number): Promise<void> => rule.accept({ collaborator: `c${k}`, weight: 100, values });
    await rule.begin({ round: 1, layout, global: new Float32Array(layout.length), weightBound: 100 });
    for (let k = 0; k < 2; k++) await accept(k);
    const before = buffersHeld();
    for (let k = 2; k < 40; k++) await accept(k);
    const grown = (buffersHeld() - before) / layout.bytes;
    t.true(grown < 2, `38 more updates hold ${grown.toFixed(1)} models more`);
    await rule.finish(new Float32Array(layout.length));
    const after = (buffersHeld() - before) / layout.bytes;
    t.true(after < 70, `after finish ${after.toFixed(1)} models more`); // a slab of 64 MiB at most
  });

  lawAlone("others get their turn while a large model is worked on (G4)", async (t, rule) => {
    const layout = layoutFor(3_500_000);
    const values = new Float32Array(layout.length).fill(0.5);
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    const during = async (work: () => void | Promise<void>): Promise<number> => {
      const before = turns;
      await work();
      return turns - before;
    };
    await rule.begin({ round: 1, layout, global: new Float32Array(layout.length), weightBound: 1 });
    t.true((await during(() => rule.accept({ collaborator: "a", weight: 1, values }))) >= 3, "accept");
    t.true((await during(() => rule.finish(values))) >= 3, "finish");
    running = false;
  });

  test(`${name}: options that it does not know are refused`, (t) => {
    const e = t.throws(() => makePart().create({ ...options, no_such_option: 1 }), { instanceOf: FlError });
    t.is(e?.code, "FL_PLAN_INVALID");
  });
}

/** bytes in array buffers that something still holds */
function buffersHeld(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect(); // what the first one found dead may still be counted
  return process.memoryUsage().arrayBuffers;
}
