/** A Shelf in memory. */
import { createHash } from "node:crypto";
import type { Shelf } from "../ports.ts";
import type { Exchange } from "./exchange.ts";

export class MemoryShelf implements Shelf {
  readonly #exchange: Exchange;
  readonly #objects = new Map<string, { data: Uint8Array; digest: string }>();

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  async put(name: string, data: Uint8Array): Promise<string> {
    const digest = createHash("sha256").update(data).digest("hex");
    this.#objects.set(name, { data: data.slice(), digest });
    await this.#exchange.turn();
    return digest;
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    const found = this.#objects.get(name)?.data.slice();
    await this.#exchange.turn();
    return found;
  }

  async delete(name: string): Promise<void> {
    this.#objects.delete(name);
    await this.#exchange.turn();
  }

  async list(): Promise<{ name: string; bytes: number; digest: string }[]> {
    const found = [...this.#objects].map(([name, { data, digest }]) => ({ name, bytes: data.length, digest }));
    await this.#exchange.turn();
    return found;
  }
}
