/** Time, network and energy: CO and BA of src/simulation. */
import test from "ava";
import fc from "fast-check";
import { Batteries } from "../../src/simulation/batteries.ts";
import { type Cost, costOf, roundSeconds, secondsOf } from "../../src/simulation/cost.ts";
import { deviceClass } from "../../src/simulation/device-class.ts";
import { Fleet } from "../../src/simulation/fleet.ts";

const at = (round: number) => ({ round, seconds: 0 });
const fleetOf = (given: object, count = 10): Fleet => new Fleet([deviceClass.parse({ count, ...given })], 3);

test("F09 computing takes E·N/B/speed, a message P/speed each way, energy follows the seconds of both", (t) => {
  const fleet = fleetOf({ speed: 50, network: { up: 1_000, down: 4_000 }, energy: { compute: 100, network: 200 } });
  const cost = costOf(fleet.look(0, at(1)), { epochs: 2, batchSize: 16, samples: 100 }, { down: 8_000, up: 8_000 });
  t.deepEqual(cost, {
    batches: 12.5,
    computeSeconds: 0.25,
    downSeconds: 2,
    upSeconds: 8,
    energy: 100 * 0.25 + 200 * 10,
  });
  t.is(secondsOf(cost), 10.25);
});

test("F09 rating is one pass without learning, and a method that sends more takes longer", (t) => {
  const device = fleetOf({ network: { up: 1_000 } }).look(0, at(1));
  const rating = costOf(device, { epochs: 0, batchSize: 10, samples: 100 }, { down: 500, up: 500 });
  t.is(rating.batches, 10);
  const scaffold = costOf(device, { epochs: 0, batchSize: 10, samples: 100 }, { down: 1_000, up: 1_000 });
  t.is(scaffold.upSeconds, 2 * rating.upSeconds);
});

test("F09 a device that has fewer samples than asked for is charged for those it has (CO2)", (t) => {
  const device = fleetOf({ samples: 30, speed: 1 }).look(0, at(1));
  const work = { epochs: 1, batchSize: 10, samples: 100 };
  t.is(costOf(device, work, { down: 0, up: 0 }).computeSeconds, 3);
});

test("a round takes as long as its slowest, and no time without anybody (CO5)", (t) => {
  const cost = (seconds: number): Cost => ({
    batches: 0,
    computeSeconds: seconds,
    downSeconds: 1,
    upSeconds: 2,
    energy: 0,
  });
  t.is(roundSeconds([cost(1), cost(5), cost(3)]), 8);
  t.is(roundSeconds([]), 0);
  const many = Array.from({ length: 200_000 }, (_, i) => cost(i));
  t.is(roundSeconds(many), 200_002, "also of more than fit an argument list");
});

test("a battery runs down with what is spent, and whoever cannot pay for its part is left out (BA3)", (t) => {
  const fleet = fleetOf({ energy: { capacity: 100 } });
  const batteries = new Batteries(fleet);
  t.is(batteries.left(4, at(1)), 100);
  batteries.spend(4, 60, at(1));
  t.is(batteries.left(4, at(1)), 40);
  t.is(batteries.left(4, at(9)), 40, "nothing comes back");
  t.is(batteries.left(5, at(9)), 100);
  t.true(batteries.canPay(4, 40, at(2)));
  t.false(batteries.canPay(4, 41, at(2)));
});

test("a battery is charged round by round up to its capacity; an allowance of a round is new in each (BA2)", (t) => {
  const charged = new Batteries(fleetOf({ energy: { capacity: 100, recharge: 10 } }));
  charged.spend(0, 35, at(2));
  t.deepEqual(
    [2, 3, 4, 5, 6, 7].map((r) => charged.left(0, at(r))),
    [65, 75, 85, 95, 100, 100],
  );
  charged.spend(0, 20, at(5));
  t.is(charged.left(0, at(6)), 85);
  const fleet = fleetOf({ energy: { capacity: { mean: 50, spread: 20, each: "round" } } });
  const allowed = new Batteries(fleet);
  allowed.spend(0, 10, at(1));
  t.is(allowed.left(0, at(1)), fleet.capacity(0, at(1)) - 10);
  t.is(allowed.left(0, at(2)), fleet.capacity(0, at(2)));
});

test("without a capacity energy has no end and nothing is kept of it", (t) => {
  const batteries = new Batteries(fleetOf({ energy: { compute: 5 } }));
  batteries.spend(0, 1e12, at(1));
  t.is(batteries.left(0, at(1)), Number.POSITIVE_INFINITY);
});

test("no battery is ever below nothing or above what it holds", (t) => {
  const steps = fc.array(fc.tuple(fc.nat(3), fc.double({ min: 0, max: 300, noNaN: true })), { maxLength: 30 });
  fc.assert(
    fc.property(steps, fc.double({ min: 0, max: 50, noNaN: true }), (spendings, recharge) => {
      const batteries = new Batteries(fleetOf({ energy: { capacity: 100, recharge } }));
      let round = 1;
      for (const [pause, energy] of spendings) {
        round += pause;
        if (batteries.canPay(0, energy, at(round))) batteries.spend(0, energy, at(round));
        const left = batteries.left(0, at(round));
        t.true(left >= 0 && left <= 100);
      }
    }),
  );
});
