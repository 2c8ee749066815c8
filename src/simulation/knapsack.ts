/**
 * So many of a list, at the least cost, within budgets: the 0/1 program that selectors with budgets solve. Pure.
 *
 * KN1 The answer keeps every budget. It is the best there is, unless the search was cut off at `NODES`, which is the same
 *     everywhere: then the best that was found.
 * KN2 Where not so many fit, it is as many as do.
 *
 * Branch and bound over Lagrange's relaxation: budgets are priced, entries ranked by what they cost at those prices, and the
 * sum of the cheapest that are left bounds every way on from here.
 */
export type Entry = {
  readonly cost: number;
  /** what it takes of each budget, not below zero */
  readonly takes: readonly number[];
};

const NODES = 200_000;
const PRICINGS = 40;

/** Indices of at most `n` entries. KN1, KN2 */
export function cheapest(entries: readonly Entry[], n: number, budgets: readonly number[]): number[] {
  for (let m = Math.min(n, mostThatFit(entries, budgets)); m > 0; m--) {
    const found = exactly(entries, m, budgets);
    if (found !== undefined) return found;
  }
  return [];
}

/** No more than this many keep each budget by itself. */
function mostThatFit(entries: readonly Entry[], budgets: readonly number[]): number {
  let fit = entries.length;
  for (const [k, budget] of budgets.entries()) {
    const sorted = Float64Array.from(entries, (e) => e.takes[k]!).sort();
    let [sum, count] = [0, 0];
    while (count < sorted.length && sum + sorted[count]! <= budget) sum += sorted[count++]!;
    fit = Math.min(fit, count);
  }
  return fit;
}

const within = (sums: readonly number[], budgets: readonly number[]): boolean => sums.every((s, k) => s <= budgets[k]!);

function exactly(entries: readonly Entry[], m: number, budgets: readonly number[]): number[] | undefined {
  const sumsOf = (of: readonly number[]): number[] =>
    budgets.map((_, k) => of.reduce((a, i) => a + entries[i]!.takes[k]!, 0));
  const costOf = (of: readonly number[]): number => of.reduce((a, i) => a + entries[i]!.cost, 0);
  let best: number[] | undefined;
  let least = Number.POSITIVE_INFINITY;
  const offer = (of: readonly number[]): void => {
    const cost = costOf(of);
    if (cost < least && within(sumsOf(of), budgets)) [best, least] = [[...of], cost];
  };

  // prices: what is overdrawn gets dearer (subgradients), and those with the highest bound are kept
  let prices = budgets.map(() => 0);
  let kept = { prices, bound: Number.NEGATIVE_INFINITY };
  const scale = budgets.map((b) => (b > 0 ? 1 / b : 1));
  const worth = Math.max(...entries.slice(0, 10_000).map((e) => Math.abs(e.cost)), 1e-12) * m;
  for (let step = 0; step < PRICINGS; step++) {
    const ranked = rank(prices).slice(0, m);
    offer(ranked);
    const sums = sumsOf(ranked);
    const bound = costOf(ranked) + prices.reduce((a, p, k) => a + p * (sums[k]! - budgets[k]!), 0);
    if (bound > kept.bound) kept = { prices, bound };
    if (step === 0 && within(sums, budgets)) return best; // without prices it fits: nothing is cheaper
    prices = prices.map((p, k) =>
      Math.max(p + (worth * scale[k]! * (sums[k]! - budgets[k]!) * scale[k]!) / (step + 1), 0),
    );
  }
  prices = kept.prices;

  const order = rank(prices);
  const reduced = order.map((i) => pricedAt(prices, entries[i]!));
  const sums = [0, ...reduced];
  for (let i = 1; i < sums.length; i++) sums[i]! += sums[i - 1]!;
  const offset = prices.reduce((a, p, k) => a + p * budgets[k]!, 0);
  const smallest = budgets.map((_, k) => {
    const from = new Float64Array(order.length + 1).fill(Number.POSITIVE_INFINITY);
    for (let i = order.length - 1; i >= 0; i--) from[i] = Math.min(from[i + 1]!, entries[order[i]!]!.takes[k]!);
    return from;
  });

  const chosen: number[] = []; // places in the order
  const taken = budgets.map(() => 0);
  let priced = 0;
  let next = 0;
  for (let node = 0; node < NODES; node++) {
    const need = m - chosen.length;
    if (need === 0) offer(chosen.map((j) => order[j]!));
    const bound =
      next + need <= order.length ? priced + sums[next + need]! - sums[next]! - offset : Number.POSITIVE_INFINITY;
    const hopeful =
      need > 0 && bound < least && taken.every((t, k) => t + need * smallest[k]![next]! <= budgets[k]! * (1 + 1e-12));
    if (hopeful) {
      const { takes } = entries[order[next]!]!;
      for (const k of taken.keys()) taken[k]! += takes[k]!;
      priced += reduced[next]!;
      chosen.push(next++);
      continue;
    }
    const last = chosen.pop(); // without it, and what comes after it
    if (last === undefined) break;
    priced -= reduced[last]!;
    for (const k of taken.keys()) taken[k]! -= entries[order[last]!]!.takes[k]!;
    next = last + 1;
  }
  return best;

  function rank(at: readonly number[]): number[] {
    const keys = entries.map((e) => pricedAt(at, e));
    return [...entries.keys()].sort((a, b) => keys[a]! - keys[b]! || a - b);
  }
}

const pricedAt = (prices: readonly number[], { cost, takes }: Entry): number =>
  prices.reduce((a, p, k) => a + p * takes[k]!, cost);
