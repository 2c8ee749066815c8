/**
 * What a payload is, said or guessed; both adapters follow this.
 *
 * T1 MessagePack is the rule and is not announced; JSON is announced by a `content-type` header.
 * T2 An unannounced payload that starts with `{` is JSON: no message of ours starts with that byte in MessagePack, where
 *    it is the number 123. So a plain client can send JSON without headers.
 */
import type { ContentType } from "./ports.ts";

const BRACE = 0x7b;

export function contentTypeOf(data: Uint8Array, announced?: string): ContentType {
  if (announced === undefined || announced === "") return data[0] === BRACE ? "json" : "msgpack"; // T2
  return announced.includes("json") ? "json" : "msgpack";
}
