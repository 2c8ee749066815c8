/**
 * What follows from more than one key of OpenFL's plan: names, groups, tasks, stragglers.
 *
 * FA1 The tasks are those of the assigner's groups in force, in their order. Without groups they are all of the plan's:
 *     what rates the global model, what trains, then what rates the result.
 * FA2 A name here is letters, digits, - and _; two that become one are told apart by a number.
 * FA3 A task that OpenFL names itself gets the name it has here; any other keeps its own, as its label.
 * FA4 Several groups in force are an assigner's, if their shares are whole, or their members are told apart and all there.
 * FA5 OpenFL waits for everybody until its cut-off or its share, and never less than its minimum: the quorum is the minimum.
 *     Where the minimum is everybody there is no policy to write.
 */
import { durationMs } from "../plan/duration.ts";
import type { PlanInput } from "../plan/plan.ts";
import { type Compressing, compressingOf } from "./compressing.ts";
import { entriesOf, find, itemsOf, plain, type Sourced, textAt } from "./source.ts";

export type TaskKind = "train" | "validate" | "own";
type PlanTask = { task: string; on?: "global" | "tuned"; label?: string; arguments?: Record<string, unknown> };
export type TaskFact = {
  readonly kind: TaskKind;
  /** undefined: no group in force names it */
  readonly written: PlanTask | undefined;
  /** its place in the plan's tasks */
  readonly index: number;
  /** its name in metrics */
  readonly label: string;
};
export type StragglerKind = "cutoff" | "share" | "all" | "own";
export type Facts = {
  readonly tasks: ReadonlyMap<string, TaskFact>;
  readonly written: readonly PlanTask[];
  /** by index: is this group of tasks in force? */
  readonly groups: readonly boolean[];
  /** more than one group is */
  readonly several: boolean;
  /** FA4; undefined: there is one group, or none that makes sense */
  readonly assigner: PlanInput["assigner"];
  readonly straggler: StragglerKind;
  /** FA5 */
  readonly waiting: Pick<PlanInput, "stragglers" | "quorum">;
  /** a collaborator as OpenFL calls it → as it is called here; FA2 */
  readonly names: ReadonlyMap<string, string>;
  readonly collaborators: readonly string[] | undefined;
  readonly compressing: Compressing;
};

/** PyTorchTaskRunner of openfl.federated.PyTorchTaskRunner */
export const lastOf = (dottedPath: unknown): string =>
  typeof dottedPath === "string" ? dottedPath.slice(dottedPath.lastIndexOf(".") + 1) : "";

const tokenOf = (name: string): string => name.replace(/[^A-Za-z0-9_-]/g, "-").slice(0, 64) || "unnamed"; // FA2

export function factsOf(plan: Sourced, cols: Sourced | undefined): Facts {
  const groups = groupsOf(plan);
  const tasks = tasksOf(plan, groups);
  const straggler = stragglerOf(plan);
  const given = listed(find(cols, "collaborators"));
  const used = groups.filter((g) => g.used);
  const names = namesOf(given.length > 0 ? given : used.flatMap((g) => membersOf(g)));
  return {
    ...tasks,
    groups: groups.map((g) => g.used),
    several: used.length > 1,
    assigner: used.length > 1 ? assignerOf(plan, used, tasks.tasks, names) : undefined,
    straggler,
    waiting: waitingOf(find(plan, "straggler_handling_policy", "settings"), straggler, names.size),
    names,
    collaborators: names.size === 0 ? undefined : [...names.values()],
    compressing: compressingOf(plan),
  };
}

export const isSeconds = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value > 0;

function namesOf(listed: readonly string[]): Map<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const name of listed) {
    if (names.has(name)) continue;
    const token = unused(tokenOf(name), taken);
    taken.add(token);
    names.set(name, token);
  }
  return names;
}

/** The name, or the name with the first number that tells it apart. */
function unused(name: string, taken: ReadonlySet<string>): string {
  for (let n = 2, tried = name; ; n++) {
    if (!taken.has(tried)) return tried;
    tried = `${name.slice(0, 60)}-${n}`;
  }
}

const STRAGGLERS: Readonly<Record<string, StragglerKind>> = {
  "": "cutoff", // OpenFL's default
  CutoffTimeBasedStragglerHandling: "cutoff",
  CutoffTimePolicy: "cutoff",
  PercentageBasedStragglerHandling: "share",
  PercentagePolicy: "share",
  WaitForAllPolicy: "all",
  NoPolicy: "all",
};

function stragglerOf(plan: Sourced): StragglerKind {
  const name = lastOf(textAt(plan, "straggler_handling_policy", "template"));
  return Object.hasOwn(STRAGGLERS, name) ? STRAGGLERS[name]! : "own";
}

const share = (fraction: number): `${number}%` => `${Math.round(fraction * 1e6) / 1e4}%`;

/** FA5 */
function waitingOf(settings: Sourced | undefined, kind: StragglerKind, n: number): Facts["waiting"] {
  const value = (key: string): unknown => find(settings, key)?.value;
  const minimum = isCount(value("minimum_reporting")) ? (value("minimum_reporting") as number) : 1;
  const use =
    kind === "cutoff" ? cutoffOf(value("straggler_cutoff_time")) : shareOf(value("percent_collaborators_needed"));
  if ((kind !== "cutoff" && kind !== "share") || use === undefined || (n > 0 && minimum >= n)) return {};
  return { stragglers: use, quorum: minimum };
}

type Policy = { use: string; options: Record<string, string | number> };

function cutoffOf(seconds: unknown): Policy | undefined {
  if (!isSeconds(seconds)) return undefined;
  const after = Number.isInteger(seconds) ? `${seconds}s` : Math.max(1, Math.round(seconds * 1000));
  return durationMs(after) === undefined ? undefined : { use: "cutoff", options: { after } };
}

const shareOf = (value: unknown): Policy | undefined =>
  isShare(value) && value < 1 ? { use: "percentage", options: { share: share(value) } } : undefined;

export const isShare = (value: unknown): value is number => typeof value === "number" && value >= 1e-6 && value <= 1;

type Group = { readonly node: Sourced; readonly used: boolean; readonly tasks: readonly string[] };

function groupsOf(plan: Sourced): Group[] {
  const settings = find(plan, "assigner", "settings");
  const listed = find(settings, "task_groups");
  const selected = textAt(settings, "selected_task_group");
  return (listed === undefined ? [] : itemsOf(listed)).map((node) => {
    const tasks = find(node, "tasks");
    const used = selected === undefined ? find(node, "percentage")?.value !== 0 : textAt(node, "name") === selected;
    return { node, used, tasks: tasks === undefined ? [] : itemsOf(tasks).map((t) => String(plain(t))) };
  });
}

const listed = (node: Sourced | undefined): string[] =>
  node === undefined ? [] : itemsOf(node).map((n) => String(plain(n)));
const membersOf = ({ node }: Group): string[] => listed(find(node, "collaborators"));

/** FA4 */
function assignerOf(
  plan: Sourced,
  groups: readonly Group[],
  tasks: Facts["tasks"],
  names: Facts["names"],
): Facts["assigner"] {
  const taken = new Set<string>();
  const named = groups.map(({ node, tasks: own }) => {
    const name = unused(tokenOf(textAt(node, "name") ?? "group"), taken);
    taken.add(name);
    const labels = own.map((t) => tasks.get(t)).flatMap((t) => (t?.written === undefined ? [] : [t.label]));
    return { name, tasks: [...new Set(labels)] };
  });
  if (lastOf(textAt(plan, "assigner", "template")) === "StaticGroupedAssigner") {
    const members = groups.map((g) => [...new Set(membersOf(g))]);
    const all = members.flat();
    const fit = members.every((m) => m.length > 0) && new Set(all).size === all.length && all.length === names.size;
    if (!fit || !all.every((m) => names.has(m))) return undefined;
    const of = (i: number): string[] => members[i]!.map((m) => names.get(m)!);
    return { use: "groups", options: { groups: named.map((g, i) => ({ ...g, collaborators: of(i) })) } };
  }
  const parts = groups.map(({ node }) => find(node, "percentage")?.value);
  if (!parts.every(isShare) || Math.abs(parts.reduce((a, b) => a + b, 0) - 1) > 0.01) return undefined;
  return { use: "random_groups", options: { groups: named.map((g, i) => ({ ...g, share: share(parts[i]!) })) } };
}

/** Functions of OpenFL's own task runners. Any other is the user's. */
const TRAIN = new Set(["train", "train_task", "train_batches"]);
const VALIDATE = new Set(["validate", "validate_task"]);
/** Names that OpenFL gives itself. */
const OWN_NAMES = /^(train|aggregated_model_validat(e|ion)|locally_tuned_model_validat(e|ion))$/;

const kindOf = (fn: string): TaskKind => (TRAIN.has(fn) ? "train" : VALIDATE.has(fn) ? "validate" : "own");

function tasksOf(plan: Sourced, groups: readonly Group[]): Pick<Facts, "tasks" | "written"> {
  const section = find(plan, "tasks");
  const defined = new Map(
    [...(section === undefined ? [] : entriesOf(section))].filter(([n]) => n !== "defaults" && n !== "settings"),
  );
  const inGroups = groups.filter((g) => g.used).flatMap((g) => g.tasks);
  const known = inGroups.filter((name) => defined.has(name) || OWN_NAMES.test(name));
  const order = [...new Set(inGroups.length > 0 ? known : [...defined.keys()].sort((a, b) => rank(a) - rank(b)))]; // FA1
  const tasks = new Map<string, TaskFact>();
  const written: PlanTask[] = [];
  const labels = new Set<string>();
  function rank(name: string): number {
    const body = defined.get(name);
    const kind = kindOf(functionOf(name, body));
    return kind === "train" ? 1 : kind === "validate" ? (side(name, body) === "tuned" ? 3 : 0) : 2;
  }
  for (const name of order) {
    const body = defined.get(name);
    const fn = functionOf(name, body);
    const kind = kindOf(fn);
    const on = kind === "train" ? undefined : side(name, body);
    const task = kind === "own" ? ownName(fn) : kind;
    const usual = kind === "validate" ? `validate_${on}` : kind === "own" && on !== undefined ? `${task}_${on}` : task;
    const label = unused(OWN_NAMES.test(name) || name === fn ? usual : tokenOf(name), labels); // FA3
    labels.add(label);
    const args = argumentsOf(kind, plan, body);
    const entry: PlanTask = {
      task,
      ...(on === undefined ? {} : { on }),
      ...(label === usual ? {} : { label }),
      ...(Object.keys(args).length === 0 ? {} : { arguments: args }),
    };
    tasks.set(name, { kind, written: entry, index: written.length, label });
    written.push(entry);
  }
  for (const [name, body] of defined) {
    if (tasks.has(name)) continue;
    tasks.set(name, { kind: kindOf(functionOf(name, body)), written: undefined, index: -1, label: "" });
  }
  return { tasks, written };
}

function functionOf(name: string, body: Sourced | undefined): string {
  const written = textAt(body, "function");
  if (written !== undefined) return written;
  return name === "train" ? "train" : OWN_NAMES.test(name) ? "validate" : name;
}

/** Whether it sees the weights that came in or those that training left; a task of one's own only when it says so. */
function side(name: string, body: Sourced | undefined): "global" | "tuned" | undefined {
  const apply = textAt(body, "kwargs", "apply");
  if (apply !== undefined) return apply === "local" ? "tuned" : "global";
  if (kindOf(functionOf(name, body)) !== "validate") return undefined;
  return /local/i.test(name) ? "tuned" : "global";
}

/** A key of the workspace's `tasks`: it begins with a letter, and is neither of the built-in ones. */
function ownName(fn: string): string {
  const token = tokenOf(fn);
  return /^[A-Za-z]/.test(token) ? token : tokenOf(`task${token}`);
}

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
export const isRate = (value: unknown): value is number => typeof value === "number" && value > 0 && value < Infinity;

/** Where OpenFL's users keep what is an argument of the task here, the nearest first. */
function argumentsOf(kind: TaskKind, plan: Sourced, body: Sourced | undefined): Record<string, unknown> {
  const kwargs = find(body, "kwargs");
  if (kind === "own") {
    const all = [...(kwargs === undefined ? [] : entriesOf(kwargs))].filter(([k]) => k !== "apply");
    return Object.fromEntries(all.map(([k, v]) => [k, plain(v)]));
  }
  const loader = find(plan, "data_loader", "settings");
  const runner = find(plan, "task_runner", "settings");
  const first = (fits: (v: unknown) => boolean, ...nodes: (Sourced | undefined)[]): number | undefined =>
    nodes.map((n) => n?.value).find(fits) as number | undefined;
  const own = kind === "train" ? "train_bs" : "valid_bs";
  const batchSize = first(isCount, find(kwargs, "batch_size"), find(loader, own), find(loader, "batch_size"));
  if (kind === "validate") return batchSize === undefined ? {} : { batchSize };
  const rates = ["learning_rate", "lr"];
  const epochs = first(isCount, find(kwargs, "epochs"));
  const learningRate = first(isRate, ...[kwargs, runner].flatMap((from) => rates.map((r) => find(from, r))));
  const batches = first(isCount, find(kwargs, "num_batches"));
  const samples = batches === undefined ? undefined : batches * (batchSize ?? 32);
  const made = { epochs, batchSize, learningRate, samples };
  return Object.fromEntries(Object.entries(made).filter(([, v]) => v !== undefined));
}

/** The part of the plan that the facts make. */
export const planOf = ({ written, collaborators, assigner, waiting, compressing }: Facts): Partial<PlanInput> => ({
  ...(collaborators === undefined ? {} : { collaborators: [...collaborators] }),
  ...(written.length === 0 ? {} : { tasks: [...written] as NonNullable<PlanInput["tasks"]> }),
  ...(assigner === undefined ? {} : { assigner }),
  ...waiting,
  ...(compressing.plan === undefined ? {} : { compression: compressing.plan }),
});
