/**
 * Seeded randomness: a stable hash from names to a seed, one generator, and the draws that data and engine need.
 *
 * The hash is cyrb53, the generator is xoshiro128** (Blackman and Vigna) whose state splitmix32 fills from the seed.
 * Both are for reproducibility, not for secrets.
 *
 * R1 Equal seeds give equal streams, on every machine and in every release: experiments are repeated by seed.
 * R2 `seedFrom` tells apart parts of different type or split: ("a", 1), ("a1") and ("a", "1") have different seeds.
 * R3 Nothing here reads a clock or Math.random.
 */

/** A seed of 53 bits, so that it is a plain JSON number. */
export function seedFrom(...parts: readonly (string | number)[]): number {
  const text = JSON.stringify(parts); // R2
  let h1 = 0xdeadbeef;
  let h2 = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    h1 = Math.imul(h1 ^ c, 2654435761);
    h2 = Math.imul(h2 ^ c, 1597334677);
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2246822507) ^ Math.imul(h2 ^ (h2 >>> 13), 3266489909);
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2246822507) ^ Math.imul(h1 ^ (h1 >>> 13), 3266489909);
  return 4294967296 * (2097151 & h2) + (h1 >>> 0);
}

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    // Both halves of the seed count: the high one enters between the splitmix steps.
    const high = Math.floor(seed / 4294967296) | 0;
    let s = seed | 0;
    const next = (): number => {
      s = (s + 0x9e3779b9) | 0;
      let z = s ^ (s >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.#a = next();
    this.#b = next();
    s ^= high;
    this.#c = next();
    this.#d = next();
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#a = 1; // the one state the generator cannot leave
  }

  /** 32 random bits as an unsigned integer */
  uint32(): number {
    const out = Math.imul(rotl(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotl(this.#d, 11);
    return out;
  }

  /** uniform in [0, 1), 53 bits */
  float(): number {
    const high = this.uint32() >>> 5;
    return (high * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }

  /** a uniform integer in [0, n), n ≤ 2^32, without modulo bias */
  below(n: number): number {
    const limit = 4294967296 - (4294967296 % n);
    let x = this.uint32();
    while (x >= limit) x = this.uint32();
    return x % n;
  }

  /** Fisher–Yates, in place; returns its argument */
  shuffle<T extends { length: number; [i: number]: number }>(list: T): T {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = list[i]!;
      list[i] = list[j]!;
      list[j] = kept;
    }
    return list;
  }

  /** 0 … n-1 in random order */
  permutation(n: number): Uint32Array {
    const list = new Uint32Array(n);
    for (let i = 0; i < n; i++) list[i] = i;
    return this.shuffle(list);
  }

  /** standard normal (Box–Muller, one value per call so that the stream is easy to follow) */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.float())) * Math.cos(2 * Math.PI * this.float());
  }

  /**
   * The logarithm of a gamma(shape, 1) draw (Marsaglia and Tsang 2000).
   * A logarithm, because for shapes far below one the draw itself underflows to zero.
   */
  logGamma(shape: number): number {
    if (shape < 1) return this.logGamma(shape + 1) + Math.log(1 - this.float()) / shape;
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.float()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return Math.log(d * v);
    }
  }

  /** A point of the simplex. A weight of zero gives a share of zero. */
  dirichlet(weights: readonly number[]): number[] {
    const logs = weights.map((w) => (w > 0 ? this.logGamma(w) : -Infinity));
    const top = Math.max(...logs);
    const shares = logs.map((l) => Math.exp(l - top));
    const sum = shares.reduce((a, b) => a + b, 0);
    return shares.map((s) => s / sum);
  }
}
