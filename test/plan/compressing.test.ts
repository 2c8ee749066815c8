import test from "ava";
import { explain } from "../../src/plan/explain.ts";
import { readPlan, readWritten } from "../../src/plan/load.ts";
import { parsePlan, planDigest } from "../../src/plan/plan.ts";

const plan = (more: object) => parsePlan({ version: 1, rounds: 1, ...more });
const compression = (written: unknown) => plan({ compression: written }).compression;
const none = [{ use: "none" }];

test("compression: a bare name is short for one codec, one codec for a list of it; defaults are filled in", (t) => {
  const int8 = { use: "int8", block: 256, rounding: "nearest" };
  t.deepEqual(plan({}).compression, { up: none, down: none, exactBelow: 100 });
  t.deepEqual(compression({ up: "int8" }).up, [int8]);
  t.deepEqual(compression({ up: { use: "int8" } }).up, [int8]);
  t.deepEqual(compression({ up: ["topk", { use: "int8", block: 64 }] }).up, [
    { use: "topk", fraction: 0.01, feedback: true },
    { ...int8, block: 64 },
  ]);
});

test("compression: a parsed plan is a plan, and the short form has the digest of the long one", (t) => {
  const short = plan({ compression: { up: "stc" } });
  t.deepEqual(parsePlan(short), short);
  const long = plan({
    delta: true,
    compression: { up: [{ use: "stc", fraction: 0.01, feedback: true }], exactBelow: 100 },
  });
  t.is(planDigest(long), planDigest(short));
  t.not(planDigest(plan({})), planDigest(short));
});

test("compression: updates are differences then, and a plan that says otherwise is refused", (t) => {
  t.true(plan({ compression: { up: "f16" } }).delta);
  t.false(plan({ compression: { up: "none" } }).delta);
  t.false(plan({}).delta);
  t.notThrows(() => plan({ delta: false, compression: { up: "none" } }));
  t.throws(() => plan({ delta: false, compression: { up: "f16" } }), {
    code: "FL_PLAN_INVALID",
    message: /delta must not be false with compression\.up: what is compressed is the difference/,
  });
});

test("compression: what is no codec, no option or no chain is refused with the reason and the nearest name", (t) => {
  const cases: [unknown, RegExp][] = [
    ["topc", /up\[0\]\.use must be one of none, .*got "topc" \(did you mean topk\?\)/],
    [{ use: "int8", blok: 32 }, /up\[0\]\.blok is not a key; did you mean block\?/],
    [{ use: "f16", bits: 3 }, /up\[0\]\.bits is not a key; the keys here are: none/],
    [{ use: "eden", bits: 9 }, /up\[0\]\.bits must be at most 8, got 9/],
    [{ use: "topk", fraction: 0 }, /up\[0\]\.fraction must be more than 0, got 0/],
    [{ use: "kmeans", clusters: 1 }, /up\[0\]\.clusters must be at least 2, got 1/],
    [["int8", "topk"], /up\[1\]\.use must not be topk after int8: what is packed are bytes/],
    [["int8", "f16"], /up\[1\]\.use must not be f16 after int8/],
    [["topk", "randomk"], /up\[1\]\.use must not be randomk after topk: one codec chooses/],
    [["topk", "stc"], /up\[1\]\.use must not be stc after topk: stc chooses by itself/],
    [["stc", "int8"], /up\[1\]\.use must not be int8 after stc/],
    [["none", "int8"], /up\[1\]\.use must be none alone/],
    [[], /up must have at least 1 entries/],
  ];
  for (const [up, message] of cases) t.throws(() => compression({ up }), { code: "FL_PLAN_INVALID", message });
  t.throws(() => compression({ upp: "int8" }), { message: /compression\.upp is not a key; did you mean up\?/ });
});

test("compression: a mistake has its line, and what was written is told from what was filled in", (t) => {
  t.throws(() => readPlan("version: 1\nrounds: 1\ncompression:\n  up:\n    - { use: int8, blok: 3 }\n"), {
    message: /5:\d+ compression\.up\[0\]\.blok/,
  });
  const from = (text: string) =>
    Object.fromEntries(
      explain(readWritten(`version: 1\nrounds: 1\ncompression:\n${text}`)).map((o) => [o.path, o.from]),
    );
  for (const text of ["  up: int8", "  up: [int8]", "  up: { use: int8 }"]) {
    const origins = from(text);
    t.is(origins["compression.up[0].use"], "file", text);
    t.is(origins["compression.up[0].block"], "default", text);
    t.is(origins["compression.exactBelow"], "default");
  }
  t.is(from("  up: { use: int8, block: 32 }")["compression.up[0].block"], "file");
});

test("compression: feddyn refuses what drops for good, and nothing else does", (t) => {
  const feddyn = (up: unknown) => plan({ aggregation: "feddyn", compression: { up } });
  for (const use of ["topk", "stc"]) {
    t.throws(() => feddyn({ use, feedback: false }), {
      message: new RegExp(`compression\\.up must not be ${use} without feedback for feddyn`),
    });
    t.notThrows(() => feddyn(use));
    t.notThrows(() => plan({ compression: { up: { use, feedback: false } } }));
  }
  t.notThrows(() => feddyn("int8"));
});
