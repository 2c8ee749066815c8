/**
 * What every sink that keeps its metrics in files must do (MS1, MS2 of src/parts/sink.ts): write all of them once, in order,
 * also when it is stopped anywhere and opened again.
 */
import { appendFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import test from "ava";
import type { SinkMetric } from "../../src/parts/sink.ts";
import { measured, pourInto, sourceOf } from "../support/metrics.ts";
import { temporaryDir } from "../support/server.ts";

export type SinkUnderTest = {
  readonly name: string;
  /** how a user names it, for files in `dir` */
  use(dir: string): string;
  /** the file that holds experiment e's metrics; its folder is there when a test asks */
  file(dir: string): Promise<string>;
  /** what a reader finds in it; values may be rounded to f32 */
  rows(bytes: Buffer): Omit<SinkMetric, "experiment" | "seq">[];
};

const plain = (metrics: readonly SinkMetric[]) =>
  metrics.map(({ experiment: _, seq: __, value, ...rest }) => ({ ...rest, value: Math.fround(value) }));

export function sinkContract({ name, use, file, rows }: SinkUnderTest): void {
  const found = async (dir: string) =>
    rows(await readFile(await file(dir))).map(({ value, ...rest }) => ({ ...rest, value: Math.fround(value) }));

  test(`${name}: every metric is written once, in order`, async (t) => {
    const dir = await temporaryDir(t);
    const metrics = measured(5);
    t.deepEqual(await pourInto(use(dir), sourceOf(metrics)), { sink: use(dir), written: 10, error: null });
    t.deepEqual(await found(dir), plain(metrics));
  });

  test(`${name}: written again it adds what is missing, and nothing twice (MS2)`, async (t) => {
    const dir = await temporaryDir(t);
    const metrics = measured(5);
    const first = sourceOf(metrics, 4);
    t.is((await pourInto(use(dir), first)).written, 4);
    const rest = sourceOf(metrics);
    t.is((await pourInto(use(dir), rest)).written, 6);
    t.deepEqual([first.asked, rest.asked], [[0], [metrics[3]!.seq]], "it does not read what it has");
    const bytes = await readFile(await file(dir));
    t.is((await pourInto(use(dir), sourceOf(metrics))).written, 0);
    t.deepEqual(await readFile(await file(dir)), bytes);
    t.deepEqual(await found(dir), plain(metrics));
  });

  test(`${name}: whatever a killed process left of an entry is cut off and written again (SF1)`, async (t) => {
    const dir = await temporaryDir(t);
    const metrics = measured(1);
    await pourInto(use(dir), sourceOf(metrics));
    const path = await file(dir);
    const whole = await readFile(path);
    for (let bytes = 0; bytes < whole.length; bytes++) {
      await truncate(path, bytes);
      t.is((await pourInto(use(dir), sourceOf(metrics))).error, null, `${bytes} bytes were left`);
      t.deepEqual(await readFile(path), whole, `${bytes} bytes were left`);
    }
  });

  test(`${name}: a file that is somebody else's stays as it is`, async (t) => {
    const dir = await temporaryDir(t);
    const metrics = measured(2);
    await pourInto(use(dir), sourceOf(metrics));
    const path = await file(dir);
    for (const theirs of ["Dear diary,\n", "experiment", "\0"]) {
      const text = theirs === "experiment" ? "experiment notes" : theirs;
      await writeFile(path, text);
      const { error } = await pourInto(use(dir), sourceOf(metrics));
      t.is(error?.code, "FL_EXISTS", text);
      t.regex(error!.message, /is there and was not written by this sink/);
      t.is(await readFile(path, "utf8"), text);
    }
  });

  test(`${name}: a file that is damaged stays as it is, and says where`, async (t) => {
    const dir = await temporaryDir(t);
    const metrics = measured(2);
    await pourInto(use(dir), sourceOf(metrics));
    const path = await file(dir);
    const { size } = await stat(path);
    await appendFile(path, "this is not an entry, and it is long enough to be taken for one,\nas everybody can see\n");
    const { error } = await pourInto(use(dir), sourceOf(metrics));
    t.is(error?.code, "FL_EXISTS");
    t.regex(error!.message, new RegExp(`is damaged at byte ${size}: `));
    t.true((await stat(path)).size > size);
  });

  test(`${name}: another run of the same name is not mixed in (PO2)`, async (t) => {
    const dir = await temporaryDir(t);
    await pourInto(use(dir), sourceOf(measured(2)));
    const bytes = await readFile(await file(dir));
    const other = measured(3).map((m) => ({ ...m, at: m.at + 86_400_000 }));
    const { error, written } = await pourInto(use(dir), sourceOf(other));
    t.like(error, { code: "FL_EXISTS" });
    t.regex(error!.message, /holds metrics of another run named e/);
    t.is(written, 0);
    t.deepEqual(await readFile(await file(dir)), bytes);
  });
}
