/**
 * What a role is told by a file: `entente director --config director.yaml`.
 *
 * SF1 Its keys are those of the role's configuration, with `nats` for the server's address and `period` for a duration. What the
 *     command line says counts over it.
 * SF2 Paths in it start from its folder, those on the command line from where the command runs.
 * SF3 Every mistake is told with its place: FL_CONFIG_INVALID.
 */
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { directorConfig } from "../../actors/director/config.ts";
import { envoyConfig } from "../../actors/envoy/config.ts";
import { shardConfig } from "../../actors/envoy/shard.ts";
import { split } from "../../actors/sink/resolve.ts";
import { parsePlacement } from "../parts/placement.ts";
import { tlsSettings } from "../pki/credentials.ts";
import { duration } from "../plan/duration.ts";
import { parseStrict } from "../validate.ts";
import { readYaml } from "../yaml.ts";

const nats = z.string().min(1).describe("address of the NATS server");

const period = duration.describe("how often envoys send heartbeats").default(10_000);

const { url: _, periodMs: __, ...director } = directorConfig.shape;
const { url: ___, shard: ____, ...envoy } = envoyConfig.shape;
const shard = z
  .preprocess((v: unknown) => (typeof v === "string" ? { use: v } : v), shardConfig.omit({ from: true }))
  .describe("the data: mnist, or the path of a module that says defineShard({ … }), and the parameters handed to it");

/** What a file may say, for each role. */
export const settings = {
  director: z.strictObject({ nats, period, ...director }).partial(),
  envoy: z.strictObject({ nats, shard, ...envoy }).partial(),
} as const;

export type Settings = Record<string, unknown>;

/** What the file says, as the role's configuration has it; nothing that it does not say. @throws FL_CONFIG_INVALID (SF3) */
export async function readSettings(role: keyof typeof settings, file: string): Promise<Settings> {
  const { value, where } = await readYaml(file, "FL_CONFIG_INVALID");
  const schema: z.ZodType<Settings> = settings[role];
  const told = parseStrict(schema, value ?? {}, { code: "FL_CONFIG_INVALID", what: file, where });
  const said = Object.keys((value ?? {}) as object);
  return placed(Object.fromEntries(said.map((key) => [key, told[key]])), dirname(resolve(file)));
}

/** SF2 */
function placed({ period, shard, review, monitor, sinks, ...rest }: Settings, from: string): Settings {
  const files = Object.keys(tlsSettings).filter((key) => rest[key] !== undefined);
  return {
    ...rest,
    ...Object.fromEntries(files.map((key) => [key, resolve(from, String(rest[key]))])),
    ...(period === undefined ? {} : { periodMs: period }),
    ...(shard === undefined ? {} : { shard: { ...(shard as object), from } }),
    ...(review === undefined ? {} : { review: { ...(review as object), from } }),
    ...(monitor === undefined ? {} : { monitor: module(String(monitor), from) }),
    ...(sinks === undefined ? {} : { sinks: (sinks as string[]).map((sink) => sinkFrom(sink, from)) }),
  };
}

const module = (use: string, from: string): string =>
  parsePlacement(use).kind === "module" ? resolve(from, use) : use;

/** The target of a built-in sink is a path; what a module's is, the module knows. */
function sinkFrom(text: string, from: string): string {
  const [use, target] = split(text);
  if (target === "") return module(use, from);
  const builtin = parsePlacement(use).kind === "builtin";
  return `${module(use, from)}=${builtin ? resolve(from, target) : target}`;
}
