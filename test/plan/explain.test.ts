import test from "ava";
import { explain } from "../../src/plan/explain.ts";
import { readWritten } from "../../src/plan/load.ts";

const text = `version: 1
rounds: 3
tasks:
  - train
  - { task: validate, arguments: { batch: 7 } }
aggregation: median
collaborators: [a, b]
`;
const origins = explain(readWritten(text, "plan.yaml"));
const of = (path: string) => origins.find((o) => o.path === path);

test("each value of the resolved plan is there once, with its line or as a default (EX1)", (t) => {
  t.is(new Set(origins.map((o) => o.path)).size, origins.length);
  t.like(of("rounds"), { value: 3, from: "file", line: 2 });
  t.like(of("tasks[1].arguments.batch"), { value: 7, from: "file", line: 5 });
  t.like(of("collaborators[1]"), { value: "b", from: "file", line: 7 });
  t.like(of("seed"), { value: 42, from: "default", line: null });
  t.like(of("tasks[1].label"), { value: "validate_tuned", from: "default", line: null });
  t.like(of("engine.backend"), { value: "auto", from: "default" });
});

test("what a short form says is the file's, what it leaves out is not (EX2)", (t) => {
  t.like(of("aggregation.use"), { value: "median", from: "file", line: 6 });
  t.like(of("aggregation.options"), { value: {}, from: "default" });
  t.like(of("tasks[0].task"), { value: "train", from: "file", line: 4 });
  t.like(of("tasks[0].label"), { value: "train", from: "default" });
});
