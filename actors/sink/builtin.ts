/** The metric sinks that a name without a path stands for. */
import type { Sink } from "../../src/parts/sink.ts";
import { consoleSink } from "./console.ts";
import { csvSink } from "./csv.ts";
import { ndjsonSink } from "./ndjson.ts";
import { tensorboardSink } from "./tensorboard.ts";

export const sinks: Readonly<Record<string, Sink>> = {
  console: consoleSink,
  csv: csvSink,
  ndjson: ndjsonSink,
  tensorboard: tensorboardSink,
};
