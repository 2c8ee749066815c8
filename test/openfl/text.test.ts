import test from "ava";
import { parse } from "yaml";
import type { Imported } from "../../src/openfl/finding.ts";
import { importPlan } from "../../src/openfl/import.ts";
import { planText } from "../../src/openfl/text.ts";
import { readPlan } from "../../src/plan/load.ts";
import { parsePlan } from "../../src/plan/plan.ts";

const imported = (text: string, cols?: string): Imported =>
  importPlan({
    plan: { name: "plan/plan.yaml", text },
    cols: cols === undefined ? undefined : { name: "plan/cols.yaml", text: cols },
  });

test("text: it reads back as the same plan, with each key's origin and on top what did not come along (TX1)", (t) => {
  const result = imported(
    `aggregator:
  settings:
    rounds_to_train: 3
    secure_aggregation: true
tasks:
  train: { function: train_task, kwargs: { epochs: 2 } }
`,
    "collaborators: [a, b]\n",
  );
  const text = planText(result, "plan/plan.yaml");
  t.deepEqual(readPlan(text), parsePlan(result.plan));
  t.is(
    text,
    `# plan/plan.yaml of OpenFL, as a plan here. docs/plan.md has the keys, docs/coming-from-openfl.md the way over.
# What it asks for and does not get:
#   plan/plan.yaml:4 aggregator.settings.secure_aggregation = true: no counterpart: updates are not masked

version: 1

# plan/plan.yaml:3 aggregator.settings.rounds_to_train
rounds: 3

# plan/cols.yaml:1 collaborators
collaborators:
  - a
  - b

# plan/plan.yaml:6 tasks.train.function
# plan/plan.yaml:6 tasks.train.kwargs.epochs
tasks:
  - task: train
    arguments:
      epochs: 2
`,
  );
});

test("text: a key or a value with line breaks stays in its comment (TX1)", (t) => {
  const text = planText(
    imported('aggregator: {settings: {rounds_to_train: 1}}\n"evil\\nrounds: 9\\u2028x": "a\\nrounds: 8"\n'),
    "plan.yaml",
  );
  t.deepEqual(parse(text), { version: 1, rounds: 1 });
  t.is(text.split("\n").filter((line) => line.includes("evil")).length, 1);
});
