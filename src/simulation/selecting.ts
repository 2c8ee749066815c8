/**
 * How many are asked in a round and by what rule, as a configuration says it; and the built-in selectors by name.
 *
 * SG1 A share is of the devices that are available, rounded down; one is asked if anybody is there.
 * SG2 A number is as many, or all there are.
 */
import { z } from "zod";
import { localPart, percent, share } from "../plan/forms.ts";
import type { Selector, SelectorPart } from "./selector.ts";
import { ucb_cs } from "./selectors/bandit.ts";
import { best_energy, best_ips, best_net_speed, best_round_time } from "./selectors/best.ts";
import { limited_consumption } from "./selectors/budget.ts";
import { dynamic_sampling, random } from "./selectors/chance.ts";
import { power_of_choice } from "./selectors/choice.ts";
import { oort } from "./selectors/oort.ts";
import {
  best_time_expected,
  budgeted_fairness_rotation,
  budgeted_time_rotation,
  limited_time,
} from "./selectors/time.ts";

export const builtinSelectors: Readonly<Record<string, SelectorPart>> = {
  ...{ random, best_ips, best_net_speed, best_energy, dynamic_sampling, best_round_time, ucb_cs, best_time_expected },
  ...{ budgeted_fairness_rotation, budgeted_time_rotation, limited_time, limited_consumption, oort, power_of_choice },
};

const schemas = Object.fromEntries(Object.entries(builtinSelectors).map(([name, part]) => [name, part.options]));
export const select = localPart(schemas, "random", "selector");

export const size = z.union([z.literal("all"), z.int().min(1), share]);
export type Size = z.output<typeof size>;

/** How many are wanted of so many that are available. */
export function wanted(given: Size, available: number): number {
  if (given === "all") return available;
  if (typeof given === "number") return Math.min(given, available); // SG2
  const some = Math.floor(((percent(given) ?? 0) * available) / 100 + 1e-9);
  return Math.min(Math.max(some, 1), available); // SG1
}

/** A built-in selector with its options. @throws FL_CONFIG_INVALID */
export const builtinSelector = (name: string, options?: Record<string, unknown>): Selector =>
  builtinSelectors[name]!.create(options);
