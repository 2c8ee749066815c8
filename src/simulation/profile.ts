/**
 * How a quantity of a device goes with the simulated time: a wave, or a trace of what was once measured.
 *
 * PR1 A profile is a factor: 1 leaves the quantity as it is. A wave swings about 1, a trace says the factor itself.
 * PR2 It is a function of simulated time and of a shift between 0 and 1, and keeps no state.
 */
import { z } from "zod";
import { duration } from "../plan/duration.ts";

const wave = z.strictObject({
  wave: z.enum(["sine", "square", "sawtooth"]).describe("How it goes up and down."),
  period: duration.describe("How long it takes until it begins again, in simulated time."),
  amplitude: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("How far it goes from 1: 0.5 is from half to one and a half."),
  duty: z.number().gt(0).lt(1).default(0.5).describe("The share of a period that a square wave is high."),
  shift: z
    .union([z.literal("device"), z.number().min(0).max(1)])
    .default(0)
    .describe("The share of a period by which it is ahead; `device` draws one for each device."),
});

const trace = z.strictObject({
  trace: z
    .array(z.tuple([z.number().min(0), z.number().min(0)]))
    .min(1)
    .refine((steps) => steps.every(([at], i) => i === 0 || at > steps[i - 1]![0]), "must have its times in order")
    .describe(
      "Pairs of seconds and the factor from then on; before the first pair it is the last pair's with a period, else the first's.",
    ),
  period: duration.optional().describe("When it begins again.").meta({ default: "never: the last factor stays" }),
  shift: z
    .union([z.literal("device"), z.number().min(0).max(1)])
    .default(0)
    .describe("As above; without a period there is none."),
});

export const profile = z.union([wave, trace]);
export type Profile = z.output<typeof profile>;

/** The factor after `seconds` of simulated time; `drawn` is the shift where it is the device's. */
export function factorAt(given: Profile, seconds: number, drawn: number): number {
  const shift = given.shift === "device" ? drawn : given.shift;
  if ("wave" in given) {
    const turns = (seconds * 1000) / given.period + shift;
    return 1 + given.amplitude * heights[given.wave](turns - Math.floor(turns), given.duty);
  }
  const { trace: steps, period } = given;
  const at = period === undefined ? seconds : (seconds + (shift * period) / 1000) % (period / 1000);
  let factor = period === undefined ? steps[0]![1] : steps.at(-1)![1];
  for (const [from, value] of steps) {
    if (from > at) break;
    factor = value;
  }
  return factor;
}

/** From -1 to 1, over one period. */
const heights = {
  sine: (turn: number) => Math.sin(2 * Math.PI * turn),
  square: (turn: number, duty: number) => (turn < duty ? 1 : -1),
  sawtooth: (turn: number) => 2 * turn - 1,
} as const;
