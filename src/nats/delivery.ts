/**
 * What the server writes into the reply subject of a message that a consumer delivers:
 *   $JS.ACK.{stream}.{consumer}.{delivered}.{stream seq}.{consumer seq}.{time}.{pending}
 *   $JS.ACK.{domain}.{account}.{stream}.{consumer}.{…the same five}.{random}
 */
import type { Msg } from "@nats-io/transport-node";
import { contentTypeOf } from "../content-type.ts";
import { FlError } from "../errors.ts";
import type { ContentType, Stored } from "../ports.ts";

export type Delivered = {
  readonly seq: number;
  readonly consumerSeq: number;
  readonly time: string;
  readonly pending: number;
};

/** @throws FL_INTERNAL if the subject is not of this form */
export function deliveryOf(reply: string): Delivered {
  const tokens = reply.split(".");
  const at = tokens.length === 9 ? 5 : 7;
  const [seq, consumerSeq, pending] = [Number(tokens[at]), Number(tokens[at + 1]), Number(tokens[at + 3])];
  const time = tokens[at + 2] ?? "";
  if (!Number.isInteger(seq) || !Number.isInteger(consumerSeq) || !Number.isInteger(pending)) {
    throw new FlError("FL_INTERNAL", { reason: "not a delivered message", reply });
  }
  return { seq, consumerSeq, time, pending };
}

const CONTENT_TYPE = "content-type";

export function typeOf(msg: Msg): ContentType {
  return contentTypeOf(msg.data, msg.headers?.get(CONTENT_TYPE, "insensitive"));
}

export function storedOf(msg: Msg, seq: number): Stored {
  return { seq, subject: msg.subject, data: msg.data, contentType: typeOf(msg) };
}
