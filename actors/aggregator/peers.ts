/**
 * What the Aggregator knows of its collaborators: who lives, what each does, how far each is. For people to look at and
 * for `collaborator.lost`; no round waits on it.
 *
 * E1 A collaborator is silent after SILENT_MS without a sign of life; an offer is one, too.
 * E2 What a collaborator did in an earlier round is not shown as this one's: a late word of it is a sign of life only.
 * E3 A collaborator that its envoy has given up is shown as failed, in every round, until it lives again. Nothing is said of
 *    its silence, and no word of its envoy is a sign of its life.
 */
import type { WireError } from "../../src/errors.ts";
import type { Alive, PeerState, Progress } from "../../src/wire/messages.ts";

export const SILENT_MS = 5_000;

type Peer = { -readonly [K in keyof Progress["peers"][number]]: Progress["peers"][number][K] };

export class Peers {
  readonly #peers: Map<string, Peer>;
  readonly #givenUp = new Map<string, WireError>();
  readonly #samples = new Map<string, number>();
  #round = 0;
  /** who is asked in this round; undefined before the first */
  #asked: ReadonlySet<string> | undefined;

  constructor(names: readonly string[]) {
    this.#peers = new Map([...names].sort().map((name) => [name, stranger(name)]));
  }

  /** Somebody takes part from now on. */
  join(name: string): void {
    if (!this.#peers.has(name)) this.#peers.set(name, stranger(name));
  }

  /** Whether there has been a sign of its life. */
  isHeard(name: string): boolean {
    return (this.#peers.get(name)?.seen_at ?? null) !== null && !this.#givenUp.has(name);
  }

  /** How many samples it trains on; null if it has not said so. */
  samples(name: string): number | null {
    return this.#samples.get(name) ?? null;
  }

  /** @returns true if it had been silent, or given up */
  alive(name: string, alive: Alive, now: number): boolean {
    const peer = this.#peers.get(name);
    if (peer === undefined) return false;
    const { round, doing, done, total, samples } = alive;
    if (samples !== undefined) this.#samples.set(name, samples);
    if (round >= this.#round) Object.assign(peer, { doing, done, total }); // E2
    return this.#seen(peer, now);
  }

  /** @returns true if it had been silent, or given up */
  set(name: string, state: PeerState, now: number): boolean {
    const peer = this.#peers.get(name);
    if (peer === undefined) return false;
    const returned = this.#seen(peer, now);
    peer.state = state;
    return returned;
  }

  /** Its envoy cannot run it (E3). */
  giveUp(name: string, error: WireError): void {
    const peer = this.#peers.get(name);
    if (peer === undefined) return;
    peer.state = "failed";
    this.#givenUp.set(name, error);
  }

  /** Those who are given up, and why. */
  get givenUp(): ReadonlyMap<string, WireError> {
    return this.#givenUp;
  }

  bytes(name: string, bytes: number): void {
    const peer = this.#peers.get(name);
    if (peer !== undefined) peer.bytes = bytes;
  }

  #seen(peer: Peer, now: number): boolean {
    const returned = this.#givenUp.delete(peer.name) || peer.state === "silent";
    if (returned || peer.state === "absent") peer.state = this.#atRest(peer.name);
    peer.seen_at = now;
    return returned;
  }

  #atRest(name: string): PeerState {
    return (this.#asked?.has(name) ?? true) ? "working" : "resting";
  }

  /** A new round: everyone who lives and is asked works on it. */
  round(round: number, asked: ReadonlySet<string>): void {
    this.#round = round;
    this.#asked = asked;
    for (const peer of this.#peers.values()) {
      const lives = peer.state !== "silent" && peer.state !== "absent" && !this.#givenUp.has(peer.name);
      if (lives) peer.state = this.#atRest(peer.name);
      Object.assign(peer, { doing: "", done: 0, total: 0, bytes: 0 }); // E2
    }
  }

  /** Those who have become silent since the last look. */
  lost(now: number): string[] {
    const lost: string[] = [];
    for (const peer of this.#peers.values()) {
      if (peer.seen_at === null || peer.state === "silent" || now - peer.seen_at < SILENT_MS) continue;
      if (this.#givenUp.has(peer.name)) continue; // E3
      peer.state = "silent";
      lost.push(peer.name);
    }
    return lost;
  }

  list(): Peer[] {
    return [...this.#peers.values()].map((p) => ({ ...p }));
  }
}

const stranger = (name: string): Peer => ({
  ...{ name, state: "absent", doing: "", done: 0, total: 0, bytes: 0, seen_at: null },
});
