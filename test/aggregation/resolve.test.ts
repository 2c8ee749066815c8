/** The placements of an aggregation that need no other process, and what a module is held to. */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import test from "ava";
import { checkAggregation } from "../../actors/aggregation/guarded.ts";
import { RemoteAggregation } from "../../actors/aggregation/remote.ts";
import { localAggregation, resolveAggregation } from "../../actors/aggregation/resolve.ts";
import { FlError } from "../../src/errors.ts";
import { type Aggregation, defineAggregation } from "../../src/parts/aggregation.ts";
import { bundleWorkspace } from "../../src/workspace/bundle.ts";
import { openArchive } from "../../src/workspace/open.ts";
import { aggregate } from "../contract/aggregation.ts";
import { testWorld } from "../support/ports.ts";
import { temporaryDir } from "../support/server.ts";

const place = () => ({ wire: testWorld().wire("agg"), exp: "exp" });
const resultOf = async (rule: Aggregation): Promise<number[]> => {
  try {
    return [...(await aggregate(rule, updates))];
  } finally {
    await rule.dispose?.();
  }
};
const updates = [1, 2, 3, 4, 50].map((x, k) => ({
  collaborator: `c${k}`,
  weight: 1,
  values: new Float32Array(5).fill(x),
}));

test("built in, by its name, with its options", async (t) => {
  const rule = await resolveAggregation("median", {}, place());
  t.deepEqual(await resultOf(rule), [3, 3, 3, 3, 3]);
  const e = await t.throwsAsync(resolveAggregation("median", { trim: 1 }, place()), { instanceOf: FlError });
  t.is(e?.code, "FL_PLAN_INVALID");
});

for (const [name, says] of [
  ["medain", /no aggregation is named medain; did you mean median\?/],
  ["best", /no aggregation is named best; there are: fedavg, fedavgm, /],
  ["toString", /no aggregation is named toString/],
] as const) {
  test(`a name that is none, ${name}, is told what there is`, async (t) => {
    const e = await t.throwsAsync(resolveAggregation(name, {}, place()), { instanceOf: FlError });
    t.is(e?.code, "FL_PART_UNKNOWN");
    t.regex(e?.message ?? "", says);
  });
}

test("a module out of the workspace's archive, by the path the plan writes (RA1)", async (t) => {
  const dir = await temporaryDir(t);
  await writeFile(join(dir, "workspace.ts"), "export default 1;");
  const { archive, digest } = await bundleWorkspace(join(dir, "workspace.ts"), {
    parts: { "./rules/mine.ts": resolve("examples/trimmed-mean.ts") },
  });
  const { dir: archiveDir } = await openArchive(archive, digest, join(dir, "opened"));
  const rule = await resolveAggregation("./rules/mine.ts", { trim: 0.2 }, { ...place(), archiveDir });
  t.deepEqual(await resultOf(rule), [3, 3, 3, 3, 3]);
  // what is not in there is looked for on this machine only if its path is absolute
  const absolute = resolve("examples/trimmed-mean.ts");
  const own = await resolveAggregation(absolute, { trim: 0.4 }, { ...place(), archiveDir });
  t.deepEqual(await resultOf(own), [3, 3, 3, 3, 3]);
  const e = await t.throwsAsync(resolveAggregation("./examples/trimmed-mean.ts", {}, { ...place(), archiveDir }), {
    instanceOf: FlError,
  });
  t.is(e?.code, "FL_PART_FAILED");
});

test("a relative path without an archive is refused (RA1)", async (t) => {
  const e = await t.throwsAsync(resolveAggregation("./examples/trimmed-mean.ts", {}, place()), { instanceOf: FlError });
  t.is(e?.code, "FL_PART_UNKNOWN");
});

test("on the bus, whether anyone is there or not", async (t) => {
  t.true((await resolveAggregation("nats:mine", {}, place())) instanceof RemoteAggregation);
});

test("for a process of its own: a built-in or a module, never another process", async (t) => {
  t.is((await localAggregation("fedavg", ".")).name, "fedavg");
  t.is((await localAggregation("./trimmed-mean.ts", "examples")).name, "trimmed-mean");
  const e = await t.throwsAsync(localAggregation("nats:mine", "."), { instanceOf: FlError });
  t.is(e?.code, "FL_PART_UNKNOWN");
});

// --- what a user's part is held to ----------------------------------------------------------------------------------

const idle: Aggregation = { begin() {}, accept() {}, finish() {} };

test("what is no aggregation is refused", (t) => {
  for (const wrong of [undefined, null, 1, {}, { name: "a" }, { name: 3, create: () => idle }]) {
    const e = t.throws(() => checkAggregation(wrong, "./mine.ts"), { instanceOf: FlError });
    t.is(e?.code, "FL_PART_FAILED");
  }
  const part = checkAggregation({ name: "a", create: () => ({ begin() {}, accept() {} }) }, "./mine.ts");
  const e = t.throws(() => part.create(), { instanceOf: FlError });
  t.regex(e?.message ?? "", /a has no finish\(\)/);
});

test("what it throws is coded and never retried (GU1)", async (t) => {
  const cause = new TypeError("x is not a function");
  const throwing = (e: Error): Aggregation =>
    checkAggregation(
      defineAggregation({
        name: "mine",
        create: () => ({
          ...idle,
          accept() {
            throw e;
          },
        }),
      }),
      "./mine.ts",
    ).create();
  const accept = async (e: Error): Promise<FlError | undefined> =>
    t.throwsAsync(async () => throwing(e).accept({ collaborator: "a", weight: 1, values: new Float32Array(1) }), {
      instanceOf: FlError,
    });
  const wrapped = await accept(cause);
  t.is(wrapped?.code, "FL_PART_FAILED");
  t.is(wrapped?.cause, cause);
  t.regex(wrapped?.message ?? "", /aggregation mine: x is not a function/);
  t.is((await accept(new FlError("FL_UPDATE_RANGE")))?.code, "FL_UPDATE_RANGE");
  t.is((await accept(new FlError("FL_TIMEOUT")))?.code, "FL_PART_FAILED");
});

test("it saves exactly when the user's does (GU2)", (t) => {
  const make = (rule: Aggregation) => checkAggregation({ name: "mine", create: () => rule }, "./mine.ts").create();
  t.is(make(idle).save, undefined);
  t.deepEqual(make({ ...idle, save: () => Uint8Array.of(1) }).save?.(), Uint8Array.of(1));
});
