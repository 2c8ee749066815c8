/**
 * Keys whose fate depends on more than their value: each reading is named by a row of src/openfl/keys.ts.
 *
 * R1 A reading that returns nothing leaves the matter to the row's cases.
 * R2 What OpenFL would refuse is unknown, never corrected; only without rounds is there no plan at all.
 */
import { durationMs } from "../plan/duration.ts";
import { type Facts, isCount, isRate, isSeconds, isShare, lastOf, type TaskFact } from "./facts.ts";
import { implied, mapped, none, unknown, type Verdict } from "./finding.ts";
import type { Reading } from "./keys.ts";
import { itemsOf, plain, refused, type Sourced } from "./source.ts";

const COUNT = "must be a whole number from 1";
const tasksOf = (facts: Facts): TaskFact[] => [...facts.tasks.values()].filter((t) => t.written !== undefined);
const unnamed = implied("no group in force names this task, so OpenFL never runs it");

/** @throws FL_IMPORT_INVALID when it is no number of rounds (R2) */
export const rounds: Reading = (node) => {
  if (isCount(node.value)) return mapped("rounds", "how many times the model goes out and comes back", node.value);
  throw refused(
    `${node.file}:${node.line} aggregator.settings.rounds_to_train ${COUNT}, got ${JSON.stringify(plain(node))}`,
    "say how many rounds to train, then import it again",
  );
};

/** A batch size of the data loader's counts where a task has none of its own. */
export const batchSize: Reading = (node, path, facts) => {
  if (!isCount(node.value)) return unknown(COUNT);
  const kind = path.at(-1) === "train_bs" ? "train" : path.at(-1) === "valid_bs" ? "validate" : undefined;
  const takes = tasksOf(facts).filter((t) => t.kind !== "own" && (kind === undefined || t.kind === kind));
  const some = takes.some((t) => t.written?.arguments?.batchSize === node.value);
  return some || takes.length === 0 ? undefined : implied("each task has a batch size of its own");
};

export const learningRate: Reading = (node, _path, facts) => {
  if (!isRate(node.value)) return unknown("must be a number above 0");
  const some = tasksOf(facts).some((t) => t.written?.arguments?.learningRate === node.value);
  return some ? undefined : none("no built-in training task takes it; the workspace may have it as a constant");
};

// tasks

type Inside = (node: Sourced, task: TaskFact, at: string, path: readonly (string | number)[]) => Verdict | undefined;

/** For keys below a task: `at` is where it stands in the plan. */
const inTask =
  (then: Inside): Reading =>
  (node, path, facts) => {
    const task = facts.tasks.get(String(path[1]));
    if (task?.written === undefined) return unnamed;
    return then(node, task, `tasks[${task.index}]`, path);
  };

export const fn = inTask((node, { kind, label, written }, at) => {
  if (typeof node.value !== "string") return unknown("must be the name of a function");
  if (kind === "own") return mapped(`${at}.task`, `write it as tasks.${written!.task} of the workspace`);
  return mapped(`${at}.task`, `built in; its metrics are ${label}.*`);
});

export const apply = inTask((node, { kind, written }, at) => {
  if (node.value !== "global" && node.value !== "local") return unknown("OpenFL knows global and local");
  if (kind === "train") return implied("training goes on from the weights there are");
  return mapped(`${at}.on`, written?.on === "tuned" ? "what training left" : "the model that came in");
});

/** Built-in metrics by the names that OpenFL's examples have for them. */
const BUILT_IN: Readonly<Record<string, string>> = { loss: "loss", acc: "accuracy", accuracy: "accuracy" };

export const metrics = inTask((node, { kind, label, written }, at) => {
  if (kind === "own") return mapped(`${at}.arguments.metrics`, "handed to the task of the workspace");
  const names = itemsOf(node).map((n) => String(plain(n)));
  const own = names.filter((n) => !Object.hasOwn(BUILT_IN, n));
  const write = own.length === 0 ? "always measured" : `write ${own.join(", ")} as metrics of the workspace`;
  if (kind === "train") return own.length === 0 ? undefined : none(`training reports loss and accuracy; ${write}`);
  const chosen = names.find((n) => BUILT_IN[n] === "accuracy") ?? own[0] ?? names[0];
  const metric = `${label}.${BUILT_IN[chosen ?? ""] ?? chosen}`;
  if (written?.on !== "global" || names.length === 0) return own.length === 0 ? undefined : none(write);
  if (!/^[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]{1,64}$/.test(metric)) return none(write);
  return mapped("best.metric", `the best model is chosen by ${metric}; ${write}`, metric);
});

const KNOWN: Readonly<Record<string, readonly [string, (v: unknown) => boolean, string]>> = {
  batch_size: ["batchSize", isCount, COUNT],
  epochs: ["epochs", isCount, COUNT],
  learning_rate: ["learningRate", isRate, "must be a number above 0"],
  lr: ["learningRate", isRate, "must be a number above 0"],
  num_batches: ["samples", isCount, COUNT],
};

export const argument = inTask((node, { kind, written }, at, path) => {
  const key = String(path.at(-1));
  const [name, fits, must] = KNOWN[key]!;
  if (kind === "own") return mapped(`${at}.arguments.${key}`, "handed to the task of the workspace");
  if (!fits(node.value)) return unknown(must);
  const { [name]: taken } = written?.arguments ?? {};
  if (taken === undefined) return none("the built-in task takes no such argument");
  if (taken !== node.value && name !== "samples") return implied("another key of the same meaning counts");
  return mapped(`${at}.arguments.${name}`, "of this task");
});

export const ownArgument = inTask((_node, { kind }, at, path) =>
  kind === "own" ? mapped(`${at}.arguments.${path.at(-1)}`, "handed to the task of the workspace") : undefined,
);

/** The plan has one rule: that of the first task whose updates it combines. */
const byTensor = none(
  "a round has one update, made by all its tasks: the first one's rule counts; aggregation.tensors has others by tensor",
);

const penalty = none("its penalty goes with the built-in train, of which the plan has not one: fedavg in its place");

export const aggregation: Reading = (node, path, facts) => {
  const task = facts.tasks.get(String(path[1]));
  if (task?.written === undefined) return unnamed;
  if (task.kind === "validate") return implied("metrics are always averaged by samples, in OpenFL too");
  const first = tasksOf(facts).find((t) => t.kind !== "validate");
  if (first !== task) return byTensor;
  const trains = tasksOf(facts).filter((t) => t.kind === "train").length;
  return lastOf(node.value) === "FedCurvWeightedAverage" && trains !== 1 ? penalty : undefined;
};

export const aggregationSetting: Reading = (_node, path, facts) => {
  const task = facts.tasks.get(String(path[1]));
  if (task?.written === undefined) return unnamed;
  return task.kind === "validate" ? implied("metrics are always averaged by samples, in OpenFL too") : undefined;
};

// assigner

const groupOf = (path: readonly (string | number)[], facts: Facts): boolean => facts.groups[Number(path[3])] === true;
const toAssigner = mapped("assigner", "each round asks as these groups say");
const together = none("groups that do not make a whole: everybody does the tasks of every group");
const idle = implied("this group is not in force");

/** Of several groups in force; an assigner of one's own has none. */
export const assigner: Reading = (_node, _path, facts) =>
  facts.several ? (facts.assigner === undefined ? together : toAssigner) : undefined;

export const groupPart: Reading = (_node, path, facts) => {
  if (!groupOf(path, facts)) return idle;
  return facts.several ? (facts.assigner === undefined ? together : toAssigner) : undefined;
};

export const groupTasks: Reading = (node, path, facts) => {
  if (!groupOf(path, facts)) return idle;
  const lost = itemsOf(node)
    .map((n) => String(plain(n)))
    .filter((name) => facts.tasks.get(name)?.written === undefined);
  if (lost.length > 0) return unknown(`the plan has no task ${lost.join(", ")}; the others are taken`);
  if (!facts.several) return undefined;
  return mapped("tasks", facts.assigner === undefined ? "in this order, by everybody" : "in this order, by its group");
};

export const selected: Reading = (_node, _path, facts) =>
  facts.groups.some((used) => used) ? undefined : unknown("no group has this name, so all tasks are taken");

// stragglers

const own = none("what a policy of one's own is told: write it again as stragglers: ./mine.ts");
const everybody = implied("the minimum is everybody, so a round waits for all");

/** For keys that only one of OpenFL's policies takes. */
const of =
  (kind: Facts["straggler"], then: Reading): Reading =>
  (node, path, facts) => {
    if (facts.straggler === "own") return own;
    return facts.straggler === kind ? then(node, path, facts) : implied("the policy of this plan does not use it");
  };

export const cutoff = of("cutoff", ({ value }, _path, { waiting }) => {
  const endless = typeof value === "string" && /^[+.]?inf(inity)?$/i.test(value);
  if (endless || value === Number.POSITIVE_INFINITY || value === null) return implied("as long as it takes, as here");
  if (!isSeconds(value)) return unknown("must be a number of seconds");
  if (waiting.stragglers !== undefined) return mapped("stragglers", "from then on the quorum is enough");
  const longest = durationMs(`${Math.max(1, Math.round(value))}s`) === undefined;
  return longest ? implied("longer than a time can be here: as long as it takes") : everybody;
});

export const minimum: Reading = ({ value }, _path, { straggler, waiting }) => {
  if (straggler === "own") return own;
  if (!isCount(value)) return unknown(COUNT);
  if (waiting.quorum !== undefined) return mapped("quorum", "no round counts with fewer");
  return implied("a round waits for everyone");
};

export const share = of("share", ({ value }, _path, { waiting }) => {
  if (!isShare(value)) return unknown("must be above 0 and at most 1");
  if (waiting.stragglers !== undefined) return mapped("stragglers", "a round closes as soon as so many are in");
  return value === 1 ? implied("a round waits for all") : everybody;
});

export const stragglerSetting: Reading = (_node, _path, facts) =>
  facts.straggler === "own" ? undefined : unknown("none of OpenFL's policies takes it");

// cols.yaml

export const collaborator: Reading = (node, _path, facts) => {
  const name = facts.names.get(String(plain(node)));
  if (name === undefined) return unknown("must be a name");
  if (name === node.value) return undefined;
  return mapped("collaborators", `start its envoy as --name ${name}: letters, digits, - and _`);
};
