/** A Shelf in memory. */
import { createHash } from "node:crypto";
import type { Shelf } from "../ports.ts";

export class MemoryShelf implements Shelf {
  readonly #objects = new Map<string, { data: Uint8Array; digest: string }>();

  async put(name: string, data: Uint8Array): Promise<string> {
    const digest = createHash("sha256").update(data).digest("hex");
    this.#objects.set(name, { data: data.slice(), digest });
    return digest;
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return this.#objects.get(name)?.data.slice();
  }

  async delete(name: string): Promise<void> {
    this.#objects.delete(name);
  }

  async list(): Promise<{ name: string; bytes: number; digest: string }[]> {
    return [...this.#objects].map(([name, { data, digest }]) => ({ name, bytes: data.length, digest }));
  }
}
