/**
 * What a client's questions go through: the wire that makes what is missing, the one that only reads, the name it asks by, and
 * what its owner has (holdings.ts).
 *
 * F3 Only a submission, and whoever waits for one, makes streams and buckets: what asks about a federation that is none is
 *    told so (FL_NOT_FOUND), and leaves none behind.
 */
import { asFlError } from "../errors.ts";
import type { Ports } from "../ports.ts";
import { buckets } from "../wire/table.ts";
import { Wire } from "../wire/wire.ts";
import { Asked } from "./asked.ts";
import { Asking } from "./asking.ts";
import type { Holdings } from "./holdings.ts";
import { Stored } from "./stored.ts";

export type AccessOptions = {
  readonly ports: Ports;
  readonly fed: string;
  /** the name that submissions and questions go by */
  readonly name: string;
  /** the server lets the Director's side read what is stored, and nobody else. @default false */
  readonly secured?: boolean;
};

export class Access {
  readonly wire: Wire;
  /** F3 */
  readonly reader: Wire;
  readonly name: string;
  readonly secured: boolean;
  readonly asking: Asking;
  readonly holdings: Holdings;

  /** @throws FL_SUBJECT_TOKEN if the federation's name is not one token */
  constructor({ ports, fed, name, secured = false }: AccessOptions) {
    this.wire = new Wire(ports, fed);
    this.reader = new Wire(ports, fed, { existing: true });
    this.name = name;
    this.secured = secured;
    this.asking = new Asking(this.wire, name);
    this.holdings = secured ? new Asked(this.asking) : new Stored(this, this.asking, name);
  }

  /** Without a Director: FL_NO_RESPONDER in a federation that is there, FL_NOT_FOUND in one that is not (F3). */
  async need<T>(question: Promise<T>): Promise<T> {
    try {
      return await question;
    } catch (e) {
      const silent = asFlError(e).code === "FL_NO_RESPONDER";
      if (silent && !this.secured) await this.reader.table(buckets.experiments);
      throw e;
    }
  }
}
