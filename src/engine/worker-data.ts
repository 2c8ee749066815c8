/**
 * Data of a shard between a collaborator and its worker: handed over, or loaded by the worker and handed back.
 *
 * WD1 A worker that loads its own data tells sizes and shapes; the handle that stands for it here has no values.
 */

import type { z } from "zod";
import type { Split, Splits } from "../data/shard.ts";
import type { WorkerChannel } from "./worker-channel.ts";
import { type Held, type loaded, nothing } from "./worker-messages.ts";

/** A shard that is a module of the worker's own language. */
export type ShardFile = {
  readonly file: string;
  /** the collaborator's */
  readonly name: string;
  readonly params: Readonly<Record<string, unknown>>;
};
export type HeldShard = z.output<typeof loaded>;

const arrays = { f32: Float32Array, i32: Int32Array, u8: Uint8Array } as const;
type Kind = keyof typeof arrays;
type Values = Split["samples"] | Split["targets"];

const kindOf = (values: Values): Kind =>
  values instanceof Float32Array ? "f32" : values instanceof Int32Array ? "i32" : "u8";
const bytesOf = ({ buffer, byteOffset, byteLength }: Values): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

export async function sendSplits(channel: WorkerChannel, data: Splits): Promise<void> {
  for (const split of ["train", "validation"] as const) {
    const { size, samples, targets, scale = 1 } = data[split];
    const forms = {
      ...{ samples: kindOf(samples), sample_values: samples.length },
      ...{ targets: kindOf(targets), target_values: targets.length },
    };
    const bodies = [bytesOf(samples), bytesOf(targets)];
    await channel.request({ type: "data", split, size, scale, ...forms }, nothing, { bodies });
  }
}

/** The other way: for an engine that trains here. */
export async function fetchSplits(channel: WorkerChannel, shard: HeldShard): Promise<Splits> {
  const fetch = async (split: "train" | "validation"): Promise<Split> => {
    const { size, scale, ...held } = shard[split];
    const samples = new arrays[held.samples](held.sample_values);
    const targets = new arrays[held.targets](held.target_values);
    const into = [samples, targets].map(bytesOf).filter((bytes) => bytes.length > 0);
    await channel.request({ type: "fetch", split }, nothing, { into });
    return { size, samples: samples as Split["samples"], targets, scale };
  };
  return { train: await fetch("train"), validation: await fetch("validation") };
}

/** WD1 */
export function heldSplits({ train, validation }: HeldShard): Splits {
  const none = new Float32Array(0);
  const handle = ({ size }: Held): Split => ({ size, samples: none, targets: none });
  return { train: handle(train), validation: handle(validation) };
}
