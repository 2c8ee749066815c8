/**
 * The simulated devices: what each of them is like at a moment, drawn from the seed where it is looked at.
 *
 * FE1 A fleet keeps nothing of its devices: it has as many as it likes, and looking at one does not change another.
 * FE2 Devices are numbered from 0, class after class.
 * FE3 A device that cannot send or receive in a round is not available in it; so no time is ever without end.
 * FE4 Whether a device fails is drawn once for a round: training and rating share it.
 */
import { chance } from "./chance.ts";
import type { DeviceClass } from "./device-class.ts";
import { isPresent } from "./presence.ts";
import { type Moment, quantityOf } from "./quantity.ts";

/** What a device is like in a round. */
export type Device = {
  readonly number: number;
  readonly class: DeviceClass;
  /** batches a second */
  readonly speed: number;
  /** parameters a second */
  readonly up: number;
  readonly down: number;
  /** how many samples it has at most */
  readonly samples: number;
};

export class Fleet {
  readonly #classes: readonly DeviceClass[];
  /** the first number past each class */
  readonly #ends: readonly number[];
  readonly #seed: number;
  readonly size: number;

  constructor(classes: readonly DeviceClass[], seed: number) {
    let end = 0;
    this.#classes = classes;
    this.#ends = classes.map(({ count }) => {
      end += count;
      return end;
    });
    this.#seed = seed;
    this.size = end;
  }

  classOf(device: number): DeviceClass {
    const i = this.#ends.findIndex((end) => device < end);
    if (i < 0 || device < 0) throw new RangeError(`there is no device ${device}`);
    return this.#classes[i]!;
  }

  look(device: number, at: Moment): Device {
    const own = this.classOf(device);
    const seed = this.#seed;
    const up = quantityOf(own.network.up, { seed, use: "up", spread: "upSpread" }, device, at);
    const { down: other } = own.network;
    return {
      number: device,
      class: own,
      speed: quantityOf(own.speed, { seed, use: "speed", spread: "speedSpread" }, device, at),
      up,
      down: other === undefined ? up : quantityOf(other, { seed, use: "down", spread: "downSpread" }, device, at),
      samples: this.samples(device),
    };
  }

  /** FE3 */
  isAvailable(device: number, at: Moment): boolean {
    if (!isPresent(this.classOf(device).available, this.#seed, device, at)) return false;
    const { speed, up, down } = this.look(device, at);
    return speed > 0 && up > 0 && down > 0;
  }

  /** FE4 */
  fails(device: number, { round }: Pick<Moment, "round">): boolean {
    return chance(this.#seed, "failure", device, round).float() < this.classOf(device).failure;
  }

  /** The available ones, in the order of their numbers. */
  available(at: Moment): Uint32Array {
    const found = new Uint32Array(this.size);
    let n = 0;
    for (let device = 0; device < this.size; device++) if (this.isAvailable(device, at)) found[n++] = device;
    return found.slice(0, n);
  }

  samples(device: number): number {
    const { samples } = this.classOf(device);
    if (samples === undefined) return Number.POSITIVE_INFINITY;
    const source = { seed: this.#seed, use: "samples", spread: "samplesSpread" } as const;
    return Math.round(quantityOf(samples, source, device, { round: 0, seconds: 0 }));
  }

  /** How much energy a device may have in a round, at most. */
  capacity(device: number, at: Moment): number {
    const { capacity } = this.classOf(device).energy;
    if (capacity === undefined) return Number.POSITIVE_INFINITY;
    return quantityOf(capacity, { seed: this.#seed, use: "capacity", spread: "capacitySpread" }, device, at);
  }

  /** What comes back with a round. */
  recharge(device: number, at: Moment): number {
    const source = { seed: this.#seed, use: "recharge", spread: "rechargeSpread" } as const;
    return quantityOf(this.classOf(device).energy.recharge, source, device, at);
  }
}
