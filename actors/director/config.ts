/** What a Director is told; the command line makes its options from it. */
import { z } from "zod";
import { shape } from "../../src/wire/messages.ts";
import { roleConfig } from "../entrypoint.ts";
import { reviewConfig } from "../reviewer/config.ts";
import { partPolicy } from "../submitted.ts";

export const directorConfig = z.strictObject({
  ...roleConfig.shape,
  name: roleConfig.shape.name.default("director"),
  periodMs: z.int().positive().default(10_000).describe("how often envoys send heartbeats, in milliseconds"),
  limit: z.int().positive().default(1).describe("how many experiments run at the same time"),
  share: z.boolean().default(false).describe("whether an envoy may run several of them"),
  sampleShape: shape.optional().describe("the federation's sample shape; by default the first shard's"),
  managers: z
    .array(roleConfig.shape.name)
    .default([])
    .describe("who may see everybody's experiments and give orders on them, and not only on their own"),
  targetShape: shape.optional().describe("the federation's target shape; by default the first shard's"),
  sinks: z
    .array(z.string())
    .default([])
    .describe("metric sinks for every experiment: tensorboard=DIR, csv=DIR/{experiment}.csv, ./module.ts"),
  dependencies: partPolicy,
  review: reviewConfig,
});
