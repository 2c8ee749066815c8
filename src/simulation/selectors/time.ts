/** Selectors that go by the times that devices have shown. Where nothing was shown yet, the first cohort is drawn. */
import { z } from "zod";
import {
  defineSelector,
  least,
  lossOf,
  mean,
  most,
  rms,
  type SelectorRound,
  sample,
  shownCommunication,
  variance,
} from "../selector.ts";

const share = z.number().min(0);

/**
 * The least of time · (time shown) + variance · (its variance) + fairness · (mean time shown) · (times selected): fast and
 * steady devices, and those that were seldom asked.
 */
export const best_time_expected = defineSelector({
  name: "best_time_expected",
  options: z.strictObject({
    time: share.default(0.34).describe("what the time shown counts"),
    variance: share.default(0.33).describe("what its variance from part to part counts"),
    fairness: share.default(0.33).describe("what each time that it was selected counts, in mean times"),
  }),
  select(round, weights) {
    const { available, size, history, random } = round;
    if (history.rounds.length === 0) return sample(available, size, random);
    const shown = new Map([...available].map((d) => [d, rms(round, d)]));
    const usual = mean([...shown.values()].filter((s) => s > 0));
    return least(
      available,
      size,
      (d) =>
        weights.time * shown.get(d)! +
        weights.variance * variance(history.seconds(d)) +
        weights.fairness * usual * history.timesSelected(d),
    );
  },
});

const limit = z.union([z.number().positive(), z.literal("auto"), z.null()]);

/**
 * Of those who keep the time limits, the ones with the largest last loss. Who has shown no time keeps every limit, so that it
 * gets to show one. Where nobody keeps them, nobody is asked.
 */
export const limited_time = defineSelector({
  name: "limited_time",
  options: z.strictObject({
    total: limit.default(5).describe("seconds of a part at most; `auto`: the mean and the mean deviation from it"),
    compute: limit.default(null).describe("the same of its computing"),
    network: limit.default(null).describe("the same of its network"),
  }),
  select(round, limits) {
    const { available, size, history, random, look } = round;
    if (history.rounds.length === 0) return sample(available, size, random);
    const shown = (of: (d: number) => number) => (d: number) => (history.costs(d).length === 0 ? 0 : of(d));
    const times = {
      total: (d: number) => rms(round, d),
      compute: shown((d) => look(d).cost.computeSeconds),
      network: shown((d) => shownCommunication(history.costs(d))),
    };
    let left = [...available];
    for (const of of ["total", "compute", "network"] as const) {
      const most = bound(limits[of], [...available].map(times[of]));
      left = left.filter((d) => times[of](d) <= most);
    }
    return most(left, size, (d) => lossOf(round, d));
  },
});

function bound(given: number | "auto" | null, times: readonly number[]): number {
  if (given !== "auto") return given ?? Number.POSITIVE_INFINITY;
  const known = times.filter((s) => s > 0);
  if (known.length === 0) return Number.POSITIVE_INFINITY;
  const usual = mean(known);
  return usual + mean(known.map((s) => Math.abs(s - usual)));
}

const fastest = (round: SelectorRound): number[] => least(round.available, round.size, (d) => rms(round, d));
const seldom = ({ available, size, history }: SelectorRound): number[] =>
  least(available, size, (d) => history.timesSelected(d));
const lossiest = (round: SelectorRound): number[] => most(round.available, round.size, (d) => lossOf(round, d));
const went = ({ history }: SelectorRound, mode: string): number => history.rounds.filter((r) => r.mode === mode).length;

/**
 * Fast devices and those with the largest loss in turn, until the numbers of selections differ more than the budget allows:
 * then those that were selected least.
 */
export const budgeted_fairness_rotation = defineSelector({
  name: "budgeted_fairness_rotation",
  options: z.strictObject({
    budget: z
      .union([z.number().min(0), z.literal("auto")])
      .default("auto")
      .describe("the standard deviation of selections that is allowed; `auto` grows by `growth` a round"),
    growth: z.number().min(0).default(0.125).describe("of `auto`"),
  }),
  select(round, { budget, growth }) {
    const { available, size, history, random, registered } = round;
    if (history.rounds.length === 0) return sample(available, size, random);
    let [sum, squares] = [0, 0];
    for (const device of history.devices) {
      const times = history.timesSelected(device);
      sum += times;
      squares += times * times;
    }
    const unfair = Math.sqrt(Math.max(squares / registered - (sum / registered) ** 2, 0));
    const allowed = budget === "auto" ? growth * (round.round - 1) : budget;
    if (unfair > allowed) return { devices: seldom(round), mode: "fairness" };
    const turn = went(round, "time") > went(round, "loss");
    return turn ? { devices: lossiest(round), mode: "loss" } : { devices: fastest(round), mode: "time" };
  },
});

/**
 * Where rounds take longer than is desired in the mean, the fastest; else those with the largest loss or those that were
 * selected least, as often as these two are told to take turns.
 */
export const budgeted_time_rotation = defineSelector({
  name: "budgeted_time_rotation",
  options: z.strictObject({
    budget: z
      .union([z.number().positive(), z.literal("auto")])
      .default("auto")
      .describe("seconds of a round; `auto`: between the mean of rounds with fast devices and that of the others"),
    loss: z.number().positive().default(1).describe("so many rounds go by loss"),
    fairness: z.number().positive().default(50).describe("to so many by selections"),
  }),
  select(round, { budget, loss, fairness }) {
    const { available, size, history, random } = round;
    if (history.rounds.length === 0) return sample(available, size, random);
    const took = history.rounds.map((r) => r.seconds);
    if (mean(took) > desired()) return { devices: fastest(round), mode: "time" };
    const byLoss = Math.floor(went(round, "loss") / loss) <= Math.floor(went(round, "fairness") / fairness);
    return byLoss ? { devices: lossiest(round), mode: "loss" } : { devices: seldom(round), mode: "fairness" };

    function desired(): number {
      if (budget !== "auto") return budget;
      const fast = history.rounds.filter((r) => r.mode === "time").map((r) => r.seconds);
      const other = history.rounds.filter((r) => r.mode !== "time").map((r) => r.seconds);
      if (fast.length === 0 || other.length === 0) return took.at(-1)!;
      const [low, high] = [mean(fast), mean(other)].sort((a, b) => a - b) as [number, number];
      return low + (high - low) * random.float();
    }
  },
});
