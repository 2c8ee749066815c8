/** The Aggregator's process: one experiment, from its record to its outcome. Started by the Director. */
import { z } from "zod";
import { FlError, fromWire } from "../../src/errors.ts";
import { host } from "../../src/host.ts";
import { parsePlacement } from "../../src/parts/placement.ts";
import { agreePlan } from "../../src/plan/agreed.ts";
import { modulesOf, parsePlan, ratesFinal } from "../../src/plan/plan.ts";
import { readUpload } from "../../src/transfer/upload.ts";
import { buckets } from "../../src/wire/table.ts";
import { planAggregation } from "../aggregation/resolve.ts";
import { resolveAssigner } from "../assigner/resolve.ts";
import { roleConfig, runRole, wears } from "../entrypoint.ts";
import { resolveStragglers } from "../straggler/resolve.ts";
import { openSubmitted, partPolicy } from "../submitted.ts";
import { isMendable } from "./checkpoint.ts";
import { aggregatorMachine } from "./machine.ts";
import { AggregatorServices } from "./services.ts";

const config = z.strictObject({ ...roleConfig.shape, dependencies: partPolicy });

runRole(config, "aggregator", wears.directors, async ({ config: { name, dependencies }, wire, ports, stop, ready }) => {
  const row = await (await wire.table(buckets.experiments)).get({ exp: name });
  if (row === undefined) throw new FlError("FL_NOT_FOUND", { reason: `no experiment ${name} is recorded` });
  const record = row.value;
  const plan = parsePlan(record.submission.plan);
  agreePlan(plan, record.plan_digest, "the Director");
  // Only a module that came with the workspace needs the archive here; models and tasks run at the collaborators.
  const { archive } = record.submission;
  const opening = { dependencies, signal: stop };
  const opened =
    modulesOf(plan).length > 0
      ? await openSubmitted(await readUpload(wire, record.owner, archive), archive.digest, opening)
      : undefined;
  const [aggregation, assigner, stragglers] = await Promise.all([
    planAggregation(plan.aggregation, {
      ...{ wire, exp: name },
      ...(opened === undefined ? {} : { archiveDir: opened.dir }),
    }),
    resolveAssigner(plan.assigner, opened?.dir),
    resolveStragglers(plan.stragglers, opened?.dir),
  ]);
  const remembers = [plan.assigner, plan.stragglers].some(({ use }) => parsePlacement(use).kind === "module");
  const services = await AggregatorServices.create({
    wire,
    record,
    plan,
    aggregation,
    assigner,
    stragglers,
    remembers,
  });
  try {
    const hosted = await host(aggregatorMachine.provide({ actors: services.actors }), {
      id: "aggregator",
      input: {
        experiment: name,
        rounds: plan.rounds,
        collaborators: record.collaborators,
        rates: ratesFinal(plan),
      },
      ports,
      stop,
      leave: { type: "leave" },
    });
    hosted.actor.on("*", (announcement) => services.ledger.announce(announcement));
    ready();
    const output = await hosted.done;
    await services.ledger.settle();
    if (output.state === "failed" && isMendable(output.failure)) throw fromWire(output.failure.error);
    return output;
  } finally {
    await services.dispose();
    await opened?.close();
  }
});
