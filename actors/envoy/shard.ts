/** Which shard an envoy serves: a built-in one by name, or a module by path (a .py file is Python's), and its parameters. */
import { extname, resolve } from "node:path";
import { z } from "zod";
import mnistShard from "../../src/data/mnist-shard.ts";
import { checkShard, type ShardDescriptor } from "../../src/data/shard.ts";
import { type PythonShardOptions, pythonShard } from "../../src/engine/python-shard.ts";
import { FlError } from "../../src/errors.ts";
import { nearest } from "../../src/nearest.ts";
import { loadModule } from "../../src/parts/module.ts";
import { parsePlacement } from "../../src/parts/placement.ts";

export const shardConfig = z.strictObject({
  use: z.string().describe("a built-in shard's name, or a module path"),
  params: z.record(z.string(), z.unknown()).default({}).describe("handed to the shard's load function"),
  /** folder that a relative module path starts from */
  from: z.string().optional(),
});
export type ShardConfig = z.infer<typeof shardConfig>;

const builtin: Readonly<Record<string, ShardDescriptor>> = { mnist: mnistShard };

/** those that a program has made itself, for envoys in its own process */
const held = new Map<string, ShardDescriptor>();
let made = 0;

/** `use` names this very shard in this process until it is released. @throws FL_SHARD_INVALID */
export function holdShard(descriptor: ShardDescriptor): { use: string; release(): void } {
  const use = `held-${++made}`;
  held.set(use, checkShard(descriptor));
  return { use, release: () => void held.delete(use) };
}

/** The path of a shard in Python; undefined for any other. */
export const shardFile = ({ use, from = "." }: ShardConfig): string | undefined =>
  extname(use) === ".py" ? resolve(from, use) : undefined;

/** @throws FL_PART_UNKNOWN, FL_SHARD_INVALID, and of a shard in Python what a worker may do wrong */
export async function resolveShard(config: ShardConfig, options: PythonShardOptions = {}): Promise<ShardDescriptor> {
  const { use, from } = config;
  const file = shardFile(config);
  if (file !== undefined) return pythonShard(file, options);
  const own = held.get(use);
  if (own !== undefined) return own;
  const placement = parsePlacement(use);
  if (placement.kind === "module") {
    const options = { code: "FL_SHARD_INVALID" as const, ...(from === undefined ? {} : { from }) };
    return checkShard(await loadModule(placement.path, options));
  }
  if (placement.kind === "nats") {
    throw new FlError("FL_PART_UNKNOWN", {
      reason: "a shard is local by nature: use a built-in name or a module path",
    });
  }
  const shard = Object.hasOwn(builtin, placement.name) ? builtin[placement.name] : undefined;
  if (shard !== undefined) return shard;
  const near = nearest(placement.name, Object.keys(builtin));
  const hint = near === undefined ? `built in: ${Object.keys(builtin).join(", ")}` : `did you mean ${near}?`;
  throw new FlError("FL_PART_UNKNOWN", { reason: `no shard is called ${placement.name}; ${hint}` });
}
