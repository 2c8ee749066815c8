/** Random data of given shapes. */
import test from "ava";
import { dummyShard } from "../../src/data/dummy-shard.ts";
import { loadShard, type ShardDescriptor } from "../../src/data/shard.ts";
import { FlError } from "../../src/errors.ts";

const load = (shard: ShardDescriptor) =>
  loadShard(shard, { name: "a", params: {}, seed: 1, signal: new AbortController().signal });

test("it passes a shard's checks, for class ids and for numbers; a quarter is for validation", async (t) => {
  const classes = await load(dummyShard({ sampleShape: [4, 4], targetShape: [3], size: 40 }));
  t.deepEqual([classes.train.size, classes.validation.size], [40, 10]);
  t.is(classes.train.samples.length, 40 * 16);
  t.true(classes.train.targets instanceof Int32Array);
  t.deepEqual([...new Set(classes.train.targets)].sort(), [0, 1, 2]);
  for (const targetShape of [[1], [2, 2]]) {
    const numbers = await load(dummyShard({ sampleShape: [3], targetShape, size: 8, validationSize: 3 }));
    t.true(numbers.train.targets instanceof Float32Array);
    t.is(numbers.validation.size, 3);
  }
});

test("its seed decides what it holds, and the two parts differ (DU1)", async (t) => {
  const of = async (seed?: number) =>
    load(dummyShard({ sampleShape: [8], targetShape: [2], size: 8, seed, validationSize: 8 }));
  const [a, again, other] = [await of(), await of(1), await of(2)];
  t.deepEqual(a, again);
  t.notDeepEqual(a.train.samples, other.train.samples);
  t.notDeepEqual(a.train.samples, a.validation.samples);
});

test("shapes and sizes that are none are refused", async (t) => {
  t.throws(() => dummyShard({ sampleShape: [0], targetShape: [2] }), { instanceOf: FlError });
  for (const size of [0, -1, 2.5, Number.NaN]) {
    const e = await t.throwsAsync(load(dummyShard({ sampleShape: [2], targetShape: [2], size })), {
      instanceOf: FlError,
    });
    t.is(e?.code, "FL_SHARD_INVALID");
  }
});
