/**
 * "Did you mean …?": the candidate that a mistyped word most likely stands for.
 *
 * N1 Case, dashes and underscores never count: batch_size is batchSize.
 * N2 Nothing is suggested when more than a third of the word would have to change (one letter is always allowed).
 */
import { distance } from "fastest-levenshtein";

const plain = (word: string): string => word.toLowerCase().replace(/[-_\s]/g, "");

/** The nearest candidate, the first of equals; undefined when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const typed = plain(word);
  let best: string | undefined;
  let least = Math.max(1, Math.floor(typed.length / 3)) + 1; // N2
  for (const candidate of candidates) {
    const d = distance(typed, plain(candidate)); // N1
    if (d < least) {
      least = d;
      best = candidate;
    }
  }
  return best;
}
