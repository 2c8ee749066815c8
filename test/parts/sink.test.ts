/** The contract of a metric sink (src/parts/sink.ts). */
import test from "ava";
import { FlError } from "../../src/errors.ts";
import { defineSink, type OpenSink, type SinkSpec } from "../../src/parts/sink.ts";
import { measured } from "../support/metrics.ts";

const context = { experiment: "e", federation: "test", target: "", show: () => {} };
const [metric] = measured(1);

test("the short form is written to from the start; the full form says where it left off (MS2)", async (t) => {
  const seen: unknown[] = [];
  const short = await defineSink({ name: "a", write: (m, { target }) => void seen.push(m, target) }).open(context);
  t.is(short.last, null);
  await short.write(metric!);
  await short.flush();
  await short.close();
  t.deepEqual(seen, [metric, ""]);
  const last = { seq: 7, at: 1 };
  const full = await defineSink({ name: "b", open: async () => ({ last, write: () => {} }) }).open(context);
  t.deepEqual(full.last, last);
});

test("a sink may be a class, and so may what it opens", async (t) => {
  class Opened implements OpenSink {
    #n = 0;
    write(): void {
      this.#n++;
    }
    close(): void {
      t.is(this.#n, 2);
    }
  }
  class Mine {
    readonly name = "mine";
    #opened = new Opened();
    open(): OpenSink {
      return this.#opened;
    }
  }
  const sink = await defineSink(new Mine()).open(context);
  await sink.write(metric!);
  await sink.write(metric!);
  await sink.close();
});

test("what a sink throws has its name and its cause; a coded error stays what it is (MS3)", async (t) => {
  const cause = new RangeError("too much");
  const own = new FlError("FL_STATE");
  const sink = await defineSink({
    name: "mine",
    open: () => ({ write: () => Promise.reject(cause), flush: () => Promise.reject(own) }),
  }).open(context);
  const e = await t.throwsAsync(sink.write(metric!), { instanceOf: FlError });
  t.like(e, { code: "FL_PART_FAILED", cause });
  t.regex(e!.message, /metric sink mine: too much/);
  t.is(await t.throwsAsync(sink.flush()), own);
});

test("an object that is no sink is refused, and so is one that opens none", async (t) => {
  const write = (): void => {};
  for (const wrong of [
    undefined,
    3,
    {},
    { name: "a" },
    { write },
    { name: "", write },
    { name: "a", write, open: write },
  ]) {
    const e = t.throws(() => defineSink(wrong as SinkSpec), { instanceOf: FlError });
    t.is(e?.code, "FL_PART_FAILED");
  }
  for (const opened of [undefined, {}, { write, last: 4 }, { write, last: { seq: 0, at: 1 } }, { write, close: 1 }]) {
    const sink = defineSink({ name: "a", open: () => opened as OpenSink });
    const e = await t.throwsAsync(sink.open(context), { instanceOf: FlError });
    t.is(e?.code, "FL_PART_FAILED");
  }
});
