/**
 * A Shelf in a NATS object store (ADR-20): chunks under `$O.{bucket}.C.{nuid}`, then one message that describes them
 * under `$O.{bucket}.M.{name in base64url}`. Any NATS client reads what this writes and the other way round.
 *
 * O1 An object appears when all its chunks are stored: the description goes last. What it replaces is removed after that.
 * O2 What is handed out has the length and the SHA-256 that were announced.
 * O3 A read that loses its chunks to a replacement starts again with the new ones.
 * The library's own put waits for each chunk and its get for ever when chunks are gone, hence this file.
 */
import { createHash } from "node:crypto";
import type { ObjectInfo } from "@nats-io/obj";
import { nuid } from "@nats-io/transport-node";
import { FlError } from "../errors.ts";
import type { Shelf } from "../ports.ts";
import type { Link } from "./link.ts";
import { retried } from "./retry.ts";
import { tail } from "./tail.ts";

const CHUNK_BYTES = 512 * 1024;
const IN_FLIGHT = 16;
const ALGORITHM = "SHA-256=";
const ROLLUP = { "Nats-Rollup": "sub" };
const NOTHING = new Uint8Array(0);

type Description = Pick<ObjectInfo, "name" | "bucket" | "nuid" | "size" | "chunks" | "digest" | "mtime" | "deleted"> & {
  options: { max_chunk_size: number };
};

export class NatsShelf implements Shelf {
  readonly #link: Link;
  readonly #bucket: string;
  readonly #stream: string;

  constructor(link: Link, bucket: string) {
    this.#link = link;
    this.#bucket = bucket;
    this.#stream = `OBJ_${bucket}`;
  }

  async put(name: string, data: Uint8Array): Promise<string> {
    const old = await this.#describe(name);
    const id = nuid.next();
    const size = Math.min(CHUNK_BYTES, (this.#link.nc.info?.max_payload ?? CHUNK_BYTES) - 1024);
    const hash = createHash("sha256");
    const flying = new Set<Promise<unknown>>();
    const failures: unknown[] = [];
    let chunks = 0;
    for (let at = 0; at < data.length; at += size) {
      const chunk = data.subarray(at, at + size);
      const one = this.#link
        .store(this.#stream, this.#chunks(id), chunk, { id: `${id}.${chunks++}` })
        .catch(failures.push.bind(failures))
        .finally(() => flying.delete(one));
      flying.add(one);
      hash.update(chunk); // while the server writes
      if (flying.size >= IN_FLIGHT) await Promise.race(flying);
      if (failures.length > 0) break;
    }
    await Promise.all(flying);
    if (failures.length > 0) {
      await this.#drop(id).catch(() => {}); // the first failure is the one to tell
      throw failures[0];
    }
    const digest = hash.digest();
    await this.#announce({
      name,
      bucket: this.#bucket,
      nuid: id,
      size: data.length,
      chunks,
      digest: ALGORITHM + base64url(digest),
      mtime: new Date().toISOString(),
      deleted: false,
      options: { max_chunk_size: size },
    }); // O1
    if (old !== undefined && old.nuid !== id) await this.#drop(old.nuid);
    return digest.toString("hex");
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    for (;;) {
      const description = await this.#describe(name);
      if (description === undefined || description.deleted) return undefined;
      const data = await this.#read(description);
      if (data !== undefined && ALGORITHM + digestOf(data) === padded(description.digest)) return data; // O2
      const now = await this.#describe(name);
      if (now?.nuid === description.nuid && !now.deleted) {
        throw new FlError("FL_DIGEST_MISMATCH", { shelf: this.#bucket, name, announced: description.digest });
      } // O3
    }
  }

  async delete(name: string): Promise<void> {
    const old = await this.#describe(name);
    if (old === undefined || old.deleted) return;
    await this.#announce({ ...old, size: 0, chunks: 0, digest: "", mtime: new Date().toISOString(), deleted: true });
    await this.#drop(old.nuid);
  }

  async list(): Promise<{ name: string; bytes: number; digest: string }[]> {
    const found: { name: string; bytes: number; digest: string }[] = [];
    await this.#collect("latest", `$O.${this.#bucket}.M.>`, (data) => {
      const { name, size, digest, deleted } = JSON.parse(Buffer.from(data).toString()) as Description;
      const hex = Buffer.from(digest.slice(ALGORITHM.length), "base64url").toString("hex");
      if (!deleted) found.push({ name, bytes: size, digest: hex });
    });
    return found;
  }

  /** @returns undefined if the chunks are not what the description says */
  async #read({ nuid: id, size }: Description): Promise<Uint8Array | undefined> {
    const data = new Uint8Array(size);
    let at = 0;
    if (size === 0) return data;
    await this.#collect(1, this.#chunks(id), (chunk) => {
      if (at + chunk.length <= size) data.set(chunk, at);
      at += chunk.length;
    });
    return at === size ? data : undefined;
  }

  /** Resolves when `onData` has had all that is stored now. */
  async #collect(from: number | "latest", filter: string, onData: (data: Uint8Array) => void): Promise<void> {
    let end = (): void => {};
    try {
      await new Promise<void>((resolve, reject) => {
        end = tail(this.#link, {
          stream: this.#stream,
          filter,
          from,
          onMessage: (msg) => onData(msg.data),
          onFlow: (more) => more(),
          caughtUp: resolve,
          failed: reject,
        });
      });
    } finally {
      end();
    }
  }

  #describe(name: string): Promise<Description | undefined> {
    const subject = `$JS.API.DIRECT.GET.${this.#stream}.${this.#meta(name)}`;
    return retried(this.#link, `find ${name}`, async () => {
      const msg = await this.#link.onStream(this.#stream, subject, NOTHING);
      const code = msg.headers?.code ?? 0;
      if (code === 404) return undefined;
      if (code !== 0) throw new FlError("FL_INTERNAL", { reason: msg.headers?.description ?? "", name, status: code });
      return msg.json<Description>();
    });
  }

  async #announce(description: Description): Promise<void> {
    const data = Buffer.from(JSON.stringify(description));
    await this.#link.store(this.#stream, this.#meta(description.name), data, { extra: ROLLUP });
  }

  async #drop(id: string): Promise<void> {
    const filter = this.#chunks(id);
    await retried(this.#link, "purge chunks", () => this.#link.api(`STREAM.PURGE.${this.#stream}`, { filter }));
  }

  #chunks(id: string): string {
    return `$O.${this.#bucket}.C.${id}`;
  }

  #meta(name: string): string {
    return `$O.${this.#bucket}.M.${base64url(Buffer.from(name))}`;
  }
}

function digestOf(data: Uint8Array): string {
  return base64url(createHash("sha256").update(data).digest());
}

/** ADR-20 pads, Node does not. */
function base64url(data: Buffer): string {
  return padded(data.toString("base64url"));
}

function padded(text: string): string {
  const bare = text.replace(/=+$/, "");
  const body = bare.startsWith(ALGORITHM) ? bare.slice(ALGORITHM.length) : bare;
  return bare + "=".repeat((4 - (body.length % 4)) % 4);
}
