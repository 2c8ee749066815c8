/**
 * A data owner's shard in Python (`define_shard`), as a shard like any other.
 *
 * PH1 It is described and loaded by a worker that is gone afterwards. A worker that trains loads it itself (`module`), so that
 *     the data goes through no pipe.
 */
import { checkShard, type ShardDescriptor } from "../data/shard.ts";
import { pythonWorker } from "./python.ts";
import { WorkerChannel } from "./worker-channel.ts";
import { fetchSplits } from "./worker-data.ts";
import { described, loaded } from "./worker-messages.ts";

export type PythonShardOptions = {
  readonly python?: string | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
};

/** @throws FL_SHARD_INVALID, FL_WORKER_START, and what a worker may do wrong */
export async function pythonShard(file: string, { python, onLine }: PythonShardOptions = {}): Promise<ShardDescriptor> {
  const asked = async <T>(work: (channel: WorkerChannel) => Promise<T>, signal?: AbortSignal): Promise<T> => {
    const channel = new WorkerChannel({ ...pythonWorker(python), onLine });
    const end = (): void => channel.process.kill();
    signal?.addEventListener("abort", end, { once: true });
    try {
      return await work(channel);
    } finally {
      signal?.removeEventListener("abort", end);
      channel.close();
    }
  };
  const told = await asked((channel) => channel.request({ type: "describe", file }, described));
  return checkShard({
    description: told.description,
    sampleShape: told.sample_shape,
    targetShape: told.target_shape,
    load: ({ name, params, seed, signal }: Parameters<ShardDescriptor["load"]>[0]) =>
      asked(async (channel) => {
        const shard = await channel.request({ type: "load", file, name, params, seed }, loaded);
        return fetchSplits(channel, shard);
      }, signal),
  });
}
