/**
 * Makes TensorFlow.js repeatable where it does not let itself be seeded.
 *
 * Initialisers without a seed, dropout masks and noise layers draw their seed from Math.random. While `fn` runs,
 * Math.random is a seeded stream.
 *
 * H1 `fn` is synchronous, so no other code of the process sees the replacement.
 */
import type { Random } from "../data/random.ts";

export function withChance<T>(random: Random, fn: () => T): T {
  const kept = Math.random;
  Math.random = () => random.float();
  try {
    return fn();
  } finally {
    Math.random = kept;
  }
}
