/**
 * From an opened archive and a site's shard to a trainer with its data: what a collaborator, or a rehearsal, begins with.
 *
 * PR1 The site takes the engine (src/workspace/engines.ts); the plan says on which backend and device it computes.
 * PR2 A shard in Python is loaded by the worker that trains on it, where one does; any other is loaded here and handed over.
 */
import { loadShard, type ShardDescriptor } from "../../src/data/shard.ts";
import { pythonWorker } from "../../src/engine/python.ts";
import { tfjsEngine } from "../../src/engine/tfjs.ts";
import { workerEngine } from "../../src/engine/worker.ts";
import type { WorkerCommand } from "../../src/engine/worker-process.ts";
import { asFlError, FlError } from "../../src/errors.ts";
import { engineOptions } from "../../src/plan/engine.ts";
import { methodOf } from "../../src/plan/method.ts";
import { remembering } from "../../src/plan/optimizer.ts";
import type { Plan } from "../../src/plan/plan.ts";
import type { Log } from "../../src/ports.ts";
import type { Manifest } from "../../src/workspace/archive.ts";
import { checkExperiment } from "../../src/workspace/define.ts";
import { chooseEngine, type EngineName } from "../../src/workspace/engines.ts";
import { importWorkspace, manifestIn } from "../../src/workspace/open.ts";
import type { Prepared } from "./services.ts";

export type Site = {
  /** the collaborator's */
  readonly name: string;
  readonly shard: () => Promise<ShardDescriptor>;
  /** the shard's module, if it is one in Python */
  readonly shardFile?: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  readonly engine?: EngineName | undefined;
  readonly backend?: string | undefined;
  /** the interpreter: the site's, or that of the environment made for this experiment */
  readonly python?: string | undefined;
  readonly taskLimitMs?: number | undefined;
};

/** @throws FL_ENGINE_UNAVAILABLE, FL_WORKSPACE_INVALID, FL_SHARD_FAILED, FL_SHARD_INVALID, and what a worker may do wrong */
export async function prepareTrainer(
  { dir, plan, site, log }: { dir: string; plan: Plan; site: Site; log: Log },
  signal: AbortSignal,
): Promise<Prepared> {
  const manifest = await manifestIn(dir);
  const { engine, entry } = chooseEngine(manifest, site.engine); // PR1
  const { seed } = plan;
  const asked = { seed, remembers: remembering(plan), method: methodOf(plan) };
  const load = async (descriptor: ShardDescriptor) =>
    loadShard(descriptor, { name: site.name, params: site.params, seed, signal }).catch((e) => {
      throw asFlError(e, "FL_SHARD_FAILED");
    });
  if (engine === "tfjs") {
    const [descriptor, definition, tfjs] = await Promise.all([
      site.shard(),
      importWorkspace(dir).then(checkExperiment),
      tfjsEngine(engineOptions(plan.engine, site.backend)),
    ]);
    const { sampleShape, targetShape } = descriptor;
    const data = await load(descriptor);
    const trainer = await tfjs.open(definition, { ...asked, sampleShape, targetShape });
    log.info({ engine, backend: tfjs.backend, ...figures(data, trainer) }, "prepared");
    return { trainer, data };
  }
  const remote = workerEngine({
    ...(engine === "python" ? pythonWorker(site.python, dir) : commandOf(manifest, dir)),
    device: plan.engine.device,
    taskLimitMs: site.taskLimitMs,
    onLine: (line) => log.info({ line }, "worker"),
  });
  const own = engine === "python" ? site.shardFile : undefined; // PR2
  const descriptor = own === undefined ? await site.shard() : undefined;
  const here = descriptor && (await load(descriptor));
  const shard = own === undefined ? undefined : { file: own, name: site.name, params: site.params };
  const shapes = descriptor && { sampleShape: descriptor.sampleShape, targetShape: descriptor.targetShape };
  const trainer = await remote.open({ dir, entry, shard }, { ...asked, ...shapes });
  const data = here ?? trainer.data!;
  log.info(
    { engine: trainer.engine, runtime: trainer.runtime, device: trainer.device, ...figures(data, trainer) },
    "prepared",
  );
  return { trainer, data };
}

const figures = (data: Prepared["data"], { layout }: Prepared["trainer"]) => ({
  samples: data.train.size,
  parameters: layout.length,
});

function commandOf({ command }: Manifest, cwd: string): WorkerCommand {
  if (command === undefined)
    throw new FlError("FL_ARCHIVE_INVALID", { reason: "its engine is worker, and it has no command" });
  return { command: command as [string, ...string[]], cwd };
}
