/** The option that Krum, Multi-Krum and Bulyan share: how many hostile updates are to be borne. */
import { z } from "zod";

const least = "as many as the updates of the round allow";

export const byzantine = z
  .int()
  .nonnegative()
  .optional()
  .describe("f, how many hostile updates it bears")
  .meta({ default: least });

/** f of a round of n updates, where n ≥ per·f + 3 must hold. */
export const borne = (given: number | undefined, n: number, per: number): number =>
  given ?? Math.max(0, Math.floor((n - 3) / per));

/** The least n that f allows; any, if f follows from n, or if nothing is to be borne. */
export const leastFor = (given: number | undefined, per: number): number =>
  given === undefined || given === 0 ? 1 : per * given + 3;
