/** What people see, as pure functions and on a pretended terminal. */
import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import test from "ava";
import { Console } from "../../src/cli/console.ts";
import { type DemoScene, demoView } from "../../src/cli/demo-view.ts";
import { ago, bytes, duration } from "../../src/cli/figures.ts";
import { cut, Live } from "../../src/cli/live.ts";
import { readable } from "../../src/cli/log-line.ts";
import { emitAwaited } from "../../src/cli/status.ts";
import { table } from "../../src/cli/table.ts";
import { accuracyIn, Rounds } from "../../src/client/rounds.ts";
import { parsePlan } from "../../src/plan/plan.ts";
import type { Event, Progress } from "../../src/wire/messages.ts";

const bold = (text: string): string => `\u001b[1m${text}\u001b[22m`;

test("columns are aligned whatever is styled, without trailing blanks", (t) => {
  const lines = table(
    [{ head: "a", align: "right" }, { head: "name", width: 6 }, { head: "z" }],
    [
      ["1", bold("x"), "end"],
      ["22", "longer", ""],
    ],
  );
  t.deepEqual(lines.map(stripVTControlCharacters), [" a  name    z", " 1  x       end", "22  longer"]);
});

test("a line is cut to the terminal's width, counted without its styles", (t) => {
  t.is(cut("short", 5), "short");
  t.is(stripVTControlCharacters(cut(`${bold("abc")}defgh`, 6)), "abcde…");
  t.is(cut(bold("abc"), 3), bold("abc"));
});

test("a block is redrawn over itself: up by its height, each line's rest erased, nothing cleared first (L1)", (t) => {
  const stream = Object.assign(new PassThrough(), { columns: 10, rows: 5 }) as unknown as NodeJS.WriteStream;
  const written = (): string => String((stream as unknown as PassThrough).read() ?? "");
  const live = new Live(stream, () => {});
  written();
  live.draw(["one", "two"]);
  t.is(written(), "\u001b[?2026hone\u001b[K\ntwo\u001b[K\n\u001b[J\u001b[?2026l");
  live.draw(["one", "a line too long", "3", "4", "5"]);
  const second = written();
  t.true(second.startsWith("\u001b[?2026h\r\u001b[2Aa line to…"), "the end of a block that is too tall, cut (L2)");
  live.above("said");
  t.true(written().startsWith("\u001b[?2026h\r\u001b[4Asaid\u001b[K\na line to…"));
  live.end();
  t.is(written(), "\u001b[?25h", "the cursor is back (L3)");
});

const scene = (rounds: number): DemoScene => ({
  title: "mnist-12",
  stage: `round ${rounds} of 1000`,
  rounds: 1000,
  rows: Array.from({ length: rounds }, (_, i) => ({
    ...{ round: i + 1, accuracy: i % 2 ? 0.9999 : null, loss: 12.34567, trainLoss: 0.1, seconds: 123.4, metrics: {} },
  })),
  peers: Array.from({ length: 5 }, (_, i) => ({
    ...{ name: `envoy-${i + 1}`, state: "working", doing: "validate_global", done: 999, total: 1000, bytes: 407_080 },
  })),
  seconds: 1234,
});

test("the demo fits 80 columns and the terminal's height; of many rounds the newest are shown (V1)", (t) => {
  for (const [rounds, height] of [
    [0, 24],
    [3, 24],
    [1000, 24],
    [1000, 60],
  ] as const) {
    const block = demoView(scene(rounds), height, { bold, dim: bold }).map(stripVTControlCharacters);
    t.true(block.every((line) => line.length <= 80));
    t.true(block.length < height, `${block.length} lines on ${height}`);
    if (rounds > 0) t.true(block.some((line) => line.trimStart().startsWith(`${rounds} `)));
  }
});

test("columns of the demo do not move while numbers come in (V2)", (t) => {
  const heads = [1, 7, 9].map((n) =>
    demoView(scene(n), 40, { bold, dim: bold }).filter((l) => /accuracy|state/.test(l)),
  );
  t.deepEqual(heads[1], heads[0]);
  t.deepEqual(heads[2], heads[0]);
});

const event = (type: Event["type"], round: number, at: number, metrics: Record<string, number> = {}): Event => ({
  ...{ v: 1, experiment: "e", type, origin: "aggregator", round, at, detail: { metrics, seconds: 0.5 }, failure: null },
});
const rated = (accuracy: number, samples = 100) => ({
  "validate_global.accuracy": accuracy,
  "validate_global.loss": 1 - accuracy,
  "validate_global.samples": samples,
  "train.loss": 0.5,
});

test("a round's model is rated in the next round, the last one's in the round that only rates (Q1)", (t) => {
  const rounds = new Rounds(parsePlan({ version: 1, rounds: 2 }));
  const closed = (round: number, accuracy: number) => {
    return rounds.take(event("round.closed", round, 1000 * round + 500, rated(accuracy)));
  };
  t.is(closed(0, 0), undefined);
  t.is(closed(1, 0.1), undefined);
  t.deepEqual(
    rounds.rows.map((r) => [r.round, r.accuracy, r.seconds]),
    [[1, null, 0.5]],
  );
  t.like(closed(2, 0.6), { round: 1, accuracy: 0.6, trainLoss: 0.5, seconds: 0.5 });
  t.is(rounds.unrated.length, 1);
  t.like(closed(3, 0.7), { round: 2, accuracy: 0.7 });
  t.is(rounds.unrated.length, 0);
  t.is(rounds.rows.length, 2);
});

test("a reached target skips to the rating; a plan that rates nothing has complete rows at once (Q1)", (t) => {
  const stopped = new Rounds(parsePlan({ version: 1, rounds: 9 }));
  stopped.take(event("round.closed", 1, 1, rated(0.1)));
  t.like(stopped.take(event("round.closed", 10, 2, rated(0.9))), { round: 1, accuracy: 0.9 });
  const blind = new Rounds(parsePlan({ version: 1, rounds: 2, tasks: ["train"] }));
  t.like(blind.take(event("round.closed", 1, 1, { "train.loss": 0.4 })), { round: 1, accuracy: null, trainLoss: 0.4 });
});

test("an accuracy is hits by samples again, where the samples are told", (t) => {
  t.is(accuracyIn("v", { "v.accuracy": 0.96189999999, "v.samples": 10_000 }), 0.9619);
  t.is(accuracyIn("v", { "v.accuracy": 0.5 }), 0.5);
  t.is(accuracyIn(undefined, { "v.accuracy": 0.5 }), null);
});

test("figures", (t) => {
  t.deepEqual([0, 999, 407_080, 41_000_000, 2e9].map(bytes), ["0 B", "999 B", "407 kB", "41.0 MB", "2.0 GB"]);
  t.deepEqual([450, 99_900, 245_000, 7_380_000, 2e8].map(duration), [
    "0.5 s",
    "99.9 s",
    "4 min 5 s",
    "2 h 3 min",
    "2 d 7 h",
  ]);
  t.deepEqual([ago(null, 0), ago(1000, 500), ago(0, 5000), ago(0, 3e5)], ["never", "0 s ago", "5 s ago", "5 min ago"]);
});

test("a log line is read as time, level, who, what and the rest; what is none stays as it is", (t) => {
  const line = JSON.stringify({ level: "info", time: 0, pid: 1, name: "envoy.a", accepted: true, msg: "registered" });
  t.is(readable(line), "00:00:00.000 info  envoy.a registered accepted=true");
  t.is(readable("hello"), "hello");
  t.is(readable("null"), "null");
});

test("a round that waits for a part elsewhere says so, for people and for programs", (t) => {
  const progress: Progress = {
    ...{ round: 1, rounds: 2, epoch: 1, state: "open", quorum: 1, deadline_at: null, peers: [] },
    waiting_for: "nats:trimmed",
  };
  for (const json of [false, true]) {
    const stream = new PassThrough();
    emitAwaited(new Console(json, stream as unknown as NodeJS.WriteStream), "e", progress);
    const said = String(stream.read());
    t.regex(said, /nats:trimmed/);
    if (json) t.like(JSON.parse(said), { type: "waiting", experiment: "e", for: [], ahead: [] });
  }
});
