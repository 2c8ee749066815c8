/**
 * When a device can be asked: by chance each round, in stretches (churn), or as a trace of the day has it.
 *
 * PS1 Whether a device is there in a round depends on the seed, the device and the moment alone: nothing is kept of the rounds
 *     before, also not with churn.
 * PS2 With churn a device stays for `on` rounds in the mean and stays away for `off`; over a long time it is there
 *     `on / (on + off)` of the rounds, in the first as in any other.
 */
import { z } from "zod";
import { chance } from "./chance.ts";
import { factorAt, profile } from "./profile.ts";
import type { Moment } from "./quantity.ts";

const fraction = z.number().min(0).max(1);

export const presence = z.union([
  fraction.transform((chance) => ({ chance, churn: undefined, profile: undefined })),
  z
    .strictObject({
      chance: fraction.default(1).describe("The probability that a device is there in a round."),
      churn: z
        .strictObject({
          on: z.number().min(1).describe("How many rounds a device stays, in the mean."),
          off: z.number().min(1).describe("How many rounds it then stays away, in the mean."),
        })
        .refine(({ on, off }) => 1 / on + 1 / off <= 1, "must be 2 and 2 or longer (or 1/on + 1/off at most 1)")
        .optional()
        .describe("Stretches in place of independent rounds; `chance` then counts within a stretch."),
      profile: profile.optional().describe("What `chance` is multiplied by as the simulated time goes."),
    })
    .transform(({ chance, churn, profile }) => ({ chance, churn, profile })),
]);
export type Presence = z.output<typeof presence>;

export function isPresent(p: Presence, seed: number, device: number, { round, seconds }: Moment): boolean {
  if (p.churn !== undefined && !isOn(p.churn, seed, device, round)) return false;
  const shift = p.profile?.shift === "device" ? chance(seed, "phase", device).float() : 0;
  const likely = p.profile === undefined ? p.chance : p.chance * factorAt(p.profile, seconds, shift);
  return chance(seed, "availability", device, round).float() < likely;
}

/**
 * A chain of two states whose state is forgotten with probability a + b in each round, and then drawn as if from nowhere:
 * on → off with a = 1/on, off → on with b = 1/off. So the state now is that of the last round in which it was forgotten,
 * which lies 1/(a + b) rounds back in the mean.
 */
function isOn({ on, off }: { on: number; off: number }, seed: number, device: number, round: number): boolean {
  const forgets = 1 / on + 1 / off;
  for (let r = round; ; r--) {
    const random = chance(seed, "onset", device, r);
    if (r <= 1 || random.float() < forgets) return random.float() < on / (on + off);
  }
}
