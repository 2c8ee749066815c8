/**
 * `entente demo`: five organisations train a digit classifier together on MNIST, each in its own process.
 *
 * D1 What it has reached lies in --dir. Interrupted, the same command goes on from there; finished, it starts anew.
 * D2 With --json the last line is the summary, however it ends.
 * D3 The summary's accuracy is of the saved model: the last one, rated by every envoy on its own fifth of the 10,000 test
 *    images, so that all of them count once.
 */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { Experiment } from "../client/experiment.ts";
import { Federation } from "../client/federation.ts";
import { accuracyIn, type RoundRow, ratingOf } from "../client/rounds.ts";
import { asFlError, FlError } from "../errors.ts";
import { parsePlan } from "../plan/plan.ts";
import type { ExperimentRecord } from "../wire/messages.ts";
import type { Console } from "./console.ts";
import { beginOrResume, type DemoRun, type DemoSettings, wipe } from "./demo-run.ts";
import { DemoStage } from "./demo-stage.ts";
import { failureLines } from "./experiment-view.ts";
import { INTERRUPTED, report } from "./fault.ts";
import { percent, shortest, whole } from "./figures.ts";
import type { Line } from "./lines.ts";
import { type LocalFederation, startLocal } from "./local.ts";
import { number, period, positive } from "./options.ts";
import { DIR } from "./place.ts";
import { interruption } from "./signals.ts";
import { envoysOf, told, withServer } from "./up.ts";
import type { Verb } from "./verb.ts";
import { watch } from "./watch.ts";

type DemoOptions = DemoSettings & {
  dir: string;
  fresh?: boolean;
  port?: number;
  nats?: string;
  fed: string;
  period: number;
  log: string;
};

type Summary = Omit<Line<"summary">, "type">;

export const demo: Verb = (program, action): Command =>
  withServer(program.command("demo").description("Watch envoys train a digit classifier together on MNIST."))
    .option("--envoys <n>", "how many envoys share the 60,000 images", positive, 5)
    .option("--rounds <n>", "how many rounds (default: the plan's 10)", positive)
    .option("--samples <n>", "images each envoy trains on in a round (default: the plan's 2,400)", positive)
    .option("--alpha <number>", "skews the envoys' digits: Dirichlet(alpha); default: all alike", number)
    .option("--period <duration>", "how often envoys send heartbeats", period, 2_000)
    .option("--dir <path>", "where it keeps its state", join(DIR, "demo"))
    .option("--fresh", "start over: delete what an earlier run has left")
    .action(action<DemoOptions>(run));

async function run(options: DemoOptions, out: Console): Promise<number> {
  const signal = interruption();
  const summary: Summary = { experiment: null, status: "failed", rounds: 0, accuracy: null, seconds: 0, model: null };
  let status = 1;
  try {
    await play(options, out, signal, summary);
    status = summary.status === "finished" ? 0 : 1;
  } catch (e) {
    if (signal.aborted) {
      summary.status = "interrupted";
      status = INTERRUPTED;
      if (summary.experiment !== null) out.say("interrupted; the same command goes on from here");
    } else {
      status = report(e, out);
      out.aside(`what the roles say: ${shortest(join(options.dir, "logs"))}`);
    }
  }
  summary.seconds = since();
  out.emit("summary", summary); // D2
  return status;
}

/** seconds since the command was given */
const since = (): number => Math.round(performance.now()) / 1_000;

async function play(options: DemoOptions, out: Console, signal: AbortSignal, summary: Summary): Promise<void> {
  const dir = resolve(options.dir);
  if (options.fresh) await wipe(dir);
  await mkdir(dir, { recursive: true });
  const stage = new DemoStage(out);
  let client: Federation | undefined;
  let begun: DemoRun | undefined;
  let local: LocalFederation | undefined;
  try {
    local = await startLocal({
      ...options,
      dir,
      periodMs: options.period,
      signal,
      ...quietly(out, stage),
      envoys: async (place) => {
        stage.stage("handing in the experiment");
        client = await Federation.connect({ nats: place.url, fed: place.fed, name: "demo", signal });
        begun = await beginOrResume(client, dir, options, signal);
        summary.experiment = begun.experiment;
        const envoys = envoysOf({ shard: "mnist", ...begun.settings });
        const names = envoys.map((e) => e.name);
        introduce(out, begun, options);
        if (!stage.live) out.say();
        stage.stage("starting the envoys");
        stage.begin(begun.experiment, begun.settings.rounds, names, begun.resumed?.round);
        return envoys;
      },
    });
    const record = await Promise.race([local.failed, shown(begun!, stage, signal, summary)]);
    stage.end(record.state);
    await conclude(begun!.handle, record, dir, out, summary);
  } catch (e) {
    stage.end(signal.aborted ? "interrupted" : "failed");
    throw e;
  } finally {
    if (signal.aborted) out.aside("stopping: envoys, Director, server");
    await client?.close();
    await local?.stop();
  }
}

/** Processes that come up as they should need no line each. */
function quietly(out: Console, stage: DemoStage): ReturnType<typeof told> {
  const loud = told(out);
  return {
    ...loud,
    onBus: (news) => {
      loud.onBus(news);
      stage.stage("starting the Director");
    },
    onProcess: (news) => {
      if (news.state !== "ready" || out.json) loud.onProcess(news);
      if (news.role === "envoy") stage.envoy(news.name, news.state);
    },
  };
}

function introduce(out: Console, { experiment, settings, resumed }: DemoRun, wanted: DemoSettings): void {
  const { envoys, samples, alpha } = settings;
  const split = alpha === undefined ? "" : `, skewed by Dirichlet(${alpha})`;
  const each = whole(Math.floor(60_000 / envoys));
  out.say(`  ${String(envoys).padEnd(2)} envoys       each a process of its own; none sees another's data`);
  out.say(`  MNIST           ${each} images each${split}, ${whole(samples)} of them a round`);
  if (resumed !== undefined) {
    const where = resumed.round === 0 ? "from its start" : `at round ${resumed.round} of ${resumed.rounds}`;
    out.notice(`resuming ${experiment} ${where}`);
    const asked = { ...settings, ...wanted };
    const same = (["envoys", "rounds", "samples", "alpha"] as const).every((key) => asked[key] === settings[key]);
    if (!same) out.notice("it keeps the envoys, rounds, samples and alpha it was begun with; --fresh starts over");
  }
}

function shown(
  { handle }: DemoRun,
  stage: DemoStage,
  signal: AbortSignal,
  summary: Summary,
): Promise<ExperimentRecord> {
  const onRow = (row: RoundRow): void => {
    Object.assign(summary, { rounds: row.round, accuracy: row.accuracy });
    stage.row(row);
  };
  return watch(
    handle,
    {
      onRow,
      onEvent: (event, rows) => stage.event(event, rows),
      onProgress: (progress) => stage.progress(progress),
    },
    signal,
  );
}

async function conclude(
  handle: Experiment,
  record: ExperimentRecord,
  dir: string,
  out: Console,
  summary: Summary,
): Promise<void> {
  const { name: experiment, outcome, failure, submission } = record;
  if (outcome === null) {
    summary.status = record.state === "cancelled" ? "cancelled" : "failed";
    if (failure === null) throw new FlError("FL_CANCELLED", { experiment });
    const { role, name, round, error } = failure;
    out.emit("error", { ...error, hint: asFlError(error).hint, detail: { ...error.detail, role, name, round } });
    for (const line of failureLines(out, failure)) out.aside(line);
    return;
  }
  const plan = parsePlan(submission.plan);
  const metrics = outcome.metrics;
  const rating = ratingOf(plan);
  const { dir: folder } = await handle.save(join(dir, "models", experiment), "last");
  const accuracy = accuracyIn(rating, metrics); // D3
  Object.assign(summary, { status: "finished", rounds: outcome.rounds, accuracy, model: folder });
  const images = metrics[`${rating}.samples`] ?? 0;
  out.say();
  out.say(
    `${out.paint.bold(percent(accuracy))} of the ${whole(images)} test images after ${outcome.rounds} rounds, in ${since().toFixed(1)} s.`,
  );
  out.say(`The model is in ${shortest(folder)}`);
}
