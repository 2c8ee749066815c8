import test from "ava";
import { parsePlan } from "../../src/plan/plan.ts";
import { isTimeToStop, type Plateau, plateauAfter } from "../../src/plan/rating.ts";

const stopOf = (stop: object) => parsePlan({ version: 1, rounds: 9, stop: { metric: "train.loss", ...stop } }).stop!;
const reason = (stop: object): string => {
  try {
    stopOf(stop);
  } catch (e) {
    return String((e as { detail: { reason: string } }).detail.reason);
  }
  throw new Error("nothing was wrong");
};

/** After which of these rounds it is time to stop; undefined if after none. */
function stops(written: object, values: readonly (number | undefined)[]): number | undefined {
  const stop = stopOf(written);
  let plateau: Plateau | null = null;
  for (const [i, value] of values.entries()) {
    plateau = plateauAfter(stop, plateau, value);
    if (isTimeToStop(stop, plateau, value)) return i + 1;
  }
  return undefined;
}

test("stop: the target counts from its own value on", (t) => {
  t.is(stops({ atLeast: 0.2 }, [0.1, 0.19]), undefined);
  t.is(stops({ atLeast: 0.2 }, [0.1, 0.2]), 2);
  t.is(stops({ atMost: 0.2 }, [0.3, 0.2, 0.1]), 2);
  t.is(stops({ atMost: 0.2 }, [undefined, 0.3]), undefined);
});

test("stop: patience counts the rounds since something was better (RA2)", (t) => {
  t.is(stops({ patience: 2 }, [5, 4, 3, 2, 1]), undefined, "a loss that falls");
  t.is(stops({ patience: 2 }, [5, 4, 4, 6]), 4);
  t.is(stops({ patience: 2, mode: "max" }, [5, 4, 3]), 3);
  t.is(stops({ patience: 1 }, [5]), undefined, "the first value is the best so far");
});

test("stop: what is better by no more than delta is not better (RA2)", (t) => {
  t.is(stops({ patience: 2, delta: 0.5 }, [5, 4.6, 4.6]), 3);
  t.is(stops({ patience: 2, delta: 0.5 }, [5, 4.4, 4.6, 3.8]), undefined);
});

test("stop: a round without the metric does not count (RA2)", (t) => {
  t.is(stops({ patience: 2 }, [5, undefined, Number.NaN, undefined, 6]), undefined);
  t.is(stops({ patience: 2 }, [undefined, 5, undefined, 6, 7]), 5);
});

test("stop: a target and patience together, whichever comes first", (t) => {
  t.is(stops({ atMost: 1, patience: 3 }, [5, 1]), 2);
  t.is(stops({ atMost: 1, patience: 2 }, [5, 5, 5, 0]), 3);
});

test("stop: a metric is compared by what it is compared with, else by its name (RA1)", (t) => {
  t.is(stopOf({ atLeast: 1 }).mode, "max");
  t.is(stopOf({ atMost: 1 }).mode, "min");
  t.is(stopOf({ patience: 1 }).mode, "min");
  t.is(stopOf({ metric: "train.accuracy", patience: 1 }).mode, "max");
  t.regex(reason({ atLeast: 1, mode: "min" }), /must not have a mode against its target/);
  t.regex(reason({ atLeast: 1, atMost: 2 }), /must not have both atLeast and atMost/);
  t.regex(reason({ patience: 0 }), /stop\.patience must be at least 1/);
});
