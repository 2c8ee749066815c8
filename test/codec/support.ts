/** Vectors for codecs, and what can be said of their errors. */
import fc from "fast-check";
import { type Chain, chainOf } from "../../src/codec/chain.ts";
import { codecOf } from "../../src/codec/registry.ts";

/** A chain as a plan has it after its defaults are filled in. */
export const chain = (...entries: ({ use: string } & Record<string, unknown>)[]): Chain =>
  chainOf(
    entries.map(({ use, ...options }) => ({
      use,
      ...(codecOf(use).options.parse(options) as Record<string, unknown>),
    })),
  );

const magnitude = fc.oneof(fc.constant(1), fc.constant(1e-30), fc.constant(1e-6), fc.constant(1e9));

/** Finite f32 of all kinds: zeros, repeated ones, subnormal, tiny and large, up to 1e9. */
export const vectors = (most = 600): fc.Arbitrary<Float32Array> =>
  fc
    .tuple(
      magnitude,
      fc.array(
        fc.oneof(
          { weight: 6, arbitrary: fc.float({ min: -1, max: 1, noNaN: true }) },
          fc.constantFrom(0, -0, 1, -1, 0.5),
        ),
        { minLength: 1, maxLength: most },
      ),
    )
    .map(([by, list]) => Float32Array.from(list, (x) => x * by));

export function roundTrip(codec: Chain, values: Float32Array, seed = 1): Float32Array {
  const bytes = codec.encode(values, seed);
  if (bytes.length > codec.most(values.length))
    throw new Error(`${bytes.length} bytes, at most ${codec.most(values.length)}`);
  const out = new Float32Array(values.length).fill(7);
  codec.decode(Uint8Array.from(bytes), out, seed);
  return out;
}

export const normSquared = (x: Iterable<number>): number => [...x].reduce((s, v) => s + v * v, 0);
export const errorOf = (a: Float32Array, b: Float32Array): number => normSquared(a.map((x, i) => x - b[i]!));
export const top = (x: Float32Array): number => x.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
/** Rounding of sums and of f32 beside a bound. */
export const SLACK = 1 + 1e-5;
