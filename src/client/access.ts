/**
 * What a client's questions go through: the wire that makes what is missing, the one that only reads, and the name it asks by.
 *
 * F2 What the Director answers as an error is thrown as that error.
 * F3 Only a submission, and whoever waits for one, makes streams and buckets: what asks about a federation that is none is
 *    told so (FL_NOT_FOUND), and leaves none behind.
 */
import { asFlError, fromWire, type WireError } from "../errors.ts";
import type { Ports } from "../ports.ts";
import { buckets } from "../wire/table.ts";
import { Wire } from "../wire/wire.ts";

/** how long the Director may take to answer */
export const ANSWER_MS = 5_000;

export class Access {
  readonly wire: Wire;
  /** F3 */
  readonly reader: Wire;
  /** the name that submissions and questions go by */
  readonly name: string;

  /** @throws FL_SUBJECT_TOKEN if the federation's name is not one token */
  constructor(ports: Ports, fed: string, name: string) {
    this.wire = new Wire(ports, fed);
    this.reader = new Wire(ports, fed, { existing: true });
    this.name = name;
  }

  /** Undefined if no Director is there to answer. */
  async ask<R extends { error?: WireError | undefined }>(request: () => Promise<R>): Promise<R | undefined> {
    try {
      return answered(await request());
    } catch (e) {
      if (asFlError(e).code === "FL_NO_RESPONDER") return undefined;
      throw e;
    }
  }

  /** Without a Director: FL_NO_RESPONDER in a federation that is there, FL_NOT_FOUND in one that is not (F3). */
  async need<R extends { error?: WireError | undefined }>(request: () => Promise<R>): Promise<R> {
    try {
      return answered(await request());
    } catch (e) {
      if (asFlError(e).code === "FL_NO_RESPONDER") await this.reader.table(buckets.experiments);
      throw e;
    }
  }
}

/** F2 */
function answered<R extends { error?: WireError | undefined }>(reply: R): R {
  if (reply.error !== undefined) throw fromWire(reply.error);
  return reply;
}
