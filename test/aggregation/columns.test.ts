/** The short form of defineAggregation: what `combine` is given, and what becomes of a rule that errs. */
import test from "ava";
import { z } from "zod";
import { FlError } from "../../src/errors.ts";
import { type Block, defineAggregation, type Update } from "../../src/parts/aggregation.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import { aggregate } from "../contract/aggregation.ts";

const updatesOf = (length: number, names: readonly string[]): Update[] =>
  names.map((collaborator, k) => ({
    collaborator,
    weight: k + 1,
    values: Float32Array.from({ length }, (_, i) => Math.fround(i + collaborator.length / 8)),
  }));

test("columns come in the order of names, whole, each element once (K1)", async (t) => {
  const length = 70_001;
  const names = ["b", "aa", "B", "ä", "10", "9"];
  const updates = updatesOf(length, names);
  let at = 0;
  const part = defineAggregation({
    name: "probe",
    combine({ columns, weights, collaborators, global, out }) {
      t.deepEqual([...collaborators], names.toSorted());
      for (const [k, name] of collaborators.entries()) {
        const update = updates.find((u) => u.collaborator === name);
        t.is(weights[k], update?.weight);
        t.deepEqual(columns[k], update?.values.slice(at, at + out.length));
      }
      t.is(global.length, out.length);
      at += out.length;
      out.set(columns[0] as Float32Array);
    },
  });
  const rule = part.create();
  const layout = layoutOf([{ name: "w", dtype: "f32", shape: [length] }]);
  const out = await aggregate(rule, updates, layout);
  await rule.dispose?.();
  t.is(at, length);
  t.deepEqual(out, updates.find((u) => u.collaborator === "10")?.values);
});

test("the more updates, the smaller the blocks, and none is lost (K2)", async (t) => {
  const length = 2000;
  const names = Array.from({ length: 700 }, (_, k) => `c${String(k).padStart(4, "0")}`);
  const blocks: number[] = [];
  const part = defineAggregation({
    name: "probe",
    combine({ columns, out }: Block<Record<string, never>>) {
      blocks.push(out.length * columns.length);
      for (let j = 0; j < out.length; j++)
        out[j] = columns.reduce((sum, c) => sum + (c[j] as number), 0) / columns.length;
    },
  });
  const rule = part.create();
  const updates = updatesOf(length, names);
  const out = await aggregate(rule, updates, layoutOf([{ name: "w", dtype: "f32", shape: [length] }]));
  await rule.dispose?.();
  t.true(blocks.length > 1);
  t.true(Math.max(...blocks) <= 2 ** 19);
  t.deepEqual(out, updates[0]?.values);
});

test("an element not written, not finite, or a rule that throws: the part has failed (K3)", async (t) => {
  const one = updatesOf(5, ["a"]);
  const broken: [string, (out: Float32Array) => void][] = [
    ["forgets the last", (out) => out.fill(0, 0, 4)],
    ["divides by zero", (out) => out.fill(1 / 0)],
    [
      "throws",
      () => {
        throw new TypeError("no such thing");
      },
    ],
  ];
  for (const [what, write] of broken) {
    const rule = defineAggregation({ name: "broken", combine: ({ out }) => write(out) }).create();
    const e = await t.throwsAsync(aggregate(rule, one), { instanceOf: FlError });
    t.is(e?.code, "FL_PART_FAILED", what);
    if (what === "throws") t.true(e?.cause instanceof TypeError);
    await rule.dispose?.();
  }
});

test("a rule may be asynchronous, and what it does to its columns stays there", async (t) => {
  const rule = defineAggregation({
    name: "slow",
    async combine({ columns, out }) {
      await new Promise((resolve) => setImmediate(resolve));
      out.set(columns[0] as Float32Array);
      for (const column of columns) column.fill(-1);
    },
  }).create();
  const updates = updatesOf(5, ["a", "b"]);
  const first = await aggregate(rule, updates);
  t.deepEqual(first, updates[0]?.values);
  t.deepEqual(await aggregate(rule, updates), first);
  await rule.dispose?.();
});

test("options are parsed by the rule's schema, defaults and all", async (t) => {
  const part = defineAggregation({
    name: "constant",
    options: z.strictObject({ value: z.number().default(3) }),
    combine: ({ out, options }) => void out.fill(options.value),
  });
  for (const [given, want] of [
    [{}, 3],
    [{ value: 8 }, 8],
    [undefined, 3],
  ] as const) {
    const rule = part.create(given);
    t.deepEqual([...(await aggregate(rule, updatesOf(5, ["a"])))], [want, want, want, want, want]);
    await rule.dispose?.();
  }
  const e = t.throws(() => part.create({ value: "much" }), { instanceOf: FlError });
  t.is(e?.code, "FL_PLAN_INVALID");
  t.regex(e?.message ?? "", /constant/);
});

test("a survey sees every block, as often as it likes, before the first is combined; what it finds is told to all (K4)", async (t) => {
  const length = 70_001;
  const updates = updatesOf(length, ["b", "a", "c"]);
  const seen: string[] = [];
  const rule = defineAggregation({
    name: "farthest",
    async survey({ collaborators, weights, each }) {
      t.deepEqual([...collaborators], ["a", "b", "c"]);
      t.deepEqual([...weights], [2, 1, 3]);
      const sums = [0, 0, 0];
      for (const pass of [1, 2]) {
        let at = 0;
        await each(({ columns, global }) => {
          t.is(columns[0]!.length, global.length);
          for (const [k, column] of columns.entries()) {
            t.deepEqual(
              column,
              updates.find((u) => u.collaborator === collaborators[k])!.values.slice(at, at + column.length),
            );
            sums[k]! += column.length;
            column.fill(0); // scratch
          }
          at += global.length;
          seen.push(`survey ${pass}`);
        });
        t.is(at, length);
      }
      return sums;
    },
    combine({ found, columns, out }) {
      t.deepEqual(found, [2 * length, 2 * length, 2 * length]);
      seen.push("combine");
      out.set(columns[0]!);
    },
  }).create();
  const out = await aggregate(rule, updates, layoutOf([{ name: "w", dtype: "f32", shape: [length] }]));
  t.deepEqual(out, updates[1]!.values);
  t.is([...new Set(seen)].join(), "survey 1,survey 2,combine");
  await rule.dispose?.();
});

test("a survey that throws has failed the part", async (t) => {
  const rule = defineAggregation({
    name: "broken",
    survey: () => {
      throw new TypeError("no such thing");
    },
    combine: () => undefined,
  }).create();
  await t.throwsAsync(aggregate(rule, updatesOf(5, ["a"])), { code: "FL_PART_FAILED" });
  await rule.dispose?.();
});
