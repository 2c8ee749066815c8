/** Metrics as a table. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { sinkContract } from "../contract/sink.ts";
import { AT, measured, pourInto, sourceOf } from "../support/metrics.ts";
import { temporaryDir } from "../support/server.ts";

sinkContract({
  name: "csv",
  use: (dir) => `csv=${dir}/metrics.csv`,
  file: async (dir) => join(dir, "metrics.csv"),
  rows: (bytes) =>
    bytes
      .toString()
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((line) => {
        const [, round, origin, task, metric, value, at] = line.split(",");
        return {
          round: Number(round),
          origin: origin!,
          task: task!,
          metric: metric!,
          value: Number(value),
          at: Number(at),
        };
      }),
});

test("its first row names the columns; values are written in full", async (t) => {
  const dir = await temporaryDir(t);
  await pourInto(`csv=${dir}/a/b/{experiment}.csv`, sourceOf(measured(1)));
  t.deepEqual((await readFile(join(dir, "a/b/e.csv"), "utf8")).split("\n"), [
    "experiment,round,origin,task,metric,value,at,seq",
    `e,1,north,train,loss,0.3333333333333333,${AT},1`,
    `e,1,aggregator,train,loss,0.25,${AT + 250},4`,
    "",
  ]);
});

test("several experiments may share a file, one after the other (CS1)", async (t) => {
  const dir = await temporaryDir(t);
  const use = `csv=${dir}/all.csv`;
  const [a, b] = [measured(3, "a"), measured(2, "b", 2)];
  await pourInto(use, sourceOf(a, 2), "a");
  await pourInto(use, sourceOf(b), "b");
  t.is((await pourInto(use, sourceOf(a), "a")).written, 4);
  t.is((await pourInto(use, sourceOf(b), "b")).written, 0);
  const rows = (await readFile(join(dir, "all.csv"), "utf8")).trimEnd().split("\n").slice(1);
  t.is(rows.map((row) => row[0]).join(""), "aabbbbaaaa");
});

test("names with commas, quotes and line breaks stay one cell, and one row", async (t) => {
  const dir = await temporaryDir(t);
  const use = `csv=${dir}/odd.csv`;
  const metrics = measured(2).map((m) => ({ ...m, task: 'fit, "again"', metric: "a\nb" }));
  await pourInto(use, sourceOf(metrics, 2));
  t.is((await pourInto(use, sourceOf(metrics))).written, 2);
  const text = await readFile(join(dir, "odd.csv"), "utf8");
  t.is(text.match(/,"fit, ""again""","a\nb",/g)?.length, 4);
});
