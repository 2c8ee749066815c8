/**
 * A number that differs from device to device, and from round to round if wanted: how it is written, and how it is drawn.
 *
 * QU1 A bare number is the same for every device. `spread` is a half-width (`integers`, `uniform`), the standard deviation
 *     (`normal`) or sigma of the logarithm (`lognormal`); without one, or with 0, it is the mean.
 * QU2 With `each: device` it is drawn once for a device; with `each: round` for each round; with `wander` a device has a mean
 *     and a spread of its own, and each round is drawn from those.
 * QU3 Never below `least` nor above `most`, whatever was drawn and whatever its profile says.
 */
import { z } from "zod";
import type { Random } from "../data/random.ts";
import { chance, type Use } from "./chance.ts";
import { factorAt, profile } from "./profile.ts";

const written = z.strictObject({
  mean: z.number().min(0).optional().describe("Its mean (of `lognormal` the median)."),
  spread: z.number().min(0).default(0).describe("How far devices are apart; 0 is not at all."),
  shape: z
    .enum(["uniform", "integers", "normal", "lognormal", "exponential"])
    .default("uniform")
    .describe(
      "`integers` are whole numbers from `mean - spread` to below `mean + spread`; `exponential` has no spread.",
    ),
  choices: z
    .array(z.number().min(0))
    .min(1)
    .optional()
    .describe("One of these in place of all that; repeat one to favour it."),
  each: z.enum(["device", "round"]).default("device").describe("How often it is drawn."),
  wander: z
    .tuple([z.number().min(0).max(1), z.number().min(0).max(1)])
    .refine(([from, to]) => from <= to, "must have its smaller number first")
    .optional()
    .describe("Each round anew about a device's own mean, within a share of `spread` that is drawn from these two."),
  least: z.number().min(0).default(0).describe("Never below."),
  most: z.number().min(0).optional().describe("Never above.").meta({ default: "without end" }),
  profile: profile.optional().describe("How it goes with the simulated time."),
});

export const quantity = z.union([
  z
    .number()
    .min(0)
    .transform((mean) => written.parse({ mean })),
  written
    .refine((q) => (q.mean === undefined) !== (q.choices === undefined), "must have either a mean or choices")
    .refine((q) => q.wander === undefined || q.each === "device", "must not have both wander and each: round")
    .refine((q) => q.wander === undefined || q.choices === undefined, "must not have both wander and choices")
    .refine((q) => q.most === undefined || q.most >= q.least, "must not have most below least"),
]);
export type Quantity = z.output<typeof quantity>;

/** When: the round, and how much simulated time has passed. */
export type Moment = { readonly round: number; readonly seconds: number };

/** Where a quantity's draws come from: the use of the value, and of the spread where it wanders. */
export type Source = { readonly seed: number; readonly use: Use; readonly spread: Use };

/** The quantity of a device at a moment. Pure: the same device and moment have the same value. */
export function quantityOf(
  q: Quantity,
  { seed, use, spread }: Source,
  device: number,
  { round, seconds }: Moment,
): number {
  const drawn = q.wander === undefined ? plainly() : wandering(q.wander);
  const shift = q.profile?.shift === "device" ? chance(seed, "phase", device).float() : 0;
  const value = q.profile === undefined ? drawn : drawn * factorAt(q.profile, seconds, shift);
  return Math.min(Math.max(value, q.least), q.most ?? Number.POSITIVE_INFINITY); // QU3

  function plainly(): number {
    const fixed = q.choices === undefined && q.spread === 0 && q.shape !== "exponential";
    return fixed ? q.mean! : drawOf(q, chance(seed, use, device, q.each === "round" ? round : 0));
  }

  function wandering([from, to]: readonly [number, number]): number {
    const mean = drawOf(q, chance(seed, use, device));
    const own = q.spread * (from + (to - from) * chance(seed, spread, device).float());
    const random = chance(seed, use, device, round);
    const low = Math.max(mean - own, 0);
    if (q.shape !== "integers") return low + (mean + own - low) * random.float();
    const [first, last] = [Math.ceil(low), Math.floor(mean + own)];
    return last > first ? first + random.below(last - first + 1) : first;
  }
}

/** QU1 */
function drawOf({ mean = 0, spread, shape, choices }: Quantity, random: Random): number {
  if (choices !== undefined) return choices[random.below(choices.length)]!;
  switch (shape) {
    case "integers": {
      const low = Math.ceil(mean - spread);
      const high = Math.ceil(mean + spread);
      return high > low ? low + random.below(high - low) : mean;
    }
    case "uniform":
      return mean - spread + 2 * spread * random.float();
    case "normal":
      return mean + spread * random.normal();
    case "lognormal":
      return mean * Math.exp(spread * random.normal());
    case "exponential":
      return -mean * Math.log(1 - random.float());
  }
}
