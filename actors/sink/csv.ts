/**
 * A table of metrics, as RFC 4180 has it, under a header: experiment, round, origin, task, metric, value, at, seq.
 *
 * CS1 The last column is the place in the stream, so the file itself tells where it goes on; it may hold many experiments.
 */
import { defineSink, type SinkMetric, type SinkPlace } from "../../src/parts/sink.ts";
import { SinkFile } from "./file.ts";

const columns = ["experiment", "round", "origin", "task", "metric", "value", "at", "seq"] as const;
const head = Buffer.from(`${columns.join(",")}\n`);
const NEWLINE = 0x0a;
const QUOTE = 0x22;

export const csvSink = defineSink({
  name: "csv",
  target: "FILE",
  async open({ experiment, target }) {
    let last: SinkPlace | null = null;
    const file = await SinkFile.open(target, {
      head,
      measure: rowLength,
      take(row, index) {
        if (index === 0) return;
        const cells = cellsOf(row.toString());
        if (cells.length !== columns.length) throw new Error(`${cells.length} cells, expected ${columns.length}`);
        if (cells[0] === experiment) last = placeOf(cells[7]!, cells[6]!);
      },
    });
    if (file.empty) await file.write(head);
    return {
      last,
      write: (metric) => file.write(Buffer.from(row(metric))),
      flush: () => file.flush(),
      close: () => file.close(),
    };
  },
});

const row = (metric: SinkMetric): string => `${columns.map((column) => cell(String(metric[column]))).join(",")}\n`;

const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Up to the first end of a line that is not inside quotes, and with it. */
function rowLength(bytes: Buffer): number {
  let quotes = 0;
  let from = 0;
  for (;;) {
    const end = bytes.indexOf(NEWLINE, from);
    if (end === -1) return 0;
    for (let at = bytes.indexOf(QUOTE, from); at !== -1 && at < end; at = bytes.indexOf(QUOTE, at + 1)) quotes++;
    if (quotes % 2 === 0) return end + 1;
    from = end + 1;
  }
}

const cellsOf = (text: string): string[] =>
  [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,\n]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? plain! : quoted.replaceAll('""', '"'),
  );

function placeOf(seq: string, at: string): SinkPlace {
  const place = { seq: Number(seq), at: Number(at) };
  if (Number.isSafeInteger(place.seq) && place.seq > 0 && Number.isFinite(place.at)) return place;
  throw new Error(`no place in a stream: seq ${seq}, at ${at}`);
}
