import test from "ava";
import fc from "fast-check";
import { FlError } from "../../src/errors.ts";
import { CHUNK_BYTES, chunkCount, encodeFrame } from "../../src/tensor/frame.ts";
import { pullChunks, WINDOW } from "../../src/transfer/pull.ts";
import { quiet, testWorld } from "../support/ports.ts";

const BYTES = 20 * CHUNK_BYTES + 17;
const source = Uint8Array.from({ length: BYTES }, (_, i) => (i * 7 + (i >> 9)) & 0xff);
const COUNT = chunkCount(BYTES);

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** A sender whose answers the test gives when it likes. */
function slowSender() {
  const waiting = new Map<number, { answer: (frame: Uint8Array) => void; fail: (e: unknown) => void }>();
  const signals: AbortSignal[] = [];
  let most = 0;
  const request = (index: number, signal: AbortSignal): Promise<Uint8Array> => {
    signals.push(signal);
    return new Promise((answer, fail) => {
      waiting.set(index, {
        answer: (frame) => {
          waiting.delete(index);
          answer(frame);
        },
        fail: (e) => {
          waiting.delete(index);
          fail(e);
        },
      });
      most = Math.max(most, waiting.size);
    });
  };
  return { request, waiting, signals, most: () => most };
}

test("the bytes arrive whatever the order of the answers, and never more than a window is under way (X1)", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.nat(WINDOW - 1)), async (choices) => {
      const sender = slowSender();
      const into = new Uint8Array(BYTES);
      const told: number[] = [];
      const pulled = pullChunks({ request: sender.request, into, onBytes: (n) => told.push(n) });
      for (const choice of choices) {
        const open = [...sender.waiting.keys()];
        if (open.length === 0) break;
        t.true(open.length <= WINDOW);
        const index = open[choice % open.length]!;
        sender.waiting.get(index)!.answer(encodeFrame(source, index));
        await Promise.resolve();
        await quiet(1);
      }
      await pulled;
      t.true(same(into, source));
      t.is(sender.most(), WINDOW);
      t.is(told.length, COUNT);
      t.is(told.at(-1), BYTES);
    }),
    { numRuns: 5 },
  );
});

test("a lost or damaged chunk is asked for again, the others are not (X2)", async (t) => {
  const asked: number[] = [];
  const into = new Uint8Array(BYTES);
  await pullChunks({
    request: async (index) => {
      asked.push(index);
      const times = asked.filter((i) => i === index).length;
      if (index === 3 && times < 3) throw new FlError("FL_TIMEOUT");
      const frame = encodeFrame(source, index);
      if (index === 5 && times < 3) frame[frame.length - 1]! ^= 1;
      return frame;
    },
    into,
  });
  t.true(same(into, source));
  const counts = Array.from({ length: COUNT }, (_, i) => asked.filter((a) => a === i).length);
  t.deepEqual(
    counts,
    counts.map((_, i) => (i === 3 || i === 5 ? 3 : 1)),
  );
});

test("the third failure of one chunk ends the transfer with its cause (X2)", async (t) => {
  for (const code of ["FL_TIMEOUT", "FL_FRAME_CHECKSUM"] as const) {
    let tries = 0;
    const request = async (index: number): Promise<Uint8Array> => {
      if (index !== 2) return encodeFrame(source, index);
      tries++;
      throw new FlError(code);
    };
    await t.throwsAsync(pullChunks({ request, into: new Uint8Array(BYTES) }), { code });
    t.is(tries, 3);
  }
});

test("a sender that is gone ends the transfer at once, and so does one that has let go of the buffer (X3)", async (t) => {
  const answers: [string, () => Promise<Uint8Array>][] = [
    ["FL_NO_RESPONDER", () => Promise.reject(new FlError("FL_NO_RESPONDER"))],
    ["FL_NO_RESPONDER", () => Promise.resolve(new Uint8Array(0))],
    ["FL_FRAME_MALFORMED", () => Promise.resolve(Uint8Array.of(1, 2, 3))],
    ["FL_FRAME_MALFORMED", () => Promise.resolve(encodeFrame(source, 1))],
  ];
  for (const [code, answer] of answers) {
    let asked = 0;
    const request = (index: number): Promise<Uint8Array> => {
      asked++;
      return index === 0 ? answer() : new Promise(() => {});
    };
    await t.throwsAsync(pullChunks({ request, into: new Uint8Array(BYTES) }), { code });
    t.is(asked, WINDOW, "nothing more is asked for");
  }
});

test("a chunk that answers after the transfer has failed is not written: the buffer may be another's (X4)", async (t) => {
  const sender = slowSender();
  const into = new Uint8Array(BYTES);
  const pulled = pullChunks({ request: sender.request, into });
  sender.waiting.get(0)!.fail(new FlError("FL_NO_RESPONDER"));
  await t.throwsAsync(pulled, { code: "FL_NO_RESPONDER" });
  t.true(
    sender.signals.every((s) => s.aborted),
    "the requests under way are called off",
  );
  for (const [index, { answer }] of sender.waiting) answer(encodeFrame(source, index));
  await quiet(2);
  t.true(into.every((b) => b === 0));
  t.is(sender.waiting.size, 0, "and nothing is asked for again");
});

test("an abort calls off what is under way and rejects with its reason (X4)", async (t) => {
  const { bus } = testWorld().ports("receiver");
  const stop = new AbortController();
  bus.subscribe("chunk", () => {}); // a sender that lives and never answers
  const into = new Uint8Array(BYTES);
  const pulled = pullChunks({
    request: async (index, signal) =>
      (await bus.request("chunk", Uint8Array.of(index), { timeoutMs: 60_000, signal })).data,
    into,
    signal: stop.signal,
  });
  await bus.flush();
  stop.abort(new FlError("FL_STATE", { reason: "the round has closed" }));
  await t.throwsAsync(pulled, { code: "FL_STATE" });
});

test("an empty buffer is one empty chunk", async (t) => {
  let asked = 0;
  const into = new Uint8Array(0);
  await pullChunks({
    request: async (index) => {
      asked++;
      return encodeFrame(into, index);
    },
    into,
  });
  t.is(asked, 1);
});

test("the window may shrink and grow while the chunks come; one chunk is always under way (X1)", async (t) => {
  const sender = slowSender();
  const into = new Uint8Array(BYTES);
  let window = 2;
  const pulled = pullChunks({ request: sender.request, into, window: () => window });
  const answerOne = async (): Promise<void> => {
    const [index] = sender.waiting.keys();
    sender.waiting.get(index!)!.answer(encodeFrame(source, index!));
    await quiet(1);
  };
  t.is(sender.waiting.size, 2);
  window = 0;
  await answerOne();
  t.is(sender.waiting.size, 1);
  await answerOne();
  t.is(sender.waiting.size, 1);
  window = 5;
  await answerOne();
  t.is(sender.waiting.size, 5);
  window = 100;
  await answerOne();
  t.is(sender.waiting.size, Math.min(WINDOW, COUNT - 4));
  while (sender.waiting.size > 0) await answerOne();
  await pulled;
  t.true(same(into, source));
});
