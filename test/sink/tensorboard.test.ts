/** TensorBoard's event files, read back by a parser that shares nothing with the writer, and by TensorBoard where it is. */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import fc from "fast-check";
import { crc32c, parseRecord, placeIn, scalarRecord, versionRecord } from "../../actors/sink/event-file.ts";
import { sinkContract } from "../contract/sink.ts";
import { castagnoli, readEventFile } from "../support/event-file.ts";
import { AT, measured, pourInto, sourceOf } from "../support/metrics.ts";
import { temporaryDir } from "../support/server.ts";

sinkContract({
  name: "tensorboard",
  use: (dir) => `tensorboard=${dir}`,
  file: async (dir) => join(dir, "e", `events.out.tfevents.${Math.floor(AT / 1_000)}.entente`),
  rows: (bytes) =>
    readEventFile(bytes)
      .slice(1)
      .map(({ wallTime, step, values: [value] }) => {
        const [origin, task, metric] = value!.tag.split("/");
        const at = Math.round(wallTime * 1_000);
        return { round: Number(step), origin: origin!, task: task!, metric: metric!, value: value!.simpleValue, at };
      }),
});

test("the checksum is CRC-32C", (t) => {
  // RFC 3720, B.4
  t.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  t.is(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  t.is(crc32c(Buffer.from("123456789")), 0xe3069283);
  fc.assert(fc.property(fc.uint8Array(), (bytes) => crc32c(bytes) === castagnoli(bytes)));
});

test("a scalar's record has its tag, step, value and wall time, and keeps its place (EF1)", (t) => {
  const scalars = fc.record({
    tag: fc.string({ unit: "grapheme" }),
    step: fc.nat(2 ** 31 - 1),
    value: fc.float({ noNaN: true }),
    at: fc.integer({ min: 1, max: 4e12 }),
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  });
  fc.assert(
    fc.property(scalars, (scalar) => {
      const bytes = scalarRecord(scalar);
      const { tag, step, value, at, seq } = scalar;
      const [event] = readEventFile(bytes);
      t.deepEqual(event, {
        wallTime: at / 1_000,
        step: BigInt(step),
        fileVersion: undefined,
        values: [{ tag: Buffer.from(tag).toString(), simpleValue: value }],
      });
      t.deepEqual(placeIn(parseRecord(bytes)!.data), { seq, at });
    }),
  );
});

test("a record that is cut is not whole yet; one that is changed is wrong (EF2)", (t) => {
  const bytes = scalarRecord({ tag: "a/b/c", step: 3, value: 1.5, at: AT, seq: 300 });
  for (let n = 0; n < bytes.length; n++) t.is(parseRecord(bytes.subarray(0, n)), undefined);
  for (const [i, byte] of bytes.entries()) {
    const changed = Buffer.from(bytes);
    changed[i] = byte ^ 1;
    t.throws(() => parseRecord(changed), { message: /checksum/ }, `byte ${i}`);
  }
  t.is(parseRecord(Buffer.concat([bytes, bytes]))?.length, bytes.length);
});

test("D42 metrics are TensorBoard scalars origin/task/metric, by round, with the time they were measured", async (t) => {
  const dir = await temporaryDir(t);
  await pourInto(`tensorboard=${dir}`, sourceOf(measured(2)));
  const [name, ...others] = await readdir(join(dir, "e"));
  t.deepEqual(others, []);
  t.regex(name!, /^events\.out\.tfevents\.\d{10}\./, "as TensorBoard looks for them");
  const [version, ...events] = readEventFile(await readFile(join(dir, "e", name!)));
  t.like(version, { fileVersion: "brain.Event:2", values: [] });
  t.deepEqual(
    events.map(({ step, wallTime, values: [value] }) => [value!.tag, Number(step), value!.simpleValue, wallTime]),
    [
      ["north/train/loss", 1, Math.fround(1 / 3), AT / 1_000],
      ["aggregator/train/loss", 1, 0.25, (AT + 250) / 1_000],
      ["north/train/loss", 2, Math.fround(1 / 5), (AT + 500) / 1_000],
      ["aggregator/train/loss", 2, Math.fround(1 / 6), (AT + 750) / 1_000],
    ],
  );
});

test("each experiment is a run of its own; other writers' files in its folder are left alone (TB1, TB2)", async (t) => {
  const dir = await temporaryDir(t);
  await mkdir(join(dir, "a"));
  const theirs = join(dir, "a", "events.out.tfevents.1600000000.somehost");
  await writeFile(theirs, versionRecord(AT));
  for (const [i, name] of ["a", "b"].entries()) {
    await pourInto(`tensorboard=${dir}`, sourceOf(measured(2, name, i + 1)), name);
  }
  t.deepEqual((await readdir(dir)).sort(), ["a", "b"]);
  t.is((await readdir(join(dir, "a"))).length, 2);
  t.deepEqual(await readFile(theirs), versionRecord(AT));
  t.deepEqual(await pourInto(`tensorboard=${dir}`, sourceOf([], 0), "none").then((p) => p.written), 0);
  t.deepEqual((await readdir(dir)).sort(), ["a", "b"], "an experiment without metrics leaves nothing");
});

const python = process.env.PYTHON ?? "python3";
const read = `
import sys, json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
run = EventAccumulator(sys.argv[1]); run.Reload()
print(json.dumps({tag: [[e.step, e.value, e.wall_time] for e in run.Scalars(tag)] for tag in run.Tags()["scalars"]}))
`;

test("TensorBoard itself reads the same, where it is installed", async (t) => {
  const run = promisify(execFile);
  const there = await run(python, ["-c", "import tensorboard"]).then(
    () => true,
    () => false,
  );
  if (!there) {
    t.log(`${python} has no tensorboard here`);
    t.pass();
    return;
  }
  const dir = await temporaryDir(t);
  const metrics = measured(3);
  await pourInto(`tensorboard=${dir}`, sourceOf(metrics, 3));
  await pourInto(`tensorboard=${dir}`, sourceOf(metrics));
  const { stdout } = await run(python, ["-c", read, join(dir, "e")]);
  const of = (origin: string) =>
    metrics.filter((m) => m.origin === origin).map(({ round, value, at }) => [round, Math.fround(value), at / 1_000]);
  t.deepEqual(JSON.parse(stdout), { "north/train/loss": of("north"), "aggregator/train/loss": of("aggregator") });
});
