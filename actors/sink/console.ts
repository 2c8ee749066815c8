/** Shows each metric to whoever looks on, and keeps nothing. */
import { defineSink } from "../../src/parts/sink.ts";

export const consoleSink = defineSink({ name: "console", write: (metric, { show }) => show(metric) });
