/** The selector that compares a few. */
import { z } from "zod";
import { defineSelector, lossOf, most, sampleBy } from "../selector.ts";

/**
 * Power-of-Choice (Cho et al. 2020, arXiv 2010.01243), the variant that sends nothing for it (rpow-d): of `d` devices, drawn by
 * their share of samples, those with the largest loss when they last trained; who never trained comes first.
 */
export const power_of_choice = defineSelector({
  name: "power_of_choice",
  options: z.strictObject({
    factor: z.number().min(1).default(2).describe("d, as a multiple of how many are wanted: 1 is a draw by samples"),
  }),
  select(round, { factor }) {
    const { available, size, look, random } = round;
    const drawn = sampleBy(available, Math.ceil(factor * size), (d) => look(d).samples, random);
    return most(drawn, size, (d) => lossOf(round, d));
  },
});
