/** Devices drawn from the seed: CH, PR, QU, PS and FE of src/simulation. */
import test from "ava";
import fc from "fast-check";
import { type DeviceClass, deviceClass } from "../../src/simulation/device-class.ts";
import { Fleet } from "../../src/simulation/fleet.ts";
import { factorAt, profile } from "../../src/simulation/profile.ts";
import { quantity } from "../../src/simulation/quantity.ts";

const classes = (...given: object[]): DeviceClass[] => given.map((g, i) => deviceClass.parse({ name: `c${i}`, ...g }));
const fleet = (given: object, seed = 7): Fleet => new Fleet(classes({ count: 2_000, ...given }), seed);
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const at = (round: number, seconds = 0) => ({ round, seconds });
const mean = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0) / of.length;
const deviation = (of: readonly number[]): number => {
  const m = mean(of);
  return Math.sqrt(mean(of.map((x) => (x - m) ** 2)));
};

/** The reference's shipped configuration. */
const shipped = {
  available: 0.8,
  failure: 0.1,
  speed: { mean: 100, spread: 50, shape: "integers" },
  network: { up: { mean: 100_000, spread: 70_000, shape: "integers", wander: [0.01, 0.99] } },
  energy: { capacity: { mean: 25_000, spread: 20_000, shape: "integers", each: "round" }, compute: 100, network: 200 },
  samples: { mean: 1_500, spread: 300, shape: "integers" },
};

test("F07 speed, network, energy and data are drawn as the reference draws them: whole, within the half-width, even", (t) => {
  const f = fleet(shipped);
  const seen = upTo(f.size).map((i) => ({ ...f.look(i, at(1)), capacity: f.capacity(i, at(1)) }));
  for (const [of, low, high] of [
    [seen.map((d) => d.speed), 50, 149],
    [seen.map((d) => d.capacity), 5_000, 44_999],
    [seen.map((d) => d.samples), 1_200, 1_799],
  ] as const) {
    t.true(of.every((v) => Number.isInteger(v) && v >= low && v <= high));
    t.true(Math.abs(mean(of) - (low + high) / 2) < 0.05 * (high - low), `${mean(of)}`);
    t.true(Math.abs(deviation(of) - (high - low) / Math.sqrt(12)) < 0.03 * (high - low), `${deviation(of)}`);
  }
  t.true(seen.every((d) => d.up >= 0 && d.up < 240_000 && d.down === d.up && Number.isInteger(d.up)));
  t.deepEqual(new Set(upTo(50).map((i) => fleet({ speed: { mean: 9 } }).look(i, at(1)).speed)), new Set([9]));
});

test("F07 a device's network has a mean and a spread of its own", (t) => {
  const f = fleet(shipped);
  const rounds = upTo(400).map((r) => r + 1);
  const [a, b, c] = [1, 2, 3].map((i) => rounds.map((r) => f.look(i, at(r)).up)) as [number[], number[], number[]];
  const means = [a, b, c].map(mean);
  t.true(deviation(means) > 3_000, means.join());
  const all = upTo(300).map((i) => deviation(rounds.slice(0, 40).map((r) => f.look(i, at(r)).up)));
  t.true(Math.min(...all) < 5_000 && Math.max(...all) > 30_000, "some are steady, some are not");
});

test("F08 network and energy vary from round to round, speed and data do not", (t) => {
  const f = fleet(shipped);
  for (const i of [0, 17, 1_999]) {
    const rounds = upTo(20).map((r) => ({ ...f.look(i, at(r + 1)), capacity: f.capacity(i, at(r + 1)) }));
    t.is(new Set(rounds.map((d) => d.speed)).size, 1);
    t.is(new Set(rounds.map((d) => d.samples)).size, 1);
    t.true(new Set(rounds.map((d) => d.up)).size > 5);
    t.true(new Set(rounds.map((d) => d.capacity)).size > 15);
  }
});

test("availability and failure are drawn for each device and round, as often as they should be", (t) => {
  const f = fleet(shipped);
  const rounds = [1, 2, 3, 4, 5];
  const there = rounds.map((r) => f.available(at(r)).length / f.size);
  const failing = rounds.map((r) => upTo(f.size).filter((i) => f.fails(i, at(r))).length / f.size);
  t.true(Math.abs(mean(there) - 0.8) < 0.02, there.join());
  t.true(Math.abs(mean(failing) - 0.1) < 0.02, failing.join());
  t.notDeepEqual(f.available(at(1)), f.available(at(2)));
  t.deepEqual([...fleet({ available: 0 }).available(at(1))], []);
  t.is(fleet({ available: 1 }).available(at(1)).length, 2_000);
});

test("a device whose network stands still in a round is not available in it: no time is without end (FE3)", (t) => {
  const f = fleet({ network: { up: { choices: [0, 100], each: "round" } } });
  const there = f.available(at(3));
  t.true(there.length > 900 && there.length < 1_100);
  t.true([...there].every((i) => f.look(i, at(3)).up > 0));
});

test("what a device is like depends on the seed, its number and the round, not on what was looked at before (CH1, FE1)", (t) => {
  const order = fc.shuffledSubarray(upTo(40), { minLength: 1 });
  fc.assert(
    fc.property(fc.maxSafeNat(), order, fc.integer({ min: 1, max: 500 }), (seed, devices, round) => {
      const [one, other] = [fleet(shipped, seed), fleet(shipped, seed)];
      for (const i of devices) other.look(i, at(round));
      for (const i of devices) t.deepEqual(one.look(i, at(round)), other.look(i, at(round)));
    }),
    { numRuns: 50 },
  );
  const speeds = (seed: number): number[] => upTo(50).map((i) => fleet(shipped, seed).look(i, at(1)).speed);
  t.notDeepEqual(speeds(1), speeds(2));
  t.notDeepEqual(speeds(1), speeds(1 + 2 ** 32), "both halves of the seed count");
});

test("classes stand one after the other, each with its own (FE2)", (t) => {
  const f = new Fleet(classes({ count: 3, speed: 1 }, { count: 2, speed: 2 }), 1);
  t.is(f.size, 5);
  t.deepEqual(
    upTo(5).map((i) => f.look(i, at(1)).speed),
    [1, 1, 1, 2, 2],
  );
  t.throws(() => f.look(5, at(1)), { instanceOf: RangeError });
  t.is(new Fleet(classes({ count: 10_000_000 }), 1).look(9_999_999, at(1)).speed, 100, "and costs no memory");
});

test("churn: devices stay and stay away in stretches of the lengths asked for, the first round no other than the rest (PS2)", (t) => {
  const f = fleet({ available: { churn: { on: 10, off: 5 } } });
  t.true(Math.abs(f.available(at(1)).length / f.size - 2 / 3) < 0.04);
  t.true(Math.abs(f.available(at(60)).length / f.size - 2 / 3) < 0.04);
  let [leaves, was] = [0, 0];
  for (let i = 0; i < 400; i++) {
    for (let r = 20; r < 60; r++) {
      if (!f.isAvailable(i, at(r))) continue;
      was++;
      if (!f.isAvailable(i, at(r + 1))) leaves++;
    }
  }
  t.true(Math.abs(was / leaves - 10) < 1, `${was / leaves} rounds in the mean`);
  t.is(deviceClass.safeParse({ count: 1, available: { churn: { on: 1, off: 1 } } }).success, false);
});

test("F44 sine, square and sawtooth make a device's numbers go with the simulated time", (t) => {
  const wave = (given: object) => profile.parse({ period: "100s", amplitude: 0.5, ...given });
  const along = (given: object): number[] =>
    [0, 25, 50, 75, 100].map((s) => Math.round(factorAt(wave(given), s, 0) * 1e6) / 1e6);
  t.deepEqual(along({ wave: "sine" }), [1, 1.5, 1, 0.5, 1]);
  t.deepEqual(along({ wave: "square" }), [1.5, 1.5, 0.5, 0.5, 1.5]);
  t.deepEqual(along({ wave: "square", duty: 0.3 }), [1.5, 1.5, 0.5, 0.5, 1.5]);
  t.deepEqual(along({ wave: "sawtooth" }), [0.5, 0.75, 1, 1.25, 0.5]);
  t.deepEqual(along({ wave: "sine", shift: 0.25 }), [1.5, 1, 0.5, 1, 1.5]);
  const f = fleet({ speed: { mean: 100, profile: { wave: "sine", period: "1h", amplitude: 1 } } });
  t.is(f.look(0, at(1, 900)).speed, 200);
  t.false(f.isAvailable(0, at(1, 2_700)), "at the bottom it computes nothing");
  const shifted = fleet({ speed: { mean: 100, profile: { wave: "sine", period: "1h", shift: "device" } } });
  t.true(deviation(upTo(100).map((i) => shifted.look(i, at(1)).speed)) > 20, "each device at its own time of the day");
});

test("F44 a trace says the factor itself, once or again and again; availability goes with the day too", (t) => {
  const steps = [
    [10, 0.5],
    [20, 2],
  ];
  const along = (given: object): number[] =>
    [0, 10, 19, 20, 35, 60].map((s) => factorAt(profile.parse({ trace: steps, ...given }), s, 0));
  t.deepEqual(along({}), [0.5, 0.5, 0.5, 2, 2, 2]);
  t.deepEqual(along({ period: "30s" }), [2, 0.5, 0.5, 2, 2, 2]);
  t.is(profile.safeParse({ trace: [...steps].reverse() }).success, false);
  const night = fleet({ available: { chance: 0.5, profile: { wave: "square", period: "24h", amplitude: 1 } } });
  t.is(night.available(at(1, 3_600)).length, 2_000);
  t.is(night.available(at(1, 50_000)).length, 0);
});

test("a quantity says what it can mean, and never leaves its bounds (QU3)", (t) => {
  const refused = (q: unknown) => t.false(quantity.safeParse(q).success, JSON.stringify(q));
  refused({});
  refused({ mean: 1, choices: [1] });
  refused({ mean: 1, each: "round", wander: [0, 1] });
  refused({ mean: 1, least: 3, most: 2 });
  refused(-1);
  for (const shape of ["uniform", "integers", "normal", "lognormal", "exponential"]) {
    const f = fleet({ speed: { mean: 10, spread: 6, shape, least: 5, most: 12 } });
    const speeds = upTo(500).map((i) => f.look(i, at(1)).speed);
    t.true(
      speeds.every((v) => v >= 5 && v <= 12),
      shape,
    );
    t.true(new Set(speeds).size > 5, shape);
  }
});
