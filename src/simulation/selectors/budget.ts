/** The selector that keeps a cohort within budgets. */
import { z } from "zod";
import { cheapest } from "../knapsack.ts";
import { defineSelector, lossOf, sample } from "../selector.ts";

const cap = z.number().min(0).nullable();

/**
 * The cohort with the least sum of 1/loss whose parts together keep the budgets; a device that never trained counts nothing.
 * Where not as many fit as are wanted, as many as do.
 */
export const limited_consumption = defineSelector({
  name: "limited_consumption",
  options: z.strictObject({
    energy: cap
      .default(3_400)
      .describe("what the parts of a round may cost together, in the unit of the devices' energy"),
    batches: cap.default(null).describe("how many batches they may compute together"),
    network: cap.default(null).describe("how many seconds they may send and receive together"),
  }),
  select(round, caps) {
    const { available, size, look, random, history } = round;
    const budgets = [caps.energy, caps.batches, caps.network].map((c) => c ?? Number.MAX_VALUE);
    const entries = [...available].map((d) => {
      const { energy, batches, upSeconds, downSeconds } = look(d).cost;
      return {
        device: d,
        cost: 1 / Math.max(lossOf(round, d), 1e-12),
        takes: [energy, batches, upSeconds + downSeconds],
      };
    });
    // nothing is known of anybody: those that fit, by chance
    const order =
      history.rounds.length === 0 ? sample([...entries.keys()], entries.length, random) : [...entries.keys()];
    const offered = order.map((i) => entries[i]!);
    return cheapest(offered, size, budgets).map((i) => offered[i]!.device);
  },
});
