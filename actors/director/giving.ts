/**
 * What the Director hands out in frames: workspace archives to the envoys that run them, models and archives to their owners.
 * Nobody else reads where they lie.
 *
 * V1 An envoy is given what it is assigned, for review or to run it, an owner what is its own. For everything else the answer
 *    is empty, as it is for what is not there.
 * V2 A stored model is held in memory while it is being asked for, one at a time, and HOLD_MS longer.
 */
import type { Shelf } from "../../src/ports.ts";
import { chunkCount, encodeChunk, encodeFrame } from "../../src/tensor/frame.ts";
import { readFrame } from "../../src/transfer/model-stream.ts";
import { readChunk } from "../../src/transfer/upload.ts";
import type { ExperimentRecord, Give, RoundRecord } from "../../src/wire/messages.ts";
import { buckets, keptObject, shelves } from "../../src/wire/table.ts";
import type { Rows, Wire } from "../../src/wire/wire.ts";
import type { Envoys } from "./envoys.ts";
import type { Records } from "./records.ts";
import type { Rights } from "./rights.ts";

const HOLD_MS = 30_000;
const NONE = new Uint8Array(0);

export class Giving {
  readonly #wire: Wire;
  readonly #records: Records;
  readonly #rights: Rights;
  readonly #envoys: Pick<Envoys, "holds">;
  #held: { name: string; bytes: Promise<Uint8Array | undefined>; forget: () => void } | undefined;

  constructor(wire: Wire, records: Records, rights: Rights, envoys: Pick<Envoys, "holds">) {
    this.#wire = wire;
    this.#records = records;
    this.#rights = rights;
    this.#envoys = envoys;
  }

  async toEnvoy(envoy: string, { experiment, index }: { experiment: string; index: number }): Promise<Uint8Array> {
    const [record, held] = await Promise.all([this.#records.get(experiment), this.#envoys.holds(envoy, experiment)]);
    return record !== undefined && held ? this.#archive(record, index) : NONE; // V1
  }

  async toOwner(caller: string, asked: Give): Promise<Uint8Array> {
    const record = await this.#rights.find(caller, asked.experiment);
    switch (asked.what) {
      case "archive":
        return this.#archive(record, asked.index);
      case "best":
      case "last":
        return this.#file(record.outcome?.objects[asked.what], asked.index);
      case "kept":
        return this.#kept(record.name, asked);
      case "round":
        return this.#frame(record.name, asked);
    }
  }

  /** Lets go of what it holds. */
  end(): void {
    this.#held?.forget();
  }

  async #archive({ owner, submission: { archive } }: ExperimentRecord, index: number): Promise<Uint8Array> {
    const count = chunkCount(archive.bytes);
    if (index >= count) return NONE;
    const chunk = await readChunk(this.#wire, await this.#wire.journal("uploads"), owner, archive, index);
    return encodeChunk(chunk, index, count);
  }

  async #file(name: string | undefined, index: number): Promise<Uint8Array> {
    const bytes = name === undefined ? undefined : await this.#hold(name);
    return bytes === undefined || index >= chunkCount(bytes.length) ? NONE : encodeFrame(bytes, index);
  }

  async #kept(exp: string, { round, index }: Give): Promise<Uint8Array> {
    const kept = (await this.#round(exp))?.kept ?? [];
    return round !== undefined && kept.includes(round) ? this.#file(keptObject(exp, round), index) : NONE;
  }

  async #round(exp: string): Promise<RoundRecord | undefined> {
    const rows: Rows<"{exp}", RoundRecord> = await this.#wire.table(buckets.rounds);
    return (await rows.get({ exp }))?.value;
  }

  async #frame(exp: string, { epoch, round, index }: Give): Promise<Uint8Array> {
    const record = await this.#round(exp);
    const ref = [record?.model, record?.best?.model].find((r) => r?.epoch === epoch && r?.round === round);
    if (!ref || index >= ref.chunks) return NONE;
    const place = { wire: this.#wire, journal: await this.#wire.journal("model", exp), exp };
    return (await readFrame(place, ref, index)) ?? NONE;
  }

  /** V2 */
  #hold(name: string): Promise<Uint8Array | undefined> {
    const held = this.#held;
    held?.forget();
    const bytes =
      held?.name === name ? held.bytes : this.#wire.shelf(shelves.models).then((shelf: Shelf) => shelf.get(name));
    const mine = { name, bytes, forget: (): void => {} };
    const cancel = this.#wire.ports.clock.after(HOLD_MS, () => mine.forget());
    mine.forget = () => {
      cancel();
      if (this.#held === mine) this.#held = undefined;
    };
    this.#held = mine;
    bytes.catch(() => mine.forget());
    return bytes;
  }
}
