/**
 * The memory worlds of this process, each under an address that roles are told as they would be told a server's.
 *
 * MW1 An address is never used again; one that is closed, or another process's, is as unreachable as a server that is gone.
 */
import { FlError } from "../errors.ts";
import { addressHere } from "../here.ts";
import { type MemoryWorld, type MemoryWorldOptions, memoryWorld } from "./ports.ts";

export type OpenWorld = { readonly url: string; readonly world: MemoryWorld; close(): void };

const worlds = new Map<string, MemoryWorld>();
let opened = 0;

export function openWorld(options?: MemoryWorldOptions): OpenWorld {
  const url = addressHere(++opened);
  const world = memoryWorld(options);
  worlds.set(url, world);
  return { url, world, close: () => void worlds.delete(url) };
}

/** @throws FL_NATS_UNREACHABLE (MW1) */
export function worldAt(url: string): MemoryWorld {
  const world = worlds.get(url);
  if (world === undefined)
    throw new FlError("FL_NATS_UNREACHABLE", { url, reason: `there is no ${url} in this process` });
  return world;
}
