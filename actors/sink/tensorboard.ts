/**
 * TensorBoard scalars: `tensorboard --logdir DIR` shows each experiment as a run, each metric as `origin/task/metric` over the
 * rounds.
 *
 * TB1 An experiment is one folder of DIR with one event file in it; a later run goes on in that file.
 * TB2 The folder's other files, those of other writers among them, are left alone: ours end in `.entente`.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { defineSink, type SinkPlace } from "../../src/parts/sink.ts";
import { parseRecord, placeIn, scalarRecord, versionRecord } from "./event-file.ts";
import { SinkFile, type SinkFileForm } from "./file.ts";

/** the seconds are those of its first metric; TensorBoard reads a folder's files in the order of their names */
const NAME = /^events\.out\.tfevents\.\d+\.entente$/;

export const tensorboardSink = defineSink({
  name: "tensorboard",
  target: "DIR",
  async open({ experiment, target }) {
    const dir = join(target, experiment); // TB1; a name is one token, so it stays inside
    let last: SinkPlace | null = null;
    const form: SinkFileForm = {
      head: versionRecord(0).subarray(0, 12), // the length of the first record, and its checksum, are always these
      measure: (bytes) => parseRecord(bytes)?.length ?? 0,
      take(entry) {
        last = placeIn(parseRecord(entry)!.data) ?? last;
      },
    };
    const [known] = (await readdir(dir).catch(() => [])).filter((name) => NAME.test(name)).sort(); // TB2
    let file = known === undefined ? undefined : await SinkFile.open(join(dir, known), form);
    return {
      last,
      async write({ origin, task, metric, round, value, at, seq }) {
        const seconds = String(Math.floor(at / 1_000)).padStart(10, "0");
        file ??= await SinkFile.open(join(dir, `events.out.tfevents.${seconds}.entente`), form);
        if (file.empty) await file.write(versionRecord(at));
        await file.write(scalarRecord({ tag: `${origin}/${task}/${metric}`, step: round, value, at, seq }));
      },
      flush: () => file?.flush(),
      close: () => file?.close(),
    };
  },
});
