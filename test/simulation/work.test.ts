/** How much each device does: WO of src/simulation/work.ts. */
import test from "ava";
import fc from "fast-check";
import { costOf, type Work } from "../../src/simulation/cost.ts";
import { deviceClass } from "../../src/simulation/device-class.ts";
import { type Device, Fleet } from "../../src/simulation/fleet.ts";
import { type PolicyName, policies, policy, workOf } from "../../src/simulation/work.ts";

const devices = (speeds: number[], samples = 1_000): Device[] =>
  speeds.map((speed, i) => {
    const fleet = new Fleet([deviceClass.parse({ count: 1_000, speed, samples })], 1);
    return fleet.look(i, { round: 1, seconds: 0 });
  });
const asked = { epochs: 4, batchSize: 10, samples: 100 };
const at = { seed: 5, round: 1 };
const work = (use: PolicyName, cohort: Device[], options = {}, base: Work = asked): Work[] =>
  workOf(base, policy.parse({ use, options }), cohort, at);

test("F27 static: what is asked for, as far as a device has the samples", (t) => {
  t.deepEqual(work("static", devices([1, 9])), [asked, asked]);
  t.deepEqual(work("static", devices([1], 30)), [{ ...asked, samples: 30 }]);
});

test("F27 best round time: epochs in proportion to the fastest of the cohort, wherever it stands, at least one", (t) => {
  const epochs = (speeds: number[]): number[] => work("best_round_time", devices(speeds)).map((w) => w.epochs);
  t.deepEqual(epochs([100, 50, 10]), [4, 2, 1]);
  t.deepEqual(epochs([10, 50, 100]), [1, 2, 4]);
});

test("F27 uniform: samples, epochs and batch sizes drawn for each device and round, within what is told", (t) => {
  const cohort = devices(new Array(200).fill(1));
  const plain = work("uniform", cohort);
  t.true(plain.every((w) => w.samples >= 20 && w.samples <= 100 && w.epochs === 4 && w.batchSize === 10));
  t.true(new Set(plain.map((w) => w.samples)).size > 50);
  const all = work("uniform", cohort, { epochs: [1, 3], batchSize: [8, 32], samples: [5, 9] });
  t.deepEqual([...new Set(all.map((w) => w.epochs))].sort(), [1, 2, 3]);
  t.true(all.every((w) => w.batchSize >= 8 && w.batchSize <= 32 && w.samples >= 5 && w.samples <= 9));
  const again = workOf(asked, policy.parse("uniform"), [...cohort].reverse(), at).reverse();
  t.deepEqual(again, plain, "by the device, not by its place in the cohort");
  t.notDeepEqual(workOf(asked, policy.parse("uniform"), cohort, { ...at, round: 2 }), plain);
  t.false(policy.safeParse({ use: "uniform", options: { epochs: [3, 1] } }).success);
});

test("F27 equal time: as many epochs as fit in it; who is too slow for one does a part of one", (t) => {
  const cohort = devices([1_000, 200, 20, 0.1]);
  const seconds = 0.15;
  const told = work("equal_time", cohort, { seconds });
  t.deepEqual(
    told.map((w) => [w.epochs, w.samples]),
    [
      [15, 100],
      [3, 100],
      [1, 30],
      [1, 1],
    ],
  );
  const computing = told.map((w, i) => costOf(cohort[i]!, w, { down: 0, up: 0 }).computeSeconds);
  t.true(
    computing.slice(0, 3).every((s) => Math.abs(s - seconds) < 1e-9),
    computing.join(),
  );
});

test("F27 by any policy everybody has something to do, nobody more samples than it has, and rating is no epoch", (t) => {
  const speeds = fc.array(fc.double({ min: 0.01, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 10 });
  const use = fc.constantFrom(...(Object.keys(policies) as PolicyName[]));
  const base = fc.record({
    epochs: fc.nat(5),
    batchSize: fc.integer({ min: 1, max: 64 }),
    samples: fc.integer({ min: 1, max: 500 }),
  });
  fc.assert(
    fc.property(use, speeds, fc.integer({ min: 1, max: 400 }), base, (name, of, samples, given) => {
      for (const w of work(name, devices(of, samples), {}, given)) {
        t.true(Number.isInteger(w.epochs) && Number.isInteger(w.samples) && w.samples >= 1 && w.samples <= samples);
        t.is(w.epochs === 0, given.epochs === 0);
      }
    }),
  );
});
