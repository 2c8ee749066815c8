import test from "ava";
import fc from "fast-check";
import { stringify } from "yaml";
import { trainArguments, validateArguments } from "../../src/engine/arguments.ts";
import { FlError } from "../../src/errors.ts";
import type { Finding, Imported } from "../../src/openfl/finding.ts";
import { importPlan } from "../../src/openfl/import.ts";
import { parsePlan } from "../../src/plan/plan.ts";

const NAME = "plan/plan.yaml";
const imported = (plan: unknown, cols?: string[]): Imported =>
  importPlan({
    plan: { name: NAME, text: typeof plan === "string" ? plan : stringify(plan) },
    cols: cols && { name: "plan/cols.yaml", text: stringify({ collaborators: cols }) },
  });
const base = { aggregator: { settings: { rounds_to_train: 4 } } };
const of = ({ findings }: Imported, key: string): Finding => {
  const found = findings.find((f) => f.key === key);
  if (found === undefined) throw new Error(`no finding for ${key}: ${findings.map((f) => f.key).join(", ")}`);
  return found;
};
const fates = (result: Imported): Record<string, string> =>
  Object.fromEntries(result.findings.map((f) => [f.key, f.outcome]));

test("import: without rounds there is no plan, and the place and the remedy are told (I1)", (t) => {
  for (const [plan, reason] of [
    [{ network: {} }, /plan\/plan\.yaml: aggregator\.settings\.rounds_to_train is missing/],
    ["aggregator:\n  settings:\n    rounds_to_train: ten\n", /plan\.yaml:3 .*must be a whole number from 1, got "ten"/],
    ["- a\n", /must be a map of sections/],
    ["", /must be a map of sections/],
  ] as const) {
    const error = t.throws(() => imported(plan), { instanceOf: FlError, code: "FL_IMPORT_INVALID" });
    t.regex(String(error.detail.reason), reason);
    t.true(String(error.detail.hint).length > 0);
  }
});

test("import: the least plan", (t) => {
  const { plan, findings } = imported(base);
  t.deepEqual(plan, { version: 1, rounds: 4 });
  t.deepEqual(findings, [
    {
      file: NAME,
      line: 3,
      key: "aggregator.settings.rounds_to_train",
      value: 4,
      outcome: "mapped",
      target: "rounds",
      note: "how many times the model goes out and comes back",
    },
  ]);
});

test("import: unknown sections, keys and values are told, never passed over", (t) => {
  const result = imported({
    ...base,
    agregator: { settings: { a: 1 } },
    collaborator: { settings: { opt_treatmnt: "RESET", opt_treatment: "RESTART", fresh: null } },
    network: 5,
    tasks: { train: { functon: "train_task", kwargs: { epochs: "many" } } },
    straggler_handling_policy: { settings: { straggler_cutoff_time: "soon", patience: 3 } },
  });
  const unknown = result.findings.filter((f) => f.outcome === "unknown").map((f) => [f.key, f.note]);
  t.deepEqual(Object.fromEntries(unknown), {
    agregator: "OpenFL has no such key here (did you mean aggregator?)",
    "collaborator.settings.opt_treatmnt": "OpenFL has no such key here (did you mean opt_treatment?)",
    "collaborator.settings.opt_treatment": "OpenFL knows RESET, CONTINUE_LOCAL and CONTINUE_GLOBAL",
    "collaborator.settings.fresh":
      "OpenFL has no such key here (delta_updates, use_delta_updates, opt_treatment, device_assignment_policy, " +
      "db_store_rounds, epochs_per_round, polling_interval, enable_remote_attestation)",
    network: "must hold keys of its own",
    "tasks.train.functon": "OpenFL has no such key here (did you mean function?)",
    "tasks.train.kwargs.epochs": "must be a whole number from 1",
    "straggler_handling_policy.settings.straggler_cutoff_time": "must be a number of seconds",
    "straggler_handling_policy.settings.patience": "none of OpenFL's policies takes it",
  });
});

const task = (fn: string, kwargs: object = {}, more: object = {}) => ({ function: fn, kwargs, ...more });
const three = {
  aggregated_model_validation: task("validate_task", { apply: "global", metrics: ["acc"] }),
  train: task("train_task", { metrics: ["loss"], epochs: 2 }),
  locally_tuned_model_validation: task("validate_task", { apply: "local", metrics: ["acc"] }),
};
const groups = (...task_groups: object[]) => ({
  assigner: { template: "openfl.component.RandomGroupedAssigner", settings: { task_groups } },
});

test("tasks: those of the group, in its order; without groups in the order of their use (FA1)", (t) => {
  const names = (plan: object) => parsePlan(imported(plan).plan).tasks.map((x) => x.label);
  const order = ["train", "aggregated_model_validation"];
  t.deepEqual(names({ ...base, tasks: three, ...groups({ name: "g", percentage: 1.0, tasks: order }) }), [
    "train",
    "validate_global",
  ]);
  t.deepEqual(names({ ...base, tasks: three }), ["validate_global", "train", "validate_tuned"]);
  const left = imported({ ...base, tasks: three, ...groups({ name: "g", percentage: 1.0, tasks: [...order, "x"] }) });
  const { outcome, note } = of(left, "assigner.settings.task_groups[0].tasks");
  t.is(outcome, "unknown");
  t.regex(note, /no task x;/);
});

test("tasks: a plan whose tasks are code keeps the usual ones that its group names", (t) => {
  const tasks = ["aggregated_model_validate", "train", "locally_tuned_model_validate"];
  const { plan } = imported({ ...base, tasks: { defaults: null }, ...groups({ name: "g", percentage: 1.0, tasks }) });
  t.deepEqual(plan.tasks, [
    { task: "validate", on: "global" },
    { task: "train" },
    { task: "validate", on: "tuned" },
  ] as never);
});

test("tasks: OpenFL's own names become those here, others stay as labels (FA3)", (t) => {
  const { plan } = imported({
    ...base,
    tasks: {
      check: task("validate_task", { apply: "global", metrics: ["dice"] }),
      fit: task("train_task"),
      tidy_up: task("tidy", { apply: "local", depth: 2 }),
      rate: task("_rate@2"),
    },
  });
  t.deepEqual(plan.tasks, [
    { task: "validate", on: "global", label: "check" },
    { task: "train", label: "fit" },
    { task: "tidy", on: "tuned", label: "tidy_up", arguments: { depth: 2 } },
    { task: "task_rate-2", label: "rate" },
  ] as never);
  t.deepEqual(plan.best, { metric: "check.dice" });
  t.deepEqual(
    parsePlan(plan).tasks.map((x) => x.label),
    ["check", "fit", "tidy_up", "rate"],
  );
});

test("tasks: arguments come from the task, the data loader or the task runner, the nearest first", (t) => {
  const result = imported({
    ...base,
    data_loader: { settings: { batch_size: 16, train_bs: 24, shuffle: true } },
    task_runner: { settings: { lr: 0.5, depth: 3 } },
    tasks: {
      ...three,
      train: task("train_task", { epochs: 2, num_batches: 10, mixup: 0.2 }),
      again: task("train", { batch_size: 8, learning_rate: 0.1 }),
    },
  });
  const { tasks } = parsePlan(result.plan);
  t.deepEqual(
    tasks.map((x) => x.arguments),
    [
      { batchSize: 16 },
      { epochs: 2, batchSize: 24, learningRate: 0.5, samples: 240 },
      { batchSize: 8, learningRate: 0.1 },
      { batchSize: 16 },
    ],
  );
  for (const x of tasks) (x.task === "train" ? trainArguments : validateArguments).parse(x.arguments);
  t.like(fates(result), {
    "data_loader.settings.batch_size": "mapped",
    "data_loader.settings.train_bs": "mapped",
    "data_loader.settings.shuffle": "renamed",
    "task_runner.settings.lr": "mapped",
    "task_runner.settings.depth": "renamed",
    "tasks.train.kwargs.mixup": "none",
    "tasks.train.kwargs.num_batches": "mapped",
  });
});

test("aggregation: the first training task's rule is the plan's; another one's is told of", (t) => {
  const rule = (name: string) => ({ aggregation_type: { template: name, settings: { a: 1 } } });
  const median = "openfl.interface.aggregation_functions.Median";
  const result = imported({
    ...base,
    tasks: {
      train: task("train_task", {}, rule(median)),
      more: task("train_task", {}, rule("openfl.interface.aggregation_functions.WeightedAverage")),
      check: task("validate_task", { apply: "local" }, rule("src.mine.Worst")),
    },
  });
  t.is(result.plan.aggregation, "median");
  t.like(fates(result), {
    "tasks.train.aggregation_type.template": "mapped",
    "tasks.more.aggregation_type.template": "none",
    "tasks.check.aggregation_type.template": "implied",
  });
  t.is(imported({ ...base, tasks: { train: task("train", {}, rule("src.mine.Krum")) } }).plan.aggregation, undefined);
});

test("aggregation: OpenFL's adaptive rules, geometric median and FedCurv are the rules of the same papers", (t) => {
  const rule = (name: string) => ({ aggregation_type: { template: `openfl.interface.aggregation_functions.${name}` } });
  const of = (name: string, fn = "train") =>
    imported({ ...base, tasks: { train: task(fn, {}, rule(name)) } }).plan.aggregation;
  t.is(of("GeometricMedian"), "geometric_median");
  t.is(of("AdagradAdaptiveAggregation"), "fedadagrad");
  t.is(of("AdamAdaptiveAggregation"), "fedadam");
  t.is(of("YogiAdaptiveAggregation"), "fedyogi");
  t.is(of("FedCurvWeightedAverage"), "fedcurv");
  t.is(of("FedCurvWeightedAverage", "my_train"), undefined, "its penalty is the built-in train's");
});

test("assigner: several random groups are drawn each round, each its share", (t) => {
  const result = imported({
    ...base,
    tasks: three,
    ...groups(
      { name: "learn", percentage: 0.7, tasks: ["train"] },
      { name: "rate", percentage: 0.3, tasks: ["aggregated_model_validation"] },
    ),
  });
  t.deepEqual(
    parsePlan(result.plan).tasks.map((x) => x.label),
    ["train", "validate_global"],
  );
  t.like(fates(result), {
    "assigner.template": "mapped",
    "assigner.settings.task_groups[0].percentage": "mapped",
    "assigner.settings.task_groups[1].tasks": "mapped",
  });
  t.deepEqual(parsePlan(result.plan).assigner, {
    use: "random_groups",
    options: {
      groups: [
        { name: "learn", share: "70%", tasks: ["train"] },
        { name: "rate", share: "30%", tasks: ["validate_global"] },
      ],
    },
  });
});

test("assigner: static groups keep their members; groups that make no whole are told of, and everybody does everything", (t) => {
  const both = (...members: string[][]) =>
    members.map((collaborators, i) => ({
      name: `g ${i}`,
      collaborators,
      tasks: i === 0 ? ["train"] : Object.keys(three),
    }));
  const of = (template: string, task_groups: object[], cols?: string[]) =>
    imported(
      { ...base, tasks: three, assigner: { template: `openfl.component.${template}`, settings: { task_groups } } },
      cols,
    );
  const fixed = of("StaticGroupedAssigner", both(["a@x", "b"], ["c"]));
  const { collaborators, assigner } = parsePlan(fixed.plan);
  t.deepEqual(collaborators, ["a-x", "b", "c"]);
  t.like(assigner, {
    use: "groups",
    options: { groups: [{ name: "g-0", collaborators: ["a-x", "b"], tasks: ["train"] }, { name: "g-1" }] },
  });
  for (const [result, what] of [
    [of("StaticGroupedAssigner", both(["a", "b"], ["b"])), "one in two groups"],
    [of("StaticGroupedAssigner", both(["a"], ["b"]), ["a", "b", "c"]), "one in none"],
    [
      of(
        "RandomGroupedAssigner",
        [0.5, 0.2].map((percentage) => ({ percentage, tasks: ["train"] })),
      ),
      "no whole",
    ],
  ] as const) {
    t.is(result.plan.assigner, undefined, what);
    t.is(fates(result)["assigner.template"], "none", what);
  }
});

test("assigner: one of one's own is a module", (t) => {
  const { findings } = imported({ ...base, assigner: { template: "src.mine.Mine", settings: { hardness: 3 } } });
  t.deepEqual(
    findings.slice(1).map((f) => [f.outcome, f.target]),
    [
      ["renamed", "assigner"],
      ["renamed", "assigner.options"],
    ],
  );
});

test("assigner: a group of nobody, or one that is not selected, is not in force", (t) => {
  const both = [
    { name: "learning", percentage: 1.0, tasks: ["aggregated_model_validation", "train"] },
    { name: "evaluation", percentage: 0, tasks: ["aggregated_model_validation"] },
  ];
  const learning = imported({ ...base, tasks: three, ...groups(...both) });
  t.deepEqual(
    parsePlan(learning.plan).tasks.map((x) => x.label),
    ["validate_global", "train"],
  );
  t.is(of(learning, "assigner.template").outcome, "implied");
  const { assigner } = groups(...both);
  const selected = { assigner: { ...assigner, settings: { ...assigner.settings, selected_task_group: "evaluation" } } };
  t.deepEqual(
    parsePlan(imported({ ...base, tasks: three, ...selected }).plan).tasks.map((x) => x.label),
    ["validate_global"],
  );
});

test("collaborators: the allow-list, with names that can be names here, told apart (FA2)", (t) => {
  const result = imported(base, ["north", "a@x.org", "a.x.org", "north"]);
  t.deepEqual(result.plan.collaborators, ["north", "a-x-org", "a-x-org-2"]);
  t.regex(of(result, "collaborators[1]").note, /--name a-x-org:/);
  const group = { name: "g", collaborators: ["east", "west"], tasks: ["train"] };
  t.deepEqual(imported({ ...base, tasks: three, ...groups(group) }).plan.collaborators, ["east", "west"]);
  t.is(imported(base, []).plan.collaborators, undefined);
});

const policy = (template: string | undefined, settings: object) => ({
  ...base,
  straggler_handling_policy: { template: template && `openfl.component.${template}`, settings },
});

const cutoff = (after: string | number, quorum: number) => ({
  stragglers: { use: "cutoff", options: { after } },
  quorum,
});
const percentage = (share: string, quorum = 1) => ({ stragglers: { use: "percentage", options: { share } }, quorum });

test("stragglers: from the cut-off on the minimum is enough (FA5)", (t) => {
  const of = (settings: object, cols?: string[]) => {
    const { plan } = imported(policy("x.CutoffTimeBasedStragglerHandling", settings), cols);
    t.is(plan.deadline, undefined);
    return plan.stragglers === undefined ? plan.quorum : { stragglers: plan.stragglers, quorum: plan.quorum };
  };
  t.deepEqual(of({ straggler_cutoff_time: 20, minimum_reporting: 2 }), cutoff("20s", 2));
  t.deepEqual(of({ straggler_cutoff_time: 0.25 }), cutoff(250, 1), "OpenFL's minimum is one");
  t.is(of({ straggler_cutoff_time: "inf", minimum_reporting: 1 }), undefined);
  t.is(of({ straggler_cutoff_time: Number.POSITIVE_INFINITY }), undefined);
  t.is(of({ straggler_cutoff_time: 1e9 }), undefined);
  t.is(of({ straggler_cutoff_time: 20, minimum_reporting: 5 }, ["a", "b"]), undefined, "everybody");
});

test("stragglers: a share closes the round early, never below the minimum (FA5)", (t) => {
  const of = (settings: object) => {
    const { stragglers, quorum } = imported(policy("x.PercentageBasedStragglerHandling", settings)).plan;
    return stragglers === undefined ? quorum : { stragglers, quorum };
  };
  const result = imported(policy("x.PercentagePolicy", { percent_collaborators_needed: 0.5, minimum_reporting: 2 }));
  t.like(fates(result), {
    "straggler_handling_policy.settings.percent_collaborators_needed": "mapped",
    "straggler_handling_policy.settings.minimum_reporting": "mapped",
  });
  t.deepEqual(of({ percent_collaborators_needed: 0.5, minimum_reporting: 2 }), percentage("50%", 2));
  t.deepEqual(of({ percent_collaborators_needed: 0.335 }), percentage("33.5%"));
  t.deepEqual(of({ percent_collaborators_needed: 0.001 }), percentage("0.1%"));
  for (const none of [1, 0, 2]) t.is(of({ percent_collaborators_needed: none }), undefined);
});

test("stragglers: waiting for all is what happens here; a policy of one's own is told of", (t) => {
  t.like(fates(imported(policy("WaitForAllPolicy", { minimum_reporting: 1 }))), {
    "straggler_handling_policy.template": "implied",
    "straggler_handling_policy.settings.minimum_reporting": "implied",
  });
  t.like(fates(imported(policy("mine.Patience", { patience: 3, minimum_reporting: 2 }))), {
    "straggler_handling_policy.template": "renamed",
    "straggler_handling_policy.settings.patience": "renamed",
    "straggler_handling_policy.settings.minimum_reporting": "none",
  });
});

test("devices: CPU_ONLY keeps every machine to its CPU, CUDA_PREFERRED takes a GPU where there is one", (t) => {
  const engine = (policy: string) =>
    imported({ ...base, collaborator: { settings: { device_assignment_policy: policy } } }).plan.engine;
  t.deepEqual(engine("CPU_ONLY"), { device: "cpu" });
  t.deepEqual(engine("CUDA_PREFERRED"), { device: "gpu-preferred" });
});

test("data.yaml: a path is the data owner's; lines that are none, and names that nobody has, are told", (t) => {
  const text = "# names\nnorth,/data/a, b\n\nsouth\nwest,/w\n";
  const { findings } = importPlan({
    plan: { name: NAME, text: stringify(base) },
    cols: { name: "plan/cols.yaml", text: "collaborators: [north]\n" },
    data: { name: "plan/data.yaml", text },
  });
  t.deepEqual(
    findings.filter((f) => f.file === "plan/data.yaml").map((f) => [f.line, f.key, f.value, f.outcome]),
    [
      [2, "north", "/data/a, b", "renamed"],
      [4, "south", "", "unknown"],
      [5, "west", "/w", "unknown"],
    ],
  );
});

test("import: every value in force has exactly one finding (F1)", (t) => {
  const { findings } = imported({
    ...base,
    network: { template: "openfl.federation.Network", settings: { tls: true, agg_port: 1 } },
    tasks: { ...three, settings: {} },
    federated_flow: { template: "src.Flow", settings: { checkpoint: false } },
  });
  const keys = findings.map((f) => f.key);
  t.is(new Set(keys).size, keys.length);
  t.deepEqual(keys.sort(), [
    "aggregator.settings.rounds_to_train",
    "federated_flow",
    "network.settings.agg_port",
    "network.settings.tls",
    "network.template",
    ...["aggregated_model_validation", "locally_tuned_model_validation"].flatMap((name) => [
      `tasks.${name}.function`,
      `tasks.${name}.kwargs.apply`,
      `tasks.${name}.kwargs.metrics`,
    ]),
    "tasks.train.function",
    "tasks.train.kwargs.epochs",
    "tasks.train.kwargs.metrics",
  ]);
});

/** Values that a plan may hold anywhere, likely ones and odd ones. */
const odd = fc.oneof(
  fc.constantFrom<unknown>("train", "validate_task", "local", "RESET", "inf", "openfl.x.Median", "", null, true, false),
  fc.constantFrom<unknown>(0, 1, 0.5, -1, 1e9, 2 ** 31, Number.POSITIVE_INFINITY, Number.NaN, "__proto__", "a\nb"),
  fc.array(fc.constantFrom("train", "acc", "loss", "x y", "a@b"), { maxLength: 3 }),
  fc.dictionary(fc.constantFrom("template", "settings", "a", "constructor"), fc.integer(), { maxKeys: 2 }),
);
const names = fc.constantFrom("train", "aggregated_model_validation", "fit.me", "a b", "constructor", "toString");
const some = (...keys: string[]) => fc.dictionary(fc.constantFrom(...keys), odd, { maxKeys: keys.length });
const section = (...keys: string[]) => fc.record({ template: odd, settings: fc.oneof(odd, some(...keys)) });
const anyPlan = fc.record(
  {
    collaborator: section("delta_updates", "opt_treatment", "device_assignment_policy"),
    data_loader: section("batch_size", "train_bs", "valid_bs", "x"),
    task_runner: section("lr", "learning_rate"),
    assigner: fc.record({
      template: odd,
      settings: fc.record({
        selected_task_group: odd,
        task_groups: fc.array(
          fc.record({ name: odd, percentage: odd, collaborators: odd, tasks: fc.oneof(odd, fc.array(names)) }),
          { maxLength: 3 },
        ),
      }),
    }),
    tasks: fc.dictionary(
      names,
      fc.record({
        function: odd,
        kwargs: some("apply", "metrics", "epochs", "batch_size", "lr", "num_batches", "y"),
        aggregation_type: fc.oneof(odd, fc.record({ template: odd, settings: odd })),
      }),
    ),
    straggler_handling_policy: fc.record({
      template: fc.constantFrom("x.CutoffTimePolicy", "x.PercentagePolicy", "x.Mine", null),
      settings: some("straggler_cutoff_time", "minimum_reporting", "percent_collaborators_needed"),
    }),
    strange: odd,
  },
  { requiredKeys: [] },
);

test("import: whatever a plan says, what comes out is a plan (I1), and each value is told of once (F1)", (t) => {
  fc.assert(
    fc.property(anyPlan, fc.option(fc.array(fc.string())), (plan, cols) => {
      const result = imported({ ...base, ...plan }, cols ?? undefined);
      parsePlan(JSON.parse(JSON.stringify(result.plan)));
      const places = result.findings.map((f) => `${f.file} ${f.key}`);
      return new Set(places).size === places.length && result.findings.every((f) => f.line > 0);
    }),
    { numRuns: 200 },
  );
  t.pass();
});
