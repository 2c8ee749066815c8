/**
 * Oort (Lai et al. 2021, OSDI, arXiv 2010.06081), Algorithm 1: devices whose data still teach much and that are fast enough,
 * and among those never tried the fast ones.
 *
 * OO1 The utility of a device is |B| · sqrt(mean squared loss) of its last part, clipped, plus sqrt(doubt · ln R / L) for the
 *     rounds R and its last one L; times (T / t)^α if its time t is longer than T.
 * OO2 T is the percentile of shown times, and the percentile is raised each time that a window of rounds has brought less
 *     utility than the window before it (the pacer).
 * OO3 Of those wanted, the share ε is drawn from devices never tried, by speed; the rest by utility from those within `cutoff`
 *     of the last that would be in. ε is `explore` · `decay`^rounds, never below `least`. Where one side is too small, the
 *     other fills up.
 */
import { z } from "zod";
import { secondsOf } from "../cost.ts";
import type { History, Part } from "../history.ts";
import { defineSelector, expectedSeconds, most, sample, sampleBy } from "../selector.ts";

const unit = z.number().min(0).max(1);

export const oort = defineSelector({
  name: "oort",
  options: z.strictObject({
    alpha: z.number().min(0).default(2).describe("α, how much being slow counts"),
    explore: unit.default(0.9).describe("ε of the first round"),
    decay: unit.default(0.98).describe("what ε is multiplied by each round"),
    least: unit.default(0.2).describe("ε never goes below"),
    cutoff: unit.default(0.95).describe("how near a utility must come to the last one that would be in"),
    clip: unit.gt(0).default(0.95).describe("the quantile at which utilities are clipped"),
    doubt: z.number().min(0).default(0.1).describe("how much not having been asked for long counts"),
    percentile: z.number().gt(0).max(100).default(30).describe("of shown times: T at the start"),
    pace: z.number().min(0).default(10).describe("by how much the percentile is raised"),
    window: z.int().min(1).default(20).describe("rounds that the pacer compares"),
    retire: z.int().min(1).nullable().default(null).describe("a device is done with after so many selections"),
  }),
  select(round, o) {
    const { size, history, random } = round;
    const available = [...round.available].filter((d) => o.retire === null || history.timesSelected(d) < o.retire);
    const last = new Map<number, Part>();
    for (const d of available) {
      const part = history.of(d).findLast((p) => p.done && p.loss !== undefined);
      if (part !== undefined) last.set(d, part);
    }
    const untried = available.filter((d) => !last.has(d));
    const epsilon = Math.max(o.explore * o.decay ** (round.round - 1), o.least);
    const wanted = Math.min(size, available.length);
    const explored = Math.min(untried.length, Math.max(Math.round(epsilon * wanted), wanted - last.size));
    const exploited = wanted - explored;

    const longest = preferred(history, o);
    const raw = new Map([...last].map(([d, part]) => [d, teaching(part)]));
    const top = quantile([...raw.values()], o.clip);
    const utility = (d: number): number => {
      const part = last.get(d)!;
      const doubt = Math.sqrt((o.doubt * Math.log(Math.max(round.round, 1))) / part.round);
      const t = part.cost === undefined ? 0 : secondsOf(part.cost);
      return (Math.min(raw.get(d)!, top) + doubt) * (t > longest ? (longest / t) ** o.alpha : 1); // OO1
    };
    const utilities = new Map([...last.keys()].map((d) => [d, utility(d)]));
    const by = (d: number): number => utilities.get(d)!;
    const ranked = most(last.keys(), exploited, by);
    const bar = exploited === 0 ? Number.POSITIVE_INFINITY : o.cutoff * by(ranked.at(-1)!); // OO3
    const near = [...last.keys()].filter((d) => by(d) >= bar);
    const known = sampleBy(near, exploited, by, random);
    const fresh =
      explored === untried.length
        ? sample(untried, explored, random)
        : sampleBy(untried, explored, (d) => 1 / Math.max(expectedSeconds(round, d), 1e-9), random);
    return [...known, ...fresh];
  },
});

const teaching = ({ samples, loss, rootLoss }: Part): number => samples * (rootLoss ?? Math.abs(loss!));

/** OO2 */
function preferred(history: History, o: { percentile: number; pace: number; window: number }): number {
  const sums = history.rounds.map((r) =>
    r.parts.reduce((a, p) => a + (p.done && p.loss !== undefined ? teaching(p) : 0), 0),
  );
  const sum = (from: number, to: number): number => sums.slice(from, to).reduce((a, b) => a + b, 0);
  let { percentile } = o;
  for (let end = 2 * o.window; end <= sums.length; end += o.window) {
    if (sum(end - 2 * o.window, end - o.window) > sum(end - o.window, end)) percentile += o.pace;
  }
  const times: number[] = [];
  for (const device of history.devices) {
    const shown = history.seconds(device).at(-1);
    if (shown !== undefined) times.push(shown);
  }
  return percentile >= 100 ? Number.POSITIVE_INFINITY : quantile(times, percentile / 100);
}

/** Of nothing: without end. */
function quantile(of: readonly number[], q: number): number {
  if (of.length === 0) return Number.POSITIVE_INFINITY;
  const sorted = [...of].sort((a, b) => a - b);
  return sorted[Math.min(Math.ceil(q * sorted.length), sorted.length) - 1] ?? sorted[0]!;
}
