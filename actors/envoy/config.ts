/** What an Envoy is told; the command line makes its options from it. */
import { z } from "zod";
import { roleConfig } from "../entrypoint.ts";
import { reviewConfig } from "../reviewer/config.ts";
import { dependencyPolicy } from "../submitted.ts";
import { shardConfig } from "./shard.ts";

export const envoyConfig = z.strictObject({
  ...roleConfig.shape,
  shard: shardConfig,
  monitor: z.string().default("system").describe("device monitor: built-in name, module path or nats:<name>"),
  review: reviewConfig,
  dependencies: dependencyPolicy,
  backend: z.string().optional().describe("forces the engine's backend"),
});
