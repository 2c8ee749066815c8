/**
 * Which experiment a demo shows: the one an earlier run has left unfinished, or a new one.
 *
 * R1 What was begun goes on as it was begun: rounds and samples are in its plan, envoys and skew in `<dir>/demo.json`, which
 *    is written before the experiment is handed in.
 * R2 Handing in may be cut short at any moment: a submission of the same name that is refused because there is one already is
 *    that one.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Experiment } from "../client/experiment.ts";
import type { Federation } from "../client/federation.ts";
import { prepareExperiment } from "../client/prepare.ts";
import { hasEnded } from "../client/record.ts";
import { goneWithin, lockDirectory } from "../nats/store-lock.ts";
import { loadPlan } from "../plan/load.ts";
import { type Plan, parsePlan } from "../plan/plan.ts";
import type { ExperimentRecord } from "../wire/messages.ts";
import { root } from "./version.ts";

const NAME = "mnist";
const LEAVE_MS = 10_000;

export type DemoSettings = { envoys: number; rounds?: number; samples?: number; alpha?: number };
export type DemoRun = {
  readonly experiment: string;
  readonly handle: Experiment;
  readonly settings: DemoSettings & { readonly rounds: number; readonly samples: number };
  /** where an unfinished experiment goes on; undefined for a new one */
  readonly resumed: { readonly round: number; readonly rounds: number } | undefined;
};

const begun = z.strictObject({
  experiment: z.string(),
  envoys: z.int().positive(),
  alpha: z.number().positive().optional(),
});

/** The Director must be there. */
export async function beginOrResume(
  client: Federation,
  dir: string,
  wanted: DemoSettings,
  signal: AbortSignal,
): Promise<DemoRun> {
  const all = await client.list();
  const before = await readBegun(dir);
  const record = all.find((r) => r.name === before?.experiment);
  if (before !== undefined && record !== undefined && !hasEnded(record)) return resume(client, record, before);
  const file = join(root(), "plans", "mnist.yaml");
  const plan = adjusted(await loadPlan(file), wanted);
  const taken = all.map((r) => Number(r.name.slice(NAME.length + 1))).filter(Number.isInteger);
  const lost = before !== undefined && record === undefined ? before.experiment : undefined; // R2
  const experiment = lost ?? `${NAME}-${Math.max(0, ...taken) + 1}`;
  const { envoys, alpha } = wanted;
  await writeBegun(dir, { experiment, envoys, alpha });
  const prepared = await prepareExperiment({ plan, planFile: file, name: experiment });
  const submitted = await client.submit(prepared, { signal });
  const { error } = submitted;
  if (error?.code === "FL_EXISTS")
    return resume(client, await client.experiment(experiment).record(), { experiment, envoys, alpha }); // R2
  if (error !== undefined) throw error;
  const settings = settingsOf(plan, { envoys, alpha });
  return { experiment, handle: client.experiment(submitted), settings, resumed: undefined };
}

async function resume(
  client: Federation,
  { name: experiment, submission, rounds }: ExperimentRecord,
  before: z.infer<typeof begun>,
): Promise<DemoRun> {
  const handle = client.experiment(experiment);
  const { round } = await handle.status();
  const settings = settingsOf(parsePlan(submission.plan), before); // R1
  return { experiment, handle, settings, resumed: { round: Math.min(round?.round ?? 0, rounds), rounds } };
}

const training = (plan: Plan) => plan.tasks.find((t) => t.task === "train")?.arguments ?? {};

function settingsOf(
  plan: Plan,
  { envoys, alpha }: { envoys: number; alpha?: number | undefined },
): DemoRun["settings"] {
  const samples = Math.min(Number(training(plan).samples), Math.floor(60_000 / envoys));
  return { envoys, rounds: plan.rounds, samples, ...(alpha === undefined ? {} : { alpha }) };
}

/** The demo's plan with the command's rounds and samples, for exactly its envoys. */
function adjusted(plan: Plan, { envoys, rounds, samples }: DemoSettings): Plan {
  const tasks = plan.tasks.map((task) =>
    task.task === "train" && samples !== undefined ? { ...task, arguments: { ...task.arguments, samples } } : task,
  );
  const collaborators = Array.from({ length: envoys }, (_, i) => `envoy-${i + 1}`);
  return { ...plan, rounds: rounds ?? plan.rounds, tasks, collaborators };
}

const FILE = "demo.json";

async function readBegun(dir: string): Promise<z.infer<typeof begun> | undefined> {
  try {
    return begun.parse(JSON.parse(await readFile(join(dir, FILE), "utf8")));
  } catch {
    return undefined; // none, or of another release: then a new experiment is begun
  }
}

async function writeBegun(dir: string, value: z.input<typeof begun>): Promise<void> {
  await writeFile(join(dir, `${FILE}.part`), JSON.stringify(value));
  await rename(join(dir, `${FILE}.part`), join(dir, FILE));
}

/** Deletes what an earlier demo left. @throws FL_LOCKED while one runs */
export async function wipe(dir: string): Promise<void> {
  const lock = await lockDirectory(dir, "up.lock");
  const server = Number(await readFile(join(dir, "nats", "server.pid"), "utf8").catch(() => ""));
  if (server > 0) await goneWithin(server, LEAVE_MS); // of a demo that was killed a moment ago
  await rm(dir, { recursive: true, force: true });
  await lock.release();
}
