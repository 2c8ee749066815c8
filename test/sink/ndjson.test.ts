/** Metrics as one JSON object a line. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import type { SinkMetric } from "../../src/parts/sink.ts";
import { sinkContract } from "../contract/sink.ts";
import { measured, pourInto, sourceOf } from "../support/metrics.ts";
import { temporaryDir } from "../support/server.ts";

const parsed = (text: string): SinkMetric[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as SinkMetric);

sinkContract({
  name: "ndjson",
  use: (dir) => `ndjson=${dir}/metrics.ndjson`,
  file: async (dir) => join(dir, "metrics.ndjson"),
  rows: (bytes) => parsed(bytes.toString()).map(({ experiment: _, seq: __, ...row }) => row),
});

test("a line is the metric with its place in the stream; experiments may share a file (ND1)", async (t) => {
  const dir = await temporaryDir(t);
  const use = `ndjson=${dir}/all.ndjson`;
  const [a, b] = [measured(2, "a"), measured(1, "b", 2)];
  await pourInto(use, sourceOf(a, 1), "a");
  await pourInto(use, sourceOf(b), "b");
  await pourInto(use, sourceOf(a), "a");
  t.deepEqual(parsed(await readFile(join(dir, "all.ndjson"), "utf8")), [a[0]!, ...b, ...a.slice(1)]);
});
