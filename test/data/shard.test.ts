import test from "ava";
import { checkShard, checkSplit, defineShard, loadShard, type Split } from "../../src/data/shard.ts";

const shapes = { sampleShape: [2, 2], targetShape: [3] };
const good: Split = { size: 2, samples: new Uint8Array(8), targets: Int32Array.of(0, 2) };
const context = { name: "a", params: {}, seed: 1, signal: new AbortController().signal };

test("defineShard: gives back what it checked, and checks it again when it is loaded", (t) => {
  const shard = defineShard({ description: "x", ...shapes, load: async () => ({ train: good, validation: good }) });
  t.deepEqual(checkShard(shard), shard);
});

test("D03 defineShard: a shape without dimensions is one number a sample", async (t) => {
  const split: Split = { size: 2, samples: Float32Array.of(1, 2), targets: Float32Array.of(3, 4) };
  const load = async () => ({ train: split, validation: split });
  const shard = defineShard({ description: "x", sampleShape: [], targetShape: [], load });
  await t.notThrowsAsync(loadShard(shard, context));
});

test("defineShard: a misspelt or missing key is named", (t) => {
  const load = async () => ({ train: good, validation: good });
  const wrong: [unknown, RegExp][] = [
    [{ description: "x", sampelShape: [2], sampleShape: [2], targetShape: [1], load }, /sampleShape/],
    [{ description: "x", sampleShape: [0], targetShape: [1], load }, /sampleShape/],
    [{ description: "x", sampleShape: [2], targetShape: [1] }, /load/],
    [undefined, /shard/],
    [() => 1, /shard/],
  ];
  for (const [value, says] of wrong) {
    t.regex(t.throws(() => checkShard(value), { code: "FL_SHARD_INVALID" }).message, says);
  }
});

test("checkSplit: class ids, one-hot and plain targets pass (D2)", (t) => {
  t.notThrows(() => checkSplit(good, shapes, "train"));
  t.notThrows(() => checkSplit({ ...good, targets: new Float32Array(6) }, shapes, "train"));
  t.notThrows(() => checkSplit({ ...good, targets: new Uint8Array(6) }, shapes, "train"));
  t.notThrows(() => checkSplit({ ...good, targets: Int32Array.of(-5, 7) }, { ...shapes, targetShape: [1] }, "train"));
});

test("checkSplit: a wrong length, class or value is refused and the split is named (D3)", (t) => {
  const wrong: [Partial<Split>, RegExp][] = [
    [{ size: 0 }, /size/],
    [{ size: 1.5 }, /size/],
    [{ samples: new Uint8Array(7) }, /7 sample values, expected 2 × 4/],
    [{ samples: [1, 2] as unknown as Uint8Array }, /samples must be/],
    [{ samples: Float32Array.of(0, 0, 0, 0, 0, Number.NaN, 0, 0) }, /sample value 5 is NaN/],
    [{ targets: Int32Array.of(0, 3) }, /class 3 of 3/],
    [{ targets: Int32Array.of(0, -1) }, /class -1 of 3/],
    [{ targets: new Float32Array(2) }, /2 target values/],
    [{ targets: Float32Array.of(0, 0, 0, 0, 0, Infinity) }, /target value 5/],
    [{ scale: Number.NaN }, /scale/],
  ];
  for (const [change, says] of wrong) {
    const e = t.throws(() => checkSplit({ ...good, ...change }, shapes, "validation"), { code: "FL_SHARD_INVALID" });
    t.regex(e.message, says);
    t.regex(e.message, /validation: /);
  }
});

test("loadShard: what load gives is checked", async (t) => {
  const shard = (splits: unknown) =>
    defineShard({ description: "x", ...shapes, load: async () => splits as { train: Split; validation: Split } });
  await t.notThrowsAsync(loadShard(shard({ train: good, validation: good }), context));
  await t.throwsAsync(loadShard(shard({ train: good }), context), { code: "FL_SHARD_INVALID" });
  await t.throwsAsync(loadShard(shard(undefined), context), { code: "FL_SHARD_INVALID" });
});
