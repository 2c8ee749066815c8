/**
 * The plan: everything that fixes an experiment except its code and its data.
 *
 * Owns the schema, its defaults and what follows from them; src/plan/load.ts reads YAML, docs/plan.md lists the keys.
 * PL1 `parsePlan` is idempotent: a parsed plan is a plan, so it is stored and sent as it is.
 * PL2 After parsing nothing is implied: every task has a label, every duration is in milliseconds.
 * PL3 `best` and `stop` name a task of this plan.
 * PL4 On `global` a task measures the model that entered the round, which is the aggregate of the round before.
 * PL5 Two plans have the same digest exactly when they ask for the same; the path of the workspace's source never counts.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { FlError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { parsePlacement } from "../parts/placement.ts";
import { parseStrict, type Strict } from "../validate.ts";
import { aggregation, rulesOf } from "./aggregating.ts";
import { assigner, assignerProblems } from "./assigning.ts";
import { checkpoints, from } from "./checkpoints.ts";
import { compresses, compression, compressionProblem } from "./compressing.ts";
import { duration, timeLimit } from "./duration.ts";
import { engine } from "./engine.ts";
import { free, short, token } from "./forms.ts";
import { methodProblem } from "./method.ts";
import { optimizer, optimizerProblem } from "./optimizer.ts";
import { best, type PlanBest, type PlanStop, resolvedBest, resolvedStop, stop } from "./rating.ts";
import { stragglers, stragglersProblem } from "./stragglers.ts";
import { holdout } from "./tensors.ts";

const quorumForm = (v: unknown): boolean =>
  v === "all" ||
  (typeof v === "number" && Number.isSafeInteger(v) && v >= 1) ||
  (typeof v === "string" && /^([1-9]\d?|100)%$/.test(v));

const task = z.strictObject({
  task: token.describe("`train`, `validate`, or a task that the workspace defines."),
  on: z
    .enum(["global", "tuned"])
    .optional()
    .describe("Which weights it sees: those that entered the round, or those the tasks before it have left.")
    .meta({ default: "`global` before the first training task, `tuned` after it" }),
  label: token
    .optional()
    .describe("Its name in metrics; no two tasks share one.")
    .meta({ default: "`validate_global`, `validate_tuned`, or the task's name" }),
  trains: z
    .boolean()
    .optional()
    .describe("Whether it changes the weights. One that does not leaves no trace in the update.")
    .meta({ default: "`false` for `validate`, else `true`" }),
  timeout: duration
    .optional()
    .describe("How long it may take. One that takes longer has failed in that round, with `FL_TASK_TIMEOUT`.")
    .meta({ default: "as long as it takes" }),
  arguments: free.default({}).describe("Handed to the task as they are; the workspace checks them."),
});

/** The schema as written; `parsePlan` adds what needs more than one key to decide. */
export const planSchema = z.strictObject({
  version: z.literal(1).describe("The version of this format."),
  name: token.optional().describe("The experiment's name, when it is not given at submission."),
  rounds: z.int().min(1).describe("How many times the model goes out and comes back combined."),
  seed: z.int().min(0).max(0xffffffff).default(42).describe("Fixes every random choice: shuffling, sampling, weights."),
  collaborators: z
    .union([
      z.literal("all"),
      z
        .array(token)
        .min(1)
        .refine((names) => new Set(names).size === names.length, "must not name anyone twice"),
    ])
    .default("all")
    .describe("Who takes part: `all` envoys registered at the start, or a list of their names."),
  join: z
    .boolean()
    .default(false)
    .describe(
      "Whether those of them who come later are taken up, each in the next round after its collaborator lives.",
    ),
  quorum: z
    .custom<"all" | number | `${number}%`>(
      quorumForm,
      "must be all, a whole number from 1, or a percentage such as 60%",
    )
    .default("all")
    .describe(
      "How many answers make a round count when some are missing: `all` of those asked, a number, or a share such as `60%`.",
    ),
  deadline: duration
    .nullable()
    .default(null)
    .describe(
      "How long a round waits for everyone before the quorum decides: `90s`, `2m`, `1h`, milliseconds, or `null` for as long as it takes.",
    ),
  tasks: z
    .array(short("task", task))
    .min(1)
    .prefault([{ task: "validate", on: "global" }, { task: "train" }, { task: "validate", on: "tuned" }])
    .describe("What each collaborator does in a round, in this order. A bare name is short for `{ task: name }`."),
  assigner: assigner
    .prefault("all")
    .describe("Who does which tasks in a round. A bare name is short for `{ use: name }`."),
  stragglers: stragglers
    .prefault("deadline")
    .describe("When a round no longer waits for its slowest. A bare name is short for `{ use: name }`."),
  aggregation: aggregation
    .prefault("fedavg")
    .describe("How updates become the next model. A bare name is short for `{ use: name }`."),
  weight: z
    .enum(["samples", "equal"])
    .default("samples")
    .describe("What an update counts: by the samples it was trained on, or one vote each."),
  delta: z
    .boolean()
    .optional()
    .describe("Whether updates travel as differences from the model that entered the round.")
    .meta({ default: "`true` with `compression.up`, else `false`" }),
  compression: compression
    .prefault({})
    .describe(
      "What is lost of differences so that they take fewer bytes: of updates on their way up, of models on their way down.",
    ),
  optimizer: optimizer
    .default("reset")
    .describe(
      "What the optimizer of `train` remembers at the end of a round: forgotten, kept at each collaborator, or combined like weights.",
    ),
  holdout: holdout
    .optional()
    .describe("Tensors that stay at each collaborator: in no update, in no model that is stored."),
  best: best
    .nullable()
    .optional()
    .describe("What the best model is chosen by; `null` keeps only the last.")
    .meta({ default: "accuracy of the first `validate` on `global`, else `null`" }),
  stop: stop.optional().describe("What ends the experiment before its last round: a target, or a plateau."),
  checkpoints: checkpoints
    .prefault({})
    .describe("Which rounds' models stay to be fetched by their number, beside the best and the last."),
  from: from
    .optional()
    .describe("The model it begins with: one of another experiment. A bare name is short for `{ experiment: name }`."),
  timeLimit: timeLimit
    .nullable()
    .default(null)
    .describe(
      "How long the whole experiment may take from its start (`2h`), or until when (`2031-05-01T18:00:00Z`); passing it fails the experiment.",
    ),
  priority: z
    .int()
    .default(0)
    .describe("Its place in the queue: higher goes first, equal ones in the order of submission."),
  engine: engine.prefault({}).describe("What trains."),
  workspace: z
    .string()
    .min(1)
    .optional()
    .describe("Path of the workspace's source, from this file. Only the command line uses it."),
});

type Written = z.output<typeof planSchema>;
export type PlanInput = z.input<typeof planSchema>;
export type PlanTask = {
  task: string;
  /** absent for `train`, which always goes on from the weights there are */
  on?: "global" | "tuned";
  label: string;
  /** it may change the weights; what others leave of them is put back */
  trains: boolean;
  /** milliseconds; absent: as long as it takes */
  timeout?: number;
  arguments: Record<string, unknown>;
};
export type Plan = Omit<Written, "tasks" | "best" | "stop" | "delta"> & {
  tasks: PlanTask[];
  delta: boolean;
  best: PlanBest | null;
  stop?: PlanStop;
};

const resolved = planSchema.transform((written, ctx): Plan => {
  const tasks = written.tasks.map((_, i) => resolveTask(written.tasks, i)); // PL2
  const report = (path: PropertyKey[], message: string, input: unknown, whole = false) =>
    ctx.addIssue({ code: "custom", path, message, input, params: { whole } });
  const labels = new Map<string, number>();
  for (const [i, t] of tasks.entries()) {
    const first = labels.get(t.label);
    if (first === undefined) labels.set(t.label, i);
    else
      report(["tasks", i, "label"], `must not be the label of tasks[${first}] too (${t.label}); give it one`, t.label);
    if (t.task === "train" && written.tasks[i]?.on !== undefined)
      report(["tasks", i, "on"], "must be left out of train, which goes on from the weights there are", t.on);
    if ((t.task === "train" && !t.trains) || (t.task === "validate" && t.trains))
      report(["tasks", i, "trains"], `must be left out of ${t.task}, whose nature it is`, t.trains);
  }
  for (const key of ["best", "stop"] as const) {
    const named = written[key]?.metric;
    if (named === undefined || labels.has(labelOf(named))) continue; // PL3
    const near = nearest(labelOf(named), labels.keys());
    const hint = near === undefined ? [...labels.keys()].join(", ") : `did you mean ${near}?`;
    report([key, "metric"], `must begin with the label of a task (${hint})`, named);
  }
  if (Array.isArray(written.collaborators) && Number(written.quorum) > written.collaborators.length)
    report(["quorum"], `must not exceed the ${written.collaborators.length} collaborators`, written.quorum);
  for (const { path, says } of assignerProblems(written.assigner, { ...written, labels: [...labels.keys()] }))
    report(["assigner", ...path], says, undefined, true);
  const moot = stragglersProblem(written.stragglers, written);
  if (moot !== undefined) report(["stragglers"], moot, undefined, true);
  const forgetful = optimizerProblem(written);
  if (forgetful !== undefined) report(["optimizer"], forgetful, written.optimizer, true);
  const compressed = compresses(written.compression.up);
  if (compressed && written.delta === false)
    report(["delta"], "must not be false with compression.up: what is compressed is the difference", undefined, true);
  const alone = methodProblem(written);
  if (alone !== undefined) report(["aggregation"], alone, undefined, true);
  const dropping = compressionProblem(written);
  if (dropping !== undefined) report(["compression", "up"], dropping, undefined, true);
  const { stop, ...rest } = written;
  const decided = stop === undefined ? {} : { stop: resolvedStop(stop) };
  const delta = written.delta ?? compressed;
  return { ...rest, ...decided, delta, tasks, best: resolveBest(written.best, tasks) };
});

function resolveTask(all: Written["tasks"], i: number): PlanTask {
  const { task: name, on: wanted, label, trains = name !== "validate", timeout, arguments: args } = all[i]!;
  const own = { trains, ...(timeout === undefined ? {} : { timeout }), arguments: args };
  if (name === "train") return { task: name, label: label ?? name, ...own };
  // A task of the workspace may train as well, so what follows it is taken to see its result.
  const trained = all.slice(0, i).some((t) => t.trains ?? t.task !== "validate");
  const on = wanted ?? (trained ? "tuned" : "global");
  const named = name === "validate" || wanted !== undefined ? `${name}_${on}` : name;
  return { task: name, on, label: label ?? named, ...own };
}

function resolveBest(best: Written["best"], tasks: readonly PlanTask[]): PlanBest | null {
  if (best === null) return null;
  if (best !== undefined) return resolvedBest(best);
  const validation = tasks.find((t) => t.task === "validate" && t.on === "global");
  return validation === undefined ? null : { metric: `${validation.label}.accuracy`, mode: "max" };
}

/** @throws FL_PLAN_INVALID naming every problem */
export const parsePlan = (value: unknown, what = "plan", where?: Strict["where"]): Plan =>
  parseStrict(resolved, value, { code: "FL_PLAN_INVALID", what, ...(where === undefined ? {} : { where }) });

/** validate_global of validate_global.accuracy */
export const labelOf = (name: string): string => name.slice(0, name.indexOf("."));

/** How many of `n` collaborators make a round count. @throws FL_NO_COLLABORATORS, FL_PLAN_INVALID when `n` cannot do */
export function resolveQuorum(plan: Pick<Plan, "quorum">, n: number): number {
  if (n < 1) throw new FlError("FL_NO_COLLABORATORS");
  const { quorum } = plan;
  if (quorum === "all") return n;
  if (typeof quorum === "string") return Math.ceil((n * Number.parseInt(quorum, 10)) / 100);
  if (quorum <= n) return quorum;
  throw new FlError("FL_PLAN_INVALID", { reason: `quorum is ${quorum}, but only ${n} collaborators take part` });
}

/** How many answers make a round count of which `asked` were asked something: a number asks for all of fewer. */
export const quorumOf = ({ quorum }: Pick<Plan, "quorum">, asked: number): number =>
  asked === 0 ? 0 : resolveQuorum({ quorum: typeof quorum === "number" ? Math.min(quorum, asked) : quorum }, asked);

/** The round whose aggregate a metric of `round` rates; 0 is the initial model. PL4 */
export function ratedRound(plan: Pick<Plan, "tasks">, name: string, round: number): number {
  return plan.tasks.find((t) => t.label === labelOf(name))?.on === "global" ? round - 1 : round;
}

/** Whether the final model gets a round of rating: something rates the global model, and something has changed it. */
export const ratesFinal = ({ tasks }: Pick<Plan, "tasks">): boolean =>
  tasks.some((t) => t.on === "global") && tasks.some((t) => t.trains);

/** The modules that the plan names by path, each once: they travel with the workspace. */
export function modulesOf(plan: Plan): string[] {
  const placed = [...rulesOf(plan.aggregation).map((r) => r.use), plan.assigner.use, plan.stragglers.use];
  return [...new Set(placed.filter((use) => parsePlacement(use).kind === "module"))];
}

/** SHA-256 of the plan in canonical JSON, hexadecimal. PL5 */
export function planDigest({ workspace: _, ...plan }: Plan): string {
  return createHash("sha256")
    .update(JSON.stringify(sorted(plan)))
    .digest("hex");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]));
}
