/** The Collaborator's process: one experiment on one shard. Started by the Envoy; the data never leaves this process. */
import { z } from "zod";
import { FlError, fromWire } from "../../src/errors.ts";
import { host } from "../../src/host.ts";
import { agreePlan } from "../../src/plan/agreed.ts";
import { parsePlan, planDigest } from "../../src/plan/plan.ts";
import { buckets } from "../../src/wire/table.ts";
import { fetchArchive } from "../archive.ts";
import { roleConfig, runRole, wears } from "../entrypoint.ts";
import { trainingConfig } from "../envoy/config.ts";
import { resolveShard, shardConfig, shardFile } from "../envoy/shard.ts";
import { openSubmitted } from "../submitted.ts";
import { collaboratorMachine } from "./machine.ts";
import { prepareTrainer } from "./prepare.ts";
import { CollaboratorServices } from "./services.ts";

const config = z.strictObject({
  ...roleConfig.shape,
  experiment: z.string(),
  shard: shardConfig,
  ...trainingConfig.shape,
  /** what its envoy has approved */
  planDigest: z.string().optional(),
  archiveDigest: z.string().optional(),
});

runRole(config, "collaborator", wears.envoy, async ({ config: told, wire, ports, stop, ready }) => {
  const { name, experiment, shard, backend, dependencies, engine, taskLimit: taskLimitMs } = told;
  const row = await (await wire.table(buckets.assignments)).get({ envoy: name });
  const assigned = row?.value.experiments.find((e) => e.name === experiment);
  if (assigned === undefined) throw new FlError("FL_NOT_FOUND", { reason: `${experiment} is not assigned to ${name}` });
  const { owner, attempt, archive } = assigned;
  const plan = parsePlan(assigned.plan);
  agreePlan(plan, assigned.plan_digest, "the Director");
  agree("plan", told.planDigest, planDigest(plan));
  agree("archive", told.archiveDigest, archive.digest);
  const bytes = await fetchArchive(wire, { envoy: name, experiment, archive }, stop);
  const opened = await openSubmitted(bytes, archive.digest, {
    dependencies,
    signal: stop,
    engine,
    python: told.python,
  });
  try {
    const services = await CollaboratorServices.create({
      wire,
      experiment,
      owner,
      name,
      attempt,
      plan,
      prepare: (signal) => {
        const { dir, python } = opened;
        const site = {
          ...{ name, engine, backend, python, taskLimitMs, params: shard.params },
          shard: () => resolveShard(shard, { python }),
          shardFile: shardFile(shard),
        };
        return prepareTrainer({ dir, plan, site, log: ports.log }, signal);
      },
    });
    const hosted = await host(collaboratorMachine.provide({ actors: services.actors }), {
      id: "collaborator",
      input: { experiment, name },
      ports,
      stop,
      leave: { type: "leave" },
    });
    ready();
    const output = await hosted.done;
    await services.dispose();
    if (output.state === "failed") throw fromWire(output.error);
    return output;
  } finally {
    await opened.close();
  }
});

/** What is recorded is what was approved. @throws FL_DIGEST_MISMATCH */
function agree(what: string, approved: string | undefined, recorded: string): void {
  if (approved === undefined || approved === recorded) return;
  const reason = `the ${what} that is recorded is not the one that was approved here`;
  throw new FlError("FL_DIGEST_MISMATCH", { reason, expected: approved, got: recorded });
}
