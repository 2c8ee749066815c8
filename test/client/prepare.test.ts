/** What is refused before anything is sent: Q3 of src/client/prepare.ts. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { prepareExperiment } from "../../src/client/prepare.ts";
import type { Code } from "../../src/errors.ts";
import { temporaryDir } from "../support/server.ts";

const model = "model: ({ tf }) => tf.sequential()";
const sources = {
  "plain.mjs": `export default { ${model} };`,
  "own.mjs": `export default { ${model}, tasks: { fineTune: () => ({}), train: () => ({}) } };`,
  "broken.mjs": `export default { ${model} };\nstumble();\nfunction stumble() { throw new Error("no luck"); }`,
  "misspelt.mjs": `export default { ${model}, taks: {} };`,
  "trimmed.mjs": `import { defineAggregation, z } from "entente";
export default defineAggregation({ name: "trimmed", options: z.strictObject({ trim: z.number().max(0.5) }), combine() {} });`,
};

async function preparing(t: ExecutionContext) {
  const dir = await temporaryDir(t);
  for (const [name, source] of Object.entries(sources)) await writeFile(join(dir, name), source);
  return (plan: Record<string, unknown>, workspace: keyof typeof sources = "plain.mjs") =>
    prepareExperiment({
      ...{ plan: { version: 1, rounds: 1, ...plan }, planFile: join(dir, "plan.yaml") },
      workspace: join(dir, workspace),
    });
}

const refused: [string, Record<string, unknown>, keyof typeof sources, Code, RegExp][] = [
  ["an aggregation that is none", { aggregation: "medain" }, "plain.mjs", "FL_PART_UNKNOWN", /did you mean median\?/],
  [
    "an option that a built-in aggregation does not have",
    { aggregation: { use: "fedavg", options: { momentum: 1 } } },
    "plain.mjs",
    "FL_PLAN_INVALID",
    /options of aggregation fedavg: momentum is not a key/,
  ],
  [
    "an option that the plan's own aggregation does not have",
    { aggregation: { use: "./trimmed.mjs", options: { trimm: 0.1, trim: 0.1 } } },
    "plain.mjs",
    "FL_PLAN_INVALID",
    /options of aggregation trimmed: trimm is not a key; did you mean trim\?/,
  ],
  [
    "what is no aggregation",
    { aggregation: "./plain.mjs" },
    "plain.mjs",
    "FL_PART_FAILED",
    /plain\.mjs is no aggregation/,
  ],
  ["a task that is none", { tasks: ["trainn"] }, "plain.mjs", "FL_TASK_UNKNOWN", /trainn; did you mean train\?/],
  [
    "a task near one of the workspace's",
    { tasks: ["finetune_"] },
    "own.mjs",
    "FL_TASK_UNKNOWN",
    /did you mean fineTune\?/,
  ],
  [
    "an argument that a built-in task does not have",
    { tasks: [{ task: "train", arguments: { batch_size: 32 } }] },
    "plain.mjs",
    "FL_PLAN_INVALID",
    /arguments of task train: batch_size is not a key; did you mean batchSize\?/,
  ],
  [
    "an argument out of its range",
    { tasks: [{ task: "validate", on: "global", arguments: { batchSize: 0 } }] },
    "plain.mjs",
    "FL_PLAN_INVALID",
    /arguments of task validate: batchSize must be/,
  ],
  [
    "a workspace with a key that is none",
    {},
    "misspelt.mjs",
    "FL_WORKSPACE_INVALID",
    /taks is not a key; did you mean tasks\?/,
  ],
];
for (const [what, plan, workspace, code, says] of refused) {
  test(`${what} is refused before anything is sent`, async (t) => {
    const prepare = await preparing(t);
    const e = await t.throwsAsync(prepare(plan, workspace), { code });
    t.regex(e!.message, says);
  });
}

test("a workspace that cannot be imported is refused with the stack of what it threw", async (t) => {
  const prepare = await preparing(t);
  const e = await t.throwsAsync(prepare({}, "broken.mjs"), { code: "FL_WORKSPACE_INVALID" });
  t.regex(e!.message, /no luck/);
  t.regex((e as unknown as { toJSON(): { stack: string } }).toJSON().stack, /at stumble/);
});

test("what fits is prepared; a task of the workspace replaces a built-in one and judges its arguments itself", async (t) => {
  const prepare = await preparing(t);
  const tasks = ["fineTune", { task: "train", label: "own", arguments: { any: "thing" } }];
  t.is((await prepare({ tasks }, "own.mjs")).name, "plan");
  t.is((await prepare({ aggregation: { use: "./trimmed.mjs", options: { trim: 0.2 } } })).digest.length, 64);
  await t.notThrowsAsync(prepare({ aggregation: { use: "nats:anything", options: { any: 1 } } }));
});
