/**
 * Chance by counter: what is drawn for a device depends on the seed, the device, what it is for and the round, and on nothing
 * that was drawn before.
 *
 * CH1 Equal keys give equal streams, on every machine; draws may come in any order, or not at all.
 * CH2 A key costs no memory: a fleet of any size is drawn where it is looked at.
 */
import { Random } from "../data/random.ts";

/** What a draw is for. Numbers are never given anew: they are part of what a seed means. */
export const uses = {
  ...{ availability: 1, failure: 2, speed: 3, up: 4, down: 5, capacity: 6, samples: 7, phase: 8, trace: 9, work: 10 },
  ...{
    selection: 11,
    recharge: 12,
    onset: 13,
    speedSpread: 14,
    upSpread: 15,
    downSpread: 16,
    capacitySpread: 17,
    rechargeSpread: 18,
    samplesSpread: 19,
  },
} as const;
export type Use = keyof typeof uses;

/** 32 bits stirred (the finalizer of MurmurHash3). */
function stirred(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** A stream of its own for a device and a round; round 0 is for what never changes. */
export function chance(seed: number, use: Use, device: number, round = 0): Random {
  let low = stirred((seed | 0) ^ 0x9e3779b9);
  let high = stirred((Math.floor(seed / 4294967296) | 0) ^ 0x7f4a7c15);
  for (const part of [uses[use], device, round]) {
    low = stirred(Math.imul(low ^ high, 5) + part + 0x2545f491);
    high = stirred(Math.imul(high, 9) ^ low ^ Math.imul(part, 0x27d4eb2f));
  }
  return new Random((high & 0x1fffff) * 4294967296 + (low >>> 0));
}
