/** How a sink is fed, how it fails, and who hears of it. */
import { appendFile, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { pourAll } from "../../actors/sink/pour.ts";
import { resolveSink } from "../../actors/sink/resolve.ts";
import { FlError } from "../../src/errors.ts";
import { defineSink, type MetricSource, type SinkMetric } from "../../src/parts/sink.ts";
import { measured, pourInto, sourceOf } from "../support/metrics.ts";
import { temporaryDir } from "../support/server.ts";

const context = { experiment: "e", federation: "test", show: () => {} };

test("a sink that fails is closed and told of with its code; the others go on (MS3, PO1)", async (t) => {
  const dir = await temporaryDir(t);
  const did: string[] = [];
  const failing = {
    text: "mine",
    target: "",
    sink: defineSink({
      name: "mine",
      open: () => ({
        write({ seq }) {
          did.push(`write ${seq}`);
          if (seq === 4) throw new TypeError("the disk is full");
        },
        flush: () => void did.push("flush"),
        close: () => void did.push("close"),
      }),
    }),
  };
  const told: string[] = [];
  const csv = await resolveSink(`csv=${dir}/m.csv`);
  const poured = await pourAll(sourceOf(measured(3)), [failing, csv], context, (p) => told.push(p.sink));
  t.deepEqual(did, ["write 1", "write 4", "close"]);
  t.like(poured[0], { sink: "mine", written: 1, error: { code: "FL_PART_FAILED" } });
  t.is(poured[0]!.error!.message, "a swappable part failed: metric sink mine: the disk is full");
  t.true(poured[0]!.error!.cause instanceof TypeError);
  t.like(poured[1], { written: 6, error: null });
  t.deepEqual(told.sort(), [csv.text, "mine"].sort());
});

test("one that cannot be opened, and one that cannot be closed, are told of in the same way", async (t) => {
  const fails = (): never => {
    throw new FlError("FL_STATE", { reason: "not today" });
  };
  const opening = defineSink({ name: "a", open: fails });
  const closing = defineSink({ name: "b", open: () => ({ write: () => {}, close: fails }) });
  const sinks = [opening, closing].map((sink) => ({ text: sink.name, target: "", sink }));
  const poured = await pourAll(sourceOf(measured(1)), sinks, context, () => {});
  t.like(poured[0], { written: 0, error: { code: "FL_STATE" } });
  t.like(poured[1], { written: 2, error: { code: "FL_STATE" } });
});

test("what fails at the source is thrown, once every sink is closed with what it has", async (t) => {
  const dir = await temporaryDir(t);
  const metrics = measured(2);
  const broken: MetricSource = {
    ...sourceOf(metrics),
    async *read() {
      for (const metric of metrics.slice(0, 3)) yield { metric, pending: 9 };
      throw new FlError("FL_CLOSED", { reason: "interrupted" });
    },
  };
  const sinks = await Promise.all([`csv=${dir}/m.csv`, `ndjson=${dir}/m.ndjson`].map((s) => resolveSink(s)));
  await t.throwsAsync(
    pourAll(broken, sinks, context, () => t.fail()),
    { message: /interrupted/ },
  );
  for (const [file, lines] of [
    ["m.csv", 4],
    ["m.ndjson", 3],
  ] as const) {
    t.is((await readFile(join(dir, file), "utf8")).trimEnd().split("\n").length, lines);
  }
});

test("what was written can be read as soon as nothing more is waiting", async (t) => {
  const dir = await temporaryDir(t);
  const metrics = measured(2);
  const seen: number[] = [];
  const lines = async () => (await readFile(join(dir, "m.ndjson"), "utf8")).split("\n").length - 1;
  const source: MetricSource = {
    ...sourceOf(metrics),
    async *read() {
      for (const [i, metric] of metrics.entries()) {
        yield { metric, pending: i % 2 };
        seen.push(await lines());
      }
    },
  };
  await pourInto(`ndjson=${dir}/m.ndjson`, source);
  t.deepEqual(seen, [1, 1, 3, 3]);
});

test("two writers of one file: the one that comes second to a write stops, and no row is lost (SF3)", async (t) => {
  const dir = await temporaryDir(t);
  const metrics = measured(2);
  const path = join(dir, "m.csv");
  const source: MetricSource = {
    ...sourceOf(metrics),
    async *read() {
      yield { metric: metrics[0]!, pending: 0 };
      await appendFile(path, "e,1,x,train,loss,1,1,99\n");
      yield { metric: metrics[1]!, pending: 0 };
    },
  };
  const { error } = await pourInto(`csv=${path}`, source);
  t.is(error?.code, "FL_FENCED");
  t.regex(error!.message, /somebody else writes to it/);
  t.is((await readFile(path, "utf8")).split("\n").length, 4);
});

test("a file that is deleted while it is written to is an error, not a loss", async (t) => {
  const dir = await temporaryDir(t);
  const metrics = measured(2);
  const source: MetricSource = {
    ...sourceOf(metrics),
    async *read() {
      yield { metric: metrics[0]!, pending: 0 };
      await rm(join(dir, "m.csv"));
      yield { metric: metrics[1]!, pending: 0 };
    },
  };
  t.is((await pourInto(`csv=${dir}/m.csv`, source)).error?.code, "FL_NOT_FOUND");
});

test("console shows each metric and keeps nothing; a folder is no file", async (t) => {
  const shown: SinkMetric[] = [];
  const metrics = measured(2);
  for (let i = 0; i < 2; i++) await pourInto("console", sourceOf(metrics), "e", (m) => void shown.push(m));
  t.deepEqual(shown, [...metrics, ...metrics]);
  const dir = await temporaryDir(t);
  const { error } = await pourInto(`csv=${dir}`, sourceOf(metrics));
  t.is(error?.code, "FL_PART_FAILED");
  t.regex(error!.message, /metric sink csv: EISDIR/);
});
