/**
 * An aggregation as a process of its own: experiments whose plan says `use: nats:<name>` have their updates combined here.
 * Started by a user, before the experiment or after; it serves any number of experiments until it is asked to leave:
 *
 *   node dist/actors/aggregation/main.js \
 *     '{"url":"nats://127.0.0.1:4222","fed":"main","name":"trimmed","module":"./examples/trimmed-mean.ts","options":{}}'
 */
import { z } from "zod";
import { roleConfig, runRole, wears } from "../entrypoint.ts";
import { localAggregation } from "./resolve.ts";
import { serveAggregation } from "./serve.ts";

const config = z.strictObject({
  ...roleConfig.shape,
  module: z.string().describe("the aggregation: a built-in name or a module path"),
  options: z.record(z.string(), z.unknown()).default({}).describe("what the plans' own options are laid over"),
});

runRole(config, "aggregation", wears.part, async ({ config: { module, name, options }, wire, ports, stop, ready }) => {
  const part = await localAggregation(module, process.cwd());
  const service = serveAggregation({ wire, name, part, options, stop });
  await ports.bus.flush();
  ports.log.info({ aggregation: part.name }, "serving");
  ready();
  await service.done;
});
