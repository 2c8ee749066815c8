/** Who is asked: SE, SG and OO of src/simulation, each selector's rule, and what all of them promise. */
import test from "ava";
import fc from "fast-check";
import { Random } from "../../src/data/random.ts";
import type { Cost } from "../../src/simulation/cost.ts";
import { History, type Part } from "../../src/simulation/history.ts";
import { cheapest, type Entry } from "../../src/simulation/knapsack.ts";
import { builtinSelector, builtinSelectors, select, size, wanted } from "../../src/simulation/selecting.ts";
import {
  type Cohort,
  defineSelector,
  type Prospect,
  type SelectorRound,
  sampleBy,
} from "../../src/simulation/selector.ts";

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const cost = (given: Partial<Cost> = {}): Cost => ({
  ...{ batches: 10, computeSeconds: 1, downSeconds: 0, upSeconds: 0, energy: 0 },
  ...given,
});
type Given = Partial<Omit<Prospect, "cost">> & { cost?: Partial<Cost> };
const prospect = (device: number, given: Given = {}): Prospect => ({
  ...{ device, speed: 1, up: 1, down: 1, energy: 1, samples: 10 },
  ...given,
  cost: cost(given.cost),
});
type PartGiven = Omit<Partial<Part>, "cost"> & { device: number; cost?: Partial<Cost> };
/** One past round for each list of parts, from round 1. */
function past(...rounds: (PartGiven[] | { mode: string; seconds?: number; parts: PartGiven[] })[]): History {
  const history = new History();
  for (const [i, given] of rounds.entries()) {
    const { mode, seconds = 1, parts } = Array.isArray(given) ? { mode: undefined, parts: given } : given;
    const told = parts.map((p): Part => {
      return { round: i + 1, done: true, loss: 1, samples: 10, ...p, cost: cost(p.cost) };
    });
    history.add({ round: i + 1, seconds, mode, parts: told });
  }
  return history;
}
/** Devices 0, 1, 2 … of these, all there but for the `away`. */
function round(devices: Given[], given: Partial<SelectorRound> & { away?: number[] } = {}): SelectorRound {
  const { away = [], history = new History(), ...rest } = given;
  const available = Uint32Array.from(upTo(devices.length).filter((d) => !away.includes(d)));
  const now = (history.rounds.at(-1)?.round ?? 0) + 1;
  const look = (d: number): Prospect => prospect(d, devices[d]);
  const fixed = { round: now, rounds: 100, registered: devices.length, size: 2, random: new Random(1) };
  return { ...fixed, available, look, history, ...rest };
}
const chosen = (name: string, r: SelectorRound, options = {}): readonly number[] =>
  builtinSelector(name, options).select(r).devices;

const numbers = fc.record({
  speed: fc.double({ min: 0.1, max: 1e3, noNaN: true }),
  up: fc.double({ min: 1, max: 1e6, noNaN: true }),
  down: fc.double({ min: 1, max: 1e6, noNaN: true }),
  energy: fc.oneof(fc.double({ min: 0, max: 1e5, noNaN: true }), fc.constant(Number.POSITIVE_INFINITY)),
  samples: fc.integer({ min: 1, max: 2_000 }),
  cost: fc.record({
    batches: fc.double({ min: 0.1, max: 1e3, noNaN: true }),
    computeSeconds: fc.double({ min: 0.01, max: 10, noNaN: true }),
    upSeconds: fc.double({ min: 0.01, max: 10, noNaN: true }),
    downSeconds: fc.double({ min: 0.01, max: 10, noNaN: true }),
    energy: fc.double({ min: 0, max: 3_000, noNaN: true }),
  }),
});
const worlds = fc
  .record({
    devices: fc.array(numbers, { minLength: 1, maxLength: 25 }),
    rounds: fc.array(
      fc.array(
        fc.record({ device: fc.nat(24), done: fc.boolean(), loss: fc.double({ min: 0, max: 9, noNaN: true }) }),
        {
          maxLength: 8,
        },
      ),
      { maxLength: 6 },
    ),
    away: fc.array(fc.nat(24), { maxLength: 20 }),
    size: fc.integer({ min: 1, max: 30 }),
    seed: fc.maxSafeNat(),
  })
  .map(({ devices, rounds, away, size, seed }) => {
    const there = devices.length - new Set(away.filter((d) => d < devices.length)).size;
    const once = rounds.map((parts) => [
      ...new Map(parts.filter((p) => p.device < devices.length).map((p) => [p.device, p])).values(),
    ]);
    return () =>
      round(devices, { away, size: Math.min(size, there), history: past(...once), random: new Random(seed) });
  });
/** who may ask fewer than are wanted, as their rule has it */
const sparing = new Set(["dynamic_sampling", "limited_time", "limited_consumption"]);

for (const [name, part] of Object.entries(builtinSelectors)) {
  test(`${name}: never an unavailable device, nobody twice, as many as wanted, and the same for the same seed`, (t) => {
    fc.assert(
      fc.property(worlds, (world) => {
        const r = world();
        const { devices } = part.create().select(r);
        t.true(devices.every((d) => r.available.includes(d)));
        t.is(new Set(devices).size, devices.length);
        t.true(sparing.has(name) ? devices.length <= r.size : devices.length === r.size, `${devices} of ${r.size}`);
        t.deepEqual(part.create().select(world()).devices, devices);
      }),
      { numRuns: 150 },
    );
  });
}

const unlike = (
  t: { notDeepEqual(a: unknown, b: unknown): unknown },
  name: string,
  r: (seed: number) => SelectorRound,
) =>
  t.notDeepEqual(
    upTo(10).map((s) => chosen(name, r(s))),
    upTo(10).map((s) => chosen(name, r(s + 50))),
  );
const many = upTo(50).map(() => ({}));

test("F14 random: each available device is as likely as another", (t) => {
  const counts = new Array<number>(10).fill(0);
  for (let s = 0; s < 2_000; s++) {
    for (const d of chosen("random", round(many.slice(0, 10), { away: [4], size: 3, random: new Random(s) })))
      counts[d]!++;
  }
  t.is(counts[4], 0);
  for (const d of [0, 1, 2, 3, 5, 6, 7, 8, 9]) t.true(Math.abs(counts[d]! - 667) < 90, counts.join());
  unlike(t, "random", (s) => round(many, { size: 5, random: new Random(s) }));
});

test("F15 best_ips: the fastest computers that are there, from the first round on", (t) => {
  const devices = [5, 9, 7, 8].map((speed) => ({ speed }));
  t.deepEqual(chosen("best_ips", round(devices)), [1, 3]);
  t.deepEqual(chosen("best_ips", round(devices, { away: [1] })), [2, 3]);
});

test("F16 best_net_speed: the fastest networks of this round, both ways counted", (t) => {
  t.deepEqual(chosen("best_net_speed", round([5, 9, 7, 8].map((v) => ({ up: v, down: v })))), [1, 3]);
  const oneway = [
    { up: 1, down: 1_000 },
    { up: 10, down: 10 },
    { up: 9, down: 9 },
  ];
  t.deepEqual(chosen("best_net_speed", round(oneway)), [1, 2]);
});

test("F17 best_energy: those with the most energy left", (t) => {
  const devices = [5, 9, Number.POSITIVE_INFINITY, 8].map((energy) => ({ energy }));
  t.deepEqual(chosen("best_energy", round(devices)), [1, 2]);
});

test("F18 dynamic_sampling: size / e^(decay·r) at random, at least one, how fast in the configuration", (t) => {
  const of = (n: number, options = {}): number =>
    chosen("dynamic_sampling", round(many, { round: n, size: 20 }), options).length;
  t.deepEqual(
    [1, 2, 3, 11, 60].map((n) => of(n)),
    [20, 18, 16, 7, 1],
  );
  t.deepEqual(
    [1, 2, 3].map((n) => of(n, { decay: Math.LN2 })),
    [20, 10, 5],
  );
  t.is(of(60, { least: 4 }), 4);
  unlike(t, "dynamic_sampling", (s) => round(many, { size: 5, random: new Random(s) }));
});

test("F19 best_round_time: those whose computing and sending take the least, of those that are there", (t) => {
  const devices = [
    { cost: { computeSeconds: 1, upSeconds: 5 } },
    { cost: { computeSeconds: 4 } },
    { cost: { computeSeconds: 1, downSeconds: 2 } },
    { cost: { computeSeconds: 9 } },
  ];
  t.deepEqual(chosen("best_round_time", round(devices)), [1, 2]);
  t.deepEqual(chosen("best_round_time", round(devices, { away: [1, 2] })), [0, 3]);
});

test("F20 ucb_cs: p·(L/N + sqrt(2σ² ln T / N)) over the rounds that have been; the untried come first, the rest is a number", (t) => {
  const history = past(
    [
      { device: 0, loss: 3 },
      { device: 1, loss: 1 },
    ],
    [
      { device: 1, loss: 2 },
      { device: 2, loss: 0.5 },
    ],
  );
  t.deepEqual(chosen("ucb_cs", round(many.slice(0, 5), { history })), [3, 4], "never tried");
  const three = { history, size: 1 };
  const { gamma, delta } = { gamma: 0.5, delta: 0.1 };
  const T = 1.5;
  const score = (L: number, N: number): number => L / N + Math.sqrt((2 * delta ** 2 * Math.log(T)) / N);
  const scores = [score(1.5, 0.5), score(0.5 + 2, 1.5), score(0.5, 1)];
  t.deepEqual(chosen("ucb_cs", round(many.slice(0, 3), three), { gamma, delta }), [
    scores.indexOf(Math.max(...scores)),
  ]);
  const wide = chosen("ucb_cs", round([{ samples: 10 }, { samples: 10 }, { samples: 900 }], three), { gamma, delta });
  t.deepEqual(wide, [2], "the share of samples counts");
  const failed = past([
    { device: 0, loss: 9, done: false },
    { device: 1, loss: 1 },
  ]);
  t.deepEqual(chosen("ucb_cs", round(many.slice(0, 2), { history: failed, size: 1 })), [0], "who failed was not tried");
  const old = past([{ device: 0 }], ...upTo(600).map(() => [{ device: 1 }]));
  t.deepEqual(
    chosen("ucb_cs", round(many.slice(0, 2), { history: old, size: 1 })),
    [0],
    "what is long ago is forgotten",
  );
});

test("F21 best_time_expected: fast, steady and seldom asked; the variance is that of its parts", (t) => {
  const parts = (device: number, ...seconds: number[]) => seconds.map((upSeconds) => ({ device, cost: { upSeconds } }));
  const columns = [parts(0, 4, 4), parts(1, 1, 7), parts(2, 9, 9)];
  const history = past(...[0, 1].map((r) => columns.map((c) => c[r]!)));
  const r = round(
    upTo(3).map(() => ({ cost: { computeSeconds: 0 } })),
    { history, size: 1 },
  );
  const by = (options: object) => chosen("best_time_expected", r, options);
  t.deepEqual(by({ time: 1, variance: 0, fairness: 0 }), [0], "4 against the root of 25, and 9");
  t.deepEqual(by({ time: 0, variance: 1, fairness: 0 }), [0], "9 for the second; equals by number");
  const often = past([{ device: 0 }, { device: 1 }], [{ device: 0 }]);
  const fair = round(many.slice(0, 2), { history: often, size: 1 });
  t.deepEqual(chosen("best_time_expected", fair, { time: 0, variance: 0, fairness: 1 }), [1]);
  unlike(t, "best_time_expected", (s) => round(many, { size: 5, random: new Random(s) }));
});

test("F22 budgeted_fairness_rotation: fast and lossy in turn, the least selected once selections differ too much", (t) => {
  const devices = [{ cost: { computeSeconds: 3 } }, { cost: { computeSeconds: 1 } }, { cost: { computeSeconds: 2 } }];
  const all = upTo(3).map((device) => ({ device, loss: [1, 2, 9][device]! }));
  const at = (history: History, options = {}): Cohort =>
    builtinSelector("budgeted_fairness_rotation", options).select(round(devices, { history, size: 1 }));
  t.deepEqual(at(past(all)), { devices: [1], mode: "time" });
  t.deepEqual(at(past(all, { mode: "time", parts: all })), { devices: [2], mode: "loss" });
  t.deepEqual(at(past(all, { mode: "time", parts: all }, { mode: "loss", parts: all })).mode, "time");
  const uneven = past(all, { mode: "time", parts: [{ device: 1 }] }, { mode: "loss", parts: [{ device: 2 }] });
  t.deepEqual(at(uneven, { budget: 0.1 }), { devices: [0], mode: "fairness" });
  t.is(at(uneven, { budget: 2 }).mode, "time");
  t.is(at(uneven).mode, "fairness", "deviation 0.47 against 0.125 · 3");
  t.is(at(uneven, { growth: 0.2 }).mode, "time");
});

test("F23 budgeted_time_rotation: the fastest while rounds are too long; else by loss and by selections, as told", (t) => {
  const devices = [{ cost: { computeSeconds: 3 } }, { cost: { computeSeconds: 1 } }, { cost: { computeSeconds: 2 } }];
  const all = upTo(3).map((device) => ({ device, loss: [1, 2, 9][device]! }));
  const at = (history: History, options = {}): Cohort =>
    builtinSelector("budgeted_time_rotation", options).select(round(devices, { history, size: 1 }));
  const took = (seconds: number, mode = "none", parts: PartGiven[] = all) => ({ mode, seconds, parts });
  t.deepEqual(at(past(took(10)), { budget: 7 }), { devices: [1], mode: "time" });
  t.deepEqual(at(past(took(5)), { budget: 7 }), { devices: [2], mode: "loss" });
  t.deepEqual(at(past(took(5, "loss", [{ device: 1 }, { device: 2 }])), { budget: 7 }), {
    devices: [0],
    mode: "fairness",
  });
  t.is(at(past(took(5, "loss")), { budget: 7, loss: 2 }).mode, "loss");
  t.is(at(past(took(5, "loss"), took(5, "fairness")), { budget: 7, fairness: 1 }).mode, "loss");
  t.is(at(past(took(5, "loss"), took(5, "fairness")), { budget: 7 }).mode, "fairness");
  t.is(at(past(took(5))).mode, "loss", "auto, after one round: that round");
  t.is(
    at(past(took(2, "time"), took(9), took(9), took(9), took(9))).mode,
    "time",
    "auto: the mean is above most of 2 to 9",
  );
});

test("F24 limited_time: those within the limits by loss; nobody, not everybody, where none is", (t) => {
  const devices = [1, 6, 3, 2].map((computeSeconds) => ({ cost: { computeSeconds } }));
  const history = past(upTo(4).map((device) => ({ device, loss: device, cost: { upSeconds: 1 } })));
  const at = (options: object, size = 2) => chosen("limited_time", round(devices, { history, size }), options);
  t.deepEqual(at({}), [2, 3]);
  t.deepEqual(at({ total: 3.5 }), [0, 3]);
  t.deepEqual(at({ total: null }), [2, 3]);
  t.deepEqual(at({ total: null, compute: 1 }), [0]);
  t.deepEqual(at({ total: null, network: 0.5 }), []);
  t.deepEqual(at({ total: 0.5 }, 4), []);
  t.deepEqual(at({ total: "auto" }, 4), [0, 2, 3], "mean 4 and deviation 1.5; the slowest is out");
  const fresh = past([{ device: 0, loss: 5, cost: { upSeconds: 100 } }]);
  t.deepEqual(
    chosen("limited_time", round(devices, { history: fresh, size: 4 })),
    [1, 2, 3],
    "who has shown no time may",
  );
});

test("F25 limited_consumption: the least sum of 1/loss within the budgets, exactly; as many as fit where not all do", (t) => {
  const devices = [40, 10, 10, 30].map((energy) => ({ cost: { energy, batches: energy / 10 } }));
  const history = past([9, 1, 2, 8].map((loss, device) => ({ device, loss })));
  const at = (options: object, size = 2) => chosen("limited_consumption", round(devices, { history, size }), options);
  t.deepEqual(at({ energy: 100 }), [0, 3]);
  t.deepEqual(at({ energy: 50 }), [0, 2]);
  t.deepEqual(at({ energy: 40 }), [2, 3]);
  t.deepEqual(at({ energy: 25 }), [1, 2]);
  t.deepEqual(at({ energy: 15 }), [2], "one fits: the better one");
  t.deepEqual(at({ energy: 5 }), []);
  t.deepEqual(at({ energy: null, batches: 4 }), [2, 3]);
  t.deepEqual(at({ energy: null }, 3), [0, 2, 3]);
  t.deepEqual(at({ energy: null, network: 0 }), [0, 3]);
  const untried = past([{ device: 1, loss: 5 }]);
  t.deepEqual(chosen("limited_consumption", round(devices, { history: untried, size: 1 }), { energy: 30 }), [2]);
});

test("the budgets' program is solved exactly, whatever the costs and the budgets", (t) => {
  const entry = fc.record({ cost: fc.nat(50), takes: fc.tuple(fc.nat(20), fc.nat(20)) });
  const entries = fc.array(entry, { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(entries, fc.integer({ min: 1, max: 10 }), fc.tuple(fc.nat(80), fc.nat(80)), (list, n, budgets) => {
      const found = cheapest(list, n, budgets);
      const sum = (of: readonly number[], what: (e: Entry) => number) => of.reduce((a, i) => a + what(list[i]!), 0);
      const fits = (of: readonly number[]) => budgets.every((b, k) => sum(of, (e) => e.takes[k]!) <= b);
      t.true(fits(found) && new Set(found).size === found.length);
      const sets = upTo(2 ** list.length).map((bits) => upTo(list.length).filter((i) => (bits >> i) & 1));
      const possible = sets.filter((s) => s.length <= n && fits(s));
      const count = Math.max(...possible.map((s) => s.length));
      const least = Math.min(...possible.filter((s) => s.length === count).map((s) => sum(s, (e) => e.cost)));
      t.is(found.length, count);
      t.is(
        sum(found, (e) => e.cost),
        least,
      );
    }),
    { numRuns: 150 },
  );
});

test("a thousand devices within a budget take no search without end", (t) => {
  const random = new Random(3);
  const list = upTo(1_000).map(() => ({ cost: random.float(), takes: [random.float()] }));
  const found = cheapest(list, 300, [90]);
  t.is(found.length, 300);
  t.true(found.reduce((a, i) => a + list[i]!.takes[0]!, 0) <= 90);
});

test("Oort: utility by samples and loss, less for the slow, and a share of those never tried by their speed", (t) => {
  const shown = [
    { device: 0, loss: 2, cost: { computeSeconds: 1 } },
    { device: 1, loss: 3, cost: { computeSeconds: 1 } },
    { device: 2, loss: 4, cost: { computeSeconds: 40 } },
    { device: 3, loss: 1, cost: { computeSeconds: 1 } },
  ];
  const history = past(shown);
  const exploit = { explore: 0, least: 0, cutoff: 1, clip: 1, doubt: 0 };
  const devices = upTo(6).map(() => ({}));
  const at = (options: object, size = 2) =>
    chosen("oort", round(devices, { history, size }), { ...exploit, ...options });
  t.deepEqual(at({}), [0, 1], "the one with the largest loss is far too slow");
  t.deepEqual(at({ alpha: 0 }), [1, 2]);
  t.deepEqual(at({ explore: 1, decay: 1 }), [4, 5], "all are to be new");
  t.deepEqual(at({ explore: 1, decay: 1 }, 3).length, 3);
  t.deepEqual(at({ explore: 0.5, decay: 1, least: 0.5 }).filter((d) => d >= 4).length, 1);
  t.deepEqual(at({ retire: 1 }, 2), [4, 5], "who has served is done");
  const known = past(shown.map((p) => ({ ...p, ...(p.device === 0 ? { rootLoss: 90 } : {}) })));
  t.deepEqual(
    chosen("oort", round(devices, { history: known, size: 1 }), exploit),
    [0],
    "the root of squares, if known",
  );
});

test("Oort waits for slower devices once rounds teach less: the pacer", (t) => {
  const part = (loss: number) => [
    { device: 0, loss, cost: { computeSeconds: 1 } },
    { device: 1, loss: 3 * loss, cost: { computeSeconds: 10 } },
  ];
  const at = (losses: number[]) =>
    chosen("oort", round(many.slice(0, 2), { history: past(...losses.map(part)), size: 1 }), {
      ...{ explore: 0, least: 0, cutoff: 1, clip: 1, doubt: 0, window: 2, percentile: 50, pace: 50 },
    });
  t.deepEqual(at([5, 5, 5, 5]), [0]);
  t.deepEqual(at([5, 5, 4, 4]), [1]);
});

test("Power-of-Choice: of some drawn by samples, those with the largest loss", (t) => {
  const history = past(upTo(6).map((device) => ({ device, loss: device })));
  const devices = upTo(6).map((d) => ({ samples: d === 5 ? 0 : 10 }));
  const all = { history, size: 2 };
  t.deepEqual(
    chosen("power_of_choice", round(devices, all), { factor: 2.5 }),
    [3, 4],
    "nobody draws what has no samples",
  );
  t.deepEqual(chosen("power_of_choice", round(devices, all), { factor: 3 }), [4, 5], "all are drawn");
  unlike(t, "power_of_choice", (s) => round(many, { size: 5, random: new Random(s) }));
});

test("drawing by weight is in proportion to it", (t) => {
  const counts = [0, 0, 0];
  for (let s = 0; s < 4_000; s++) counts[sampleBy([0, 1, 2], 1, (d) => [1, 3, 0][d]!, new Random(s))[0]!]!++;
  t.true(Math.abs(counts[1]! / counts[0]! - 3) < 0.3, counts.join());
  t.is(counts[2], 0);
});

test("what a selector of one's own returns is checked (SE2)", (t) => {
  const part = (devices: number[]) => defineSelector({ name: "mine", select: () => devices }).create();
  const refused = (devices: number[], says: RegExp) => {
    const e = t.throws(() => part(devices).select(round(many.slice(0, 4), { away: [3] })), { code: "FL_PART_FAILED" });
    t.regex(e!.message, says);
  };
  refused([3], /selector mine: it chose 3, which is not available/);
  refused([9], /chose 9/);
  refused([0, 0], /twice/);
  refused([0, 1, 2], /chose 3 devices, 2 are wanted/);
  t.deepEqual(part([2, 0]).select(round(many.slice(0, 4))).devices, [0, 2]);
});

test("a selector that draws makes up no device: the fleet is not looked at (SE3)", (t) => {
  const blind: SelectorRound = {
    ...round(many, { size: 5 }),
    look: () => t.fail("looked at") as never,
  };
  t.is(chosen("random", blind).length, 5);
  t.is(chosen("dynamic_sampling", blind).length, 5);
});

test("sizes: a share of those that are there, rounded down but one at least; a number; all", (t) => {
  const of = (given: unknown, available: number) => wanted(size.parse(given), available);
  t.deepEqual([of("50%", 15), of("50%", 1), of("50%", 0), of("10%", 100), of("29%", 100)], [7, 1, 0, 10, 29]);
  t.deepEqual([of(10, 100), of(10, 4), of("all", 12)], [10, 4, 12]);
  for (const bad of [0, -1, 1.5, "0%", "120%", "some"]) t.false(size.safeParse(bad).success, String(bad));
});

test("a selector's options are checked with the configuration, the nearest name with what is none", (t) => {
  const says = (given: unknown): string =>
    select
      .safeParse(given)
      .error!.issues.map((i) => i.message)
      .join();
  t.deepEqual(select.parse("ucb_cs"), { use: "ucb_cs", options: { gamma: 0.2, delta: 10 } });
  t.regex(says("ort"), /did you mean oort/);
  t.regex(says({ use: "ucb_cs", options: { gama: 1 } }), /not a key; did you mean gamma/);
  t.throws(() => builtinSelector("oort", { explore: 2 }), { code: "FL_CONFIG_INVALID" });
});
