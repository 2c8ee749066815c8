import test from "ava";
import { loadMnist } from "../../src/data/mnist.ts";
import mnistShard from "../../src/data/mnist-shard.ts";
import { loadShard, type Splits } from "../../src/data/shard.ts";

const load = (params: Record<string, unknown>): Promise<Splits> =>
  loadShard(mnistShard, { name: "a", params, seed: 1, signal: new AbortController().signal });

test("mnist: the real 60,000 and 10,000 images", async (t) => {
  const [train, held] = await Promise.all([loadMnist("train"), loadMnist("test")]);
  t.is(train.size, 60_000);
  t.is(train.images.length, 60_000 * 784);
  t.deepEqual([...train.labels.subarray(0, 5)], [5, 0, 4, 1, 9]);
  t.is(held.size, 10_000);
  t.deepEqual([...held.labels.subarray(0, 5)], [7, 2, 1, 0, 4]);
});

test("mnist: another folder without the files is refused", async (t) => {
  await t.throwsAsync(loadMnist("test", "/nowhere"), { code: "FL_SHARD_INVALID" });
});

test("mnist shard: parts are disjoint and validation is a share of the test images (S1, S2)", async (t) => {
  const digests = new Set<string>();
  let repeated = 0;
  for (const part of [0, 1]) {
    const { train, validation } = await load({ part, parts: 50, alpha: 0.5, seed: 3 });
    t.is(train.size, 1200);
    t.is(validation.size, 200);
    t.is(train.scale, 1 / 255);
    for (let i = 0; i < train.size; i++) {
      const image = Buffer.from(train.samples.subarray(i * 784, (i + 1) * 784)).toString("latin1");
      if (digests.has(image)) repeated++;
      digests.add(image);
    }
  }
  t.true(repeated <= 1); // MNIST itself holds next to no duplicates
});

test("mnist shard: limits cut, and 'all' validates on all", async (t) => {
  const cut = await load({ part: 1, parts: 5, trainLimit: 100, validationLimit: 50 });
  t.is(cut.train.size, 100);
  t.is(cut.validation.size, 50);
  const all = await load({ part: 1, parts: 5, trainLimit: 1, validation: "all" });
  t.is(all.validation.size, 10_000);
});

test("mnist shard: wrong parameters are refused", async (t) => {
  for (const params of [{ part: 5, parts: 5 }, { prats: 5 }, { alpha: -1 }, { validation: "none" }]) {
    await t.throwsAsync(load(params), { code: "FL_SHARD_INVALID" });
  }
});
