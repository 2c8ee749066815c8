/**
 * Metrics as NDJSON: one object a line, with the fields of `entente metrics --json` and `seq`, the place in the stream.
 *
 * ND1 The file itself tells where it goes on, as each line has its place; it may hold many experiments.
 */
import { defineSink, type SinkMetric, type SinkPlace } from "../../src/parts/sink.ts";
import { SinkFile } from "./file.ts";

const NEWLINE = 0x0a;

export const ndjsonSink = defineSink({
  name: "ndjson",
  target: "FILE",
  async open({ experiment, target }) {
    let last: SinkPlace | null = null;
    const file = await SinkFile.open(target, {
      head: Buffer.from('{"experiment":"'),
      measure: (bytes) => bytes.indexOf(NEWLINE) + 1,
      take(line) {
        const { experiment: whose, seq, at } = JSON.parse(line.toString()) as Partial<SinkMetric>;
        if (!Number.isSafeInteger(seq) || !Number.isFinite(at)) throw new Error("no place in a stream: seq, at");
        if (whose === experiment) last = { seq: seq!, at: at! };
      },
    });
    return {
      last,
      write: ({ experiment, round, origin, task, metric, value, at, seq }) =>
        file.write(Buffer.from(`${JSON.stringify({ experiment, round, origin, task, metric, value, at, seq })}\n`)),
      flush: () => file.flush(),
      close: () => file.close(),
    };
  },
});
