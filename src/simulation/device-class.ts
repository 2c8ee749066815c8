/** A class of simulated devices, as a configuration says it: how many, how fast, how often there, and what energy they have. */
import { z } from "zod";
import { token } from "../plan/forms.ts";
import { presence } from "./presence.ts";
import { quantity } from "./quantity.ts";

const network = z.strictObject({
  up: quantity.prefault(100_000).describe("Parameters a second from the device."),
  down: quantity.optional().describe("Parameters a second to the device.").meta({ default: "as `up`, draw for draw" }),
});

const energy = z.strictObject({
  capacity: quantity
    .optional()
    .describe("What a device has at the start; with `each: round`, what it may spend in a round.")
    .meta({ default: "without end" }),
  recharge: quantity.prefault(0).describe("What comes back with each round, up to the capacity."),
  compute: z.number().min(0).default(0).describe("What a second of computing costs."),
  network: z.number().min(0).default(0).describe("What a second of sending or receiving costs."),
});

export const deviceClass = z.strictObject({
  name: token.default("device").describe("Its name in results; no two classes share one."),
  count: z.int().min(1).max(10_000_000).describe("How many devices of this class there are."),
  available: presence.prefault(1).describe("When they can be asked: a probability for each round, or more of it."),
  failure: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe("The probability that a device that was asked fails in a round."),
  speed: quantity.prefault(100).describe("Batches a second that a device computes."),
  network: network.prefault({}).describe("How fast models travel."),
  energy: energy
    .prefault({})
    .describe("Energy, in any one unit for all of these keys, such as joules: a second at one watt costs one."),
  samples: quantity
    .optional()
    .describe("How many samples a device has at most.")
    .meta({ default: "what `data` deals it" }),
});
export type DeviceClass = z.output<typeof deviceClass>;
