/**
 * What a device's part in a round costs, on the simulated clock: time, what travels, energy. Pure.
 *
 * CO1 Computing takes epochs · samples / batch size batches; a last batch that is short counts as the share that it is.
 * CO2 Samples are those that the device has, when more are asked for.
 * CO3 A message of p parameters takes p / speed seconds, each way by its own speed.
 * CO4 Energy is that of the seconds computed and of the seconds sent and received.
 * CO5 A round takes as long as the slowest of those who did their part, and no time if nobody did.
 */
import type { Device } from "./fleet.ts";

/** What a device is asked to do. */
export type Work = {
  /** 0 when it only rates: one pass without learning */
  readonly epochs: number;
  readonly batchSize: number;
  readonly samples: number;
};

/** Parameters that travel: to a device, and back from it. What a method adds to the model (SCAFFOLD) is in them. */
export type Load = { readonly down: number; readonly up: number };

export type Cost = {
  readonly batches: number;
  readonly computeSeconds: number;
  readonly downSeconds: number;
  readonly upSeconds: number;
  readonly energy: number;
};

export function costOf(device: Device, { epochs, batchSize, samples }: Work, load: Load): Cost {
  const used = Math.min(samples, device.samples); // CO2
  const batches = (Math.max(epochs, 1) * used) / batchSize; // CO1
  const computeSeconds = batches / device.speed;
  const downSeconds = load.down / device.down; // CO3
  const upSeconds = load.up / device.up;
  const { compute, network } = device.class.energy;
  const energy = compute * computeSeconds + network * (downSeconds + upSeconds); // CO4
  return { batches, computeSeconds, downSeconds, upSeconds, energy };
}

export const secondsOf = ({ computeSeconds, downSeconds, upSeconds }: Cost): number =>
  computeSeconds + downSeconds + upSeconds;

/** CO5 */
export const roundSeconds = (costs: Iterable<Cost>): number => {
  let longest = 0;
  for (const cost of costs) longest = Math.max(longest, secondsOf(cost));
  return longest;
};
