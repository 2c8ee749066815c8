/** What a contract suite needs of an adapter, and a way to wait for what arrives. */
import type { ExecutionContext } from "ava";
import type { Bus, Store } from "../../src/ports.ts";

export type World = {
  /** a connection of its own to the same world, closed with the test */
  connect(name: string): Promise<{ bus: Bus; store: Store }>;
  /** a subject token that no other test uses */
  readonly unique: string;
};

export type MakeWorld = (t: ExecutionContext) => Promise<World>;

/** Things in the order they arrived, and promises for having so many. */
export class Seen<T> {
  readonly all: T[] = [];
  #waiting: { count: number; resolve: (all: T[]) => void }[] = [];

  readonly push = (item: T): void => {
    this.all.push(item);
    this.#waiting = this.#waiting.filter(({ count, resolve }) => {
      if (this.all.length < count) return true;
      resolve(this.all.slice(0, count));
      return false;
    });
  };

  /** The first so many, once they are there. */
  first(count: number): Promise<T[]> {
    if (this.all.length >= count) return Promise.resolve(this.all.slice(0, count));
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
export const text = (data: Uint8Array | undefined): string | undefined => data && Buffer.from(data).toString();
