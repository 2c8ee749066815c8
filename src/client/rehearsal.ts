/**
 * A plan and a workspace tried out in this process, on one shard and without a federation: what a collaborator would do, round
 * after round, its update being the next round's model.
 *
 * RH1 The workspace is bundled, opened and run as it is in a federation, so what works here has its imports and its tasks right.
 *     It runs in this process: no other is kept from what it does.
 */
import { systemClock } from "../clock.ts";
import type { ShardDescriptor } from "../data/shard.ts";
import type { NamedTensors } from "../tensor/named.ts";
import { modelOf } from "../tensor/slots.ts";
import type { EngineName } from "../workspace/engines.ts";
import type { SourceOptions } from "./source.ts";

export type RehearsalOptions = SourceOptions & {
  /** `federation.dummyShard()`, `dummyShard({ … })`, or a shard of one's own */
  readonly shard: ShardDescriptor;
  /** handed to the shard */
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  /** @default 1 */
  readonly rounds?: number | undefined;
  /** which of the workspace's engines. @default the first that it has, of tfjs, python, worker */
  readonly engine?: EngineName | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type Rehearsal = {
  /** what was measured, by `<task label>.<metric>` */
  readonly rounds: readonly { readonly round: number; readonly metrics: Readonly<Record<string, number>> }[];
  /** the model afterwards */
  readonly tensors: NamedTensors;
};

const NAME = "rehearsal";

/** @throws what `Federation.start` throws before it submits, FL_SHARD_INVALID, FL_TASK_UNKNOWN, FL_TASK_FAILED, FL_UPDATE_RANGE */
export async function rehearse(options: RehearsalOptions): Promise<Rehearsal> {
  const { shard, params = {}, rounds = 1, engine, signal = new AbortController().signal, ...source } = options;
  const [{ experimentSource }, { prepareExperiment }, { scratchFolder }, open, { silentLog }] = await Promise.all([
    import("./source.ts"),
    import("./prepare.ts"),
    import("../scratch.ts"),
    import("../workspace/open.ts"),
    import("../log.ts"),
  ]);
  const [{ checkShard }, { prepareTrainer }, { travellingOf }, { runTasks }, { sharesOf }, { namedTensors }] =
    await Promise.all([
      import("../data/shard.ts"),
      import("../../actors/collaborator/prepare.ts"),
      import("../engine/travelling.ts"),
      import("../../actors/collaborator/work.ts"),
      import("../../actors/aggregation/parted.ts"),
      import("../tensor/named.ts"),
    ]);
  const { plan, archive, digest, installed } = await prepareExperiment(
    await experimentSource({ name: NAME, ...source }),
  );
  const descriptor = checkShard(shard);
  const scratch = await scratchFolder(NAME);
  try {
    const { dir } = await open.openArchive(archive, digest, `${scratch.dir}/workspace`);
    await open.linkPackages(dir, installed);
    const site = { name: NAME, params, engine, shard: async () => descriptor };
    const { trainer, data } = await prepareTrainer({ dir, plan, site, log: silentLog }, signal);
    try {
      const { layout: travels } = travellingOf(trainer, plan);
      const { tensors } = plan.aggregation;
      if (tensors !== undefined) sharesOf(travels, [...tensors.map((t) => t.names), undefined]);
      let global = new Float32Array(trainer.layout.length);
      trainer.read(global);
      const told: Rehearsal["rounds"][number][] = [];
      for (let round = 1; round <= rounds; round++) {
        const update = new Float32Array(global.length);
        const labels = plan.tasks.map((t) => t.label);
        const job = { plan, trainer, data, collaborator: NAME, round, labels, global, update };
        const at = { signal, clock: systemClock, progress: () => {}, measured: () => {} };
        const { metrics, trained } = await runTasks({ ...job, ...at });
        const named = metrics.flatMap(({ task, values }) =>
          Object.entries(values).map(([metric, value]) => [`${task}.${metric}`, value] as const),
        );
        told.push({ round, metrics: Object.fromEntries(named) });
        if (trained) global = update;
      }
      const { layout, values } = modelOf({ layout: trainer.layout, values: global });
      return { rounds: told, tensors: namedTensors(layout, values) };
    } finally {
      trainer.dispose();
    }
  } finally {
    await scratch.close();
  }
}
