/**
 * Bytes ↔ payloads. MessagePack everywhere; JSON is understood too (src/ports.ts Message.contentType says which), with bytes
 * in base64.
 *
 * C1 decode throws FL_MESSAGE_MALFORMED for whatever does not decode or fit its schema, and nothing else.
 * C2 A decoded value never aliases the network buffer, except `bin` fields of hot-path messages (`offer.frame`), which
 *    their handlers copy at once.
 */
import { type Options, Packr } from "msgpackr";
import type { z } from "zod";
import { FlError } from "../errors.ts";
import type { ContentType } from "../ports.ts";

// Plain MessagePack: msgpackr's record extension and its undefined would not be readable in other languages. A field that
// is undefined is left out, as JSON does; and the uint64 that other encoders choose for a time or a size is a number.
const options = { useRecords: false, skipValues: [undefined], encodeUndefinedAsNil: true, int64AsType: "number" };
const packr = new Packr(options as Options); // its types do not know skipValues

export function encode(value: unknown, contentType: ContentType = "msgpack"): Uint8Array {
  // A copy of its own size: msgpackr returns a view of its pool, which the caller may still hold when the next is packed.
  return contentType === "json"
    ? Buffer.from(JSON.stringify(value, inBase64))
    : Uint8Array.prototype.slice.call(packr.pack(value));
}

/** A Buffer has made itself an object of numbers before a replacer sees it, so it looks at what the value was. */
function inBase64(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const was = this[key];
  return was instanceof Uint8Array ? Buffer.from(was.buffer, was.byteOffset, was.byteLength).toString("base64") : value;
}

/** @throws FL_MESSAGE_MALFORMED with the place and what is allowed there */
export function decode<T>(schema: z.ZodType<T>, data: Uint8Array, contentType: ContentType, what: string): T {
  let value: unknown;
  try {
    value =
      contentType === "json" ? JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data)) : packr.unpack(data);
  } catch (e) {
    throw new FlError("FL_MESSAGE_MALFORMED", { what, reason: `not ${contentType}` }, { cause: e });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const reason = parsed.error.issues
    .slice(0, 5)
    .map((i) => `${i.path.join(".") || what}: ${i.message}`)
    .join("; ");
  throw new FlError("FL_MESSAGE_MALFORMED", { what, reason });
}
