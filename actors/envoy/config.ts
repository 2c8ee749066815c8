/** What an Envoy is told; the command line makes its options from it. */
import { z } from "zod";
import { duration } from "../../src/plan/duration.ts";
import { engineSetting } from "../../src/workspace/engines.ts";
import { roleConfig } from "../entrypoint.ts";
import { reviewConfig } from "../reviewer/config.ts";
import { dependencyPolicy } from "../submitted.ts";
import { shardConfig } from "./shard.ts";

/** How experiments are trained at a site; its collaborators are told the same. */
export const trainingConfig = z.strictObject({
  dependencies: dependencyPolicy,
  engine: engineSetting,
  backend: z.string().optional().describe("forces the engine's backend"),
  python: z.string().min(1).optional().describe("the interpreter for what is in Python (default: python3)"),
  taskLimit: duration
    .optional()
    .describe("how long one task of a worker may take, such as 10m (default: as long as it takes)"),
});

export const envoyConfig = z.strictObject({
  ...roleConfig.shape,
  shard: shardConfig,
  monitor: z.string().default("system").describe("device monitor: built-in name, module path or nats:<name>"),
  review: reviewConfig,
  ...trainingConfig.shape,
});
