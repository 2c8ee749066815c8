/**
 * A client selector: who of the devices is asked in a round. A swappable part; this is its contract and its definition helper.
 *
 * Owns the interface, what selectors share (ranking, sampling), and the checks on what one returns; selects nothing itself.
 * SE1 A cohort depends on the round, the history, what the devices are like and the seed, and on nothing else: a selector keeps
 *     nothing of its own. What it went by in a round (`mode`) is in the history of the next.
 * SE2 Only who is available can be in a cohort, nobody twice, and no more than asked for; else FL_PART_FAILED.
 * SE3 It looks at the devices that it wants to know about: a selector that draws at random makes up no device.
 * SE4 Equals are told apart by their numbers, unless a rule says by chance.
 */
import { z } from "zod";
import type { Random } from "../data/random.ts";
import { FlError } from "../errors.ts";
import { parseStrict } from "../validate.ts";
import { type Cost, secondsOf } from "./cost.ts";
import type { History } from "./history.ts";

/** What a device would do in this round, and what that would cost it. */
export type Prospect = {
  readonly device: number;
  /** batches a second */
  readonly speed: number;
  /** parameters a second */
  readonly up: number;
  readonly down: number;
  /** energy that is left */
  readonly energy: number;
  /** samples that it would use */
  readonly samples: number;
  readonly cost: Cost;
};

export type SelectorRound = {
  /** from 1 */
  readonly round: number;
  readonly rounds: number;
  /** who can be asked, in the order of numbers */
  readonly available: Uint32Array;
  /** how many devices there are, available or not */
  readonly registered: number;
  /** how many are wanted */
  readonly size: number;
  look(device: number): Prospect;
  readonly history: History;
  /** seeded by the run, the round and what the cohort is for */
  readonly random: Random;
};

export type Cohort = {
  /** in the order of numbers */
  readonly devices: readonly number[];
  /** what it went by, where a rule has more than one way */
  readonly mode?: string;
};

export type Selector = { readonly name: string; select(round: SelectorRound): Cohort };
export type SelectorPart = {
  readonly name: string;
  readonly options: z.ZodType;
  /** @throws FL_CONFIG_INVALID when the options are not the selector's */
  create(options?: Record<string, unknown>): Selector;
};

export type SelectorSpec<O> = {
  readonly name: string;
  readonly options?: z.ZodType<O>;
  select(round: SelectorRound, options: O): Iterable<number> | { devices: Iterable<number>; mode: string };
};

/** Defines a selector. */
export function defineSelector<O = Record<string, never>>({ name, options, select }: SelectorSpec<O>): SelectorPart {
  const schema = options ?? (z.strictObject({}) as unknown as z.ZodType<O>);
  return {
    name,
    options: schema,
    create(given = {}) {
      const told = parseStrict(schema, given, { code: "FL_CONFIG_INVALID", what: `options of selector ${name}` });
      return {
        name,
        select(round) {
          const chosen = select(round, told);
          const { devices, mode } = Symbol.iterator in chosen ? { devices: chosen, mode: undefined } : chosen;
          const cohort = checked(name, [...devices], round);
          return mode === undefined ? { devices: cohort } : { devices: cohort, mode };
        },
      };
    },
  };
}

/** SE2 */
function checked(name: string, devices: number[], { available, size }: SelectorRound): number[] {
  const refuse = (reason: string): never => {
    throw new FlError("FL_PART_FAILED", { part: name, reason: `selector ${name}: ${reason}` });
  };
  const there = new Set(available);
  const stranger = devices.find((d) => !there.has(d));
  if (stranger !== undefined) refuse(`it chose ${stranger}, which is not available`);
  if (new Set(devices).size !== devices.length) refuse("it chose a device twice");
  if (devices.length > size) refuse(`it chose ${devices.length} devices, ${size} are wanted`);
  return devices.sort((a, b) => a - b);
}

/** Those with the least of something; `n` of them, or all there are. SE4 */
export function least(devices: Iterable<number>, n: number, of: (device: number) => number): number[] {
  const ranked = [...devices].map((device) => ({ device, key: of(device) }));
  ranked.sort((a, b) => (a.key === b.key ? a.device - b.device : a.key - b.key)); // infinite keys have no difference
  return ranked.slice(0, n).map((r) => r.device);
}

/** Those with the most. */
export const most = (devices: Iterable<number>, n: number, of: (device: number) => number): number[] =>
  least(devices, n, (device) => -of(device));

/** `n` of them without replacement, each set equally likely; all there are if fewer. */
export function sample(devices: ArrayLike<number>, n: number, random: Random): number[] {
  const moved = new Map<number, number>(); // a shuffle of which only the beginning is wanted
  const at = (i: number): number => moved.get(i) ?? devices[i]!;
  return Array.from({ length: Math.min(n, devices.length) }, (_, i) => {
    const j = i + random.below(devices.length - i);
    const drawn = at(j);
    moved.set(j, at(i));
    return drawn;
  });
}

/**
 * `n` of them without replacement, in proportion to weights that are not below zero (Efraimidis and Spirakis 2006: the
 * largest log(u)/w). Those of weight 0 come last.
 */
export function sampleBy(
  devices: Iterable<number>,
  n: number,
  weight: (d: number) => number,
  random: Random,
): number[] {
  return most(devices, n, (d) => {
    const w = weight(d);
    const log = Math.log(1 - random.float());
    return w > 0 ? log / w : Number.NEGATIVE_INFINITY;
  });
}

/** The loss of its last training; without end for who never trained, so that it comes first where losses count. */
export const lossOf = ({ history }: SelectorRound, device: number): number =>
  history.lastLoss(device) ?? Number.POSITIVE_INFINITY;

/** How long its part would take now. */
export const expectedSeconds = ({ look }: SelectorRound, device: number): number => secondsOf(look(device).cost);

/**
 * How long a device takes, going by what it has shown: the root of the mean of its squared times of communication, and its
 * time of computing now. 0 where it has shown nothing.
 */
export function rms({ look, history }: SelectorRound, device: number): number {
  const costs = history.costs(device);
  return costs.length === 0 ? 0 : shownCommunication(costs) + look(device).cost.computeSeconds;
}

export const shownCommunication = (costs: readonly Cost[]): number =>
  Math.sqrt(mean(costs.map((c) => (c.upSeconds + c.downSeconds) ** 2)));

export const mean = (of: readonly number[]): number =>
  of.length === 0 ? 0 : of.reduce((a, b) => a + b, 0) / of.length;

export const variance = (of: readonly number[]): number => {
  const middle = mean(of);
  return mean(of.map((x) => (x - middle) ** 2));
};
