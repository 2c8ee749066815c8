import test from "ava";
import fc from "fast-check";
import { z } from "zod";
import { FlError } from "../../src/errors.ts";
import type { ContentType } from "../../src/ports.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import * as messages from "../../src/wire/messages.ts";
import { subjects } from "../../src/wire/table.ts";

const anything = z.unknown();
const schemas = Object.values(messages as Record<string, unknown>).filter((s) => s instanceof z.ZodType);
const contentTypes = fc.constantFrom<ContentType>("msgpack", "json");

/** What both encodings carry. */
const plain = fc.jsonValue({ maxDepth: 4, noUnicodeString: false });

/** Throws anything but the one code. */
function malformedOnly(call: () => unknown): void {
  try {
    call();
  } catch (e) {
    if (!(e instanceof FlError && e.code === "FL_MESSAGE_MALFORMED")) throw e;
  }
}

test("decode undoes encode, in MessagePack and in JSON", (t) => {
  fc.assert(
    fc.property(plain, contentTypes, (value, contentType) => {
      const kept = JSON.parse(JSON.stringify(value)) as unknown; // JSON has one zero
      t.deepEqual(decode(anything, encode(kept, contentType), contentType, "test"), kept);
    }),
  );
});

test("bytes survive MessagePack bit for bit", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
      const { back } = decode(z.object({ back: z.instanceof(Uint8Array) }), encode({ back: data }), "msgpack", "test");
      t.is(Buffer.compare(back, data), 0);
    }),
  );
});

test("bytes are base64 in JSON, however they are held", (t) => {
  const data = Uint8Array.of(0, 1, 254, 255);
  const held = { whole: data, part: new Uint8Array([9, ...data]).subarray(1), buffer: Buffer.from(data) };
  t.deepEqual(JSON.parse(Buffer.from(encode(held, "json")).toString()), {
    whole: "AAH+/w==",
    part: "AAH+/w==",
    buffer: "AAH+/w==",
  });
});

test("an encoded payload is not touched by the next one", (t) => {
  const first = encode({ a: "one" });
  const copy = first.slice();
  for (let i = 0; i < 1000; i++) encode({ b: "two".repeat(i % 50) });
  t.deepEqual(first, copy);
});

test("a field that is undefined is absent, not null, in both encodings", (t) => {
  const schema = z.strictObject({ verdict: z.string(), error: z.string().optional() });
  for (const contentType of ["msgpack", "json"] as const) {
    const bytes = encode({ verdict: "late", error: undefined }, contentType);
    t.deepEqual(decode(schema, bytes, contentType, "test"), { verdict: "late" });
  }
});

test("integers beyond 32 bits are numbers, however the sender wrote them", (t) => {
  const time = 1_700_000_000_123;
  const uint64 = Buffer.alloc(9);
  uint64.writeUInt8(0xcf);
  uint64.writeBigUInt64BE(BigInt(time), 1);
  const float64 = Buffer.alloc(9);
  float64.writeUInt8(0xcb);
  float64.writeDoubleBE(time, 1);
  for (const bytes of [uint64, float64, encode(time)]) t.is(decode(z.number(), bytes, "msgpack", "test"), time);
});

test("bytes at random are refused with FL_MESSAGE_MALFORMED or are a value of the schema, and nothing else (C1)", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), contentTypes, (bytes, contentType) => {
      for (const schema of schemas) malformedOnly(() => decode(schema, bytes, contentType, "test"));
    }),
    { numRuns: 200 },
  );
  t.pass();
});

test("values at random are refused with FL_MESSAGE_MALFORMED or are a value of the schema, and nothing else (C1)", (t) => {
  const values = fc.anything({ withNullPrototype: true, withTypedArray: true, maxDepth: 3 });
  fc.assert(
    fc.property(values, (value) => {
      let bytes: Uint8Array;
      try {
        bytes = encode(value);
      } catch {
        return; // not every value of the language can be sent
      }
      for (const schema of schemas) malformedOnly(() => decode(schema, bytes, "msgpack", "test"));
    }),
    { numRuns: 200 },
  );
  t.pass();
});

test("every truncation and every flipped byte of a real offer is refused or still fits, and nothing else (C1)", (t) => {
  const offer = {
    ...{ round: 3, epoch: 2, weight: 60, bytes: 12, layout: "a".repeat(64), frame: new Uint8Array([1, 2, 3]) },
    metrics: [{ task: "train", values: { loss: 0.5 } }],
  };
  const bytes = encode(offer);
  t.like(decode(messages.offer, bytes, "msgpack", "offer"), { round: 3, weight: 60 });
  for (let i = 0; i < bytes.length; i++) {
    t.throws(() => decode(messages.offer, bytes.subarray(0, i), "msgpack", "offer"), { code: "FL_MESSAGE_MALFORMED" });
    const flipped = bytes.slice();
    for (const mask of [0x01, 0x80, 0xff]) {
      flipped[i] = bytes[i]! ^ mask;
      malformedOnly(() => decode(messages.offer, flipped, "msgpack", "offer"));
    }
  }
});

test("nesting without end is refused, not a crash (C1)", (t) => {
  const deep = Buffer.concat([Buffer.alloc(100_000, 0x91), Buffer.from([0xc0])]);
  t.throws(() => decode(z.strictObject({}), deep, "msgpack", "test"), { code: "FL_MESSAGE_MALFORMED" });
  const json = Buffer.from("[".repeat(100_000));
  t.throws(() => decode(z.strictObject({}), json, "json", "test"), { code: "FL_MESSAGE_MALFORMED" });
});

test("a refusal says where, and what is allowed there", (t) => {
  const error = t.throws(() =>
    decode(messages.modelQuery, encode({ experiment: "e", which: "first" }), "msgpack", "q"),
  );
  t.regex(String((error as FlError).detail.reason), /^which: .*"best"\|"last"/);
  const unknown = t.throws(() => decode(messages.which, encode({ experiment: "e", colour: "red" }), "msgpack", "q"));
  t.regex(String((unknown as FlError).detail.reason), /colour/);
});

test("what users send is read strictly, what roles send each other may grow (M2)", (t) => {
  const open = [subjects.submit, subjects.status, subjects.cancel, subjects.model];
  for (const s of open) t.is(s.schema.safeParse({}).success, false);
  const alive = { round: 1, doing: "train", done: 1, total: 2, mood: "fine" };
  t.deepEqual(decode(messages.alive, encode(alive), "msgpack", "alive"), {
    round: 1,
    doing: "train",
    done: 1,
    total: 2,
  });
});
