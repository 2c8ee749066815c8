/**
 * Patterns for names of tensors: `*` stands for any text, also none; everything else for itself.
 *
 * PA1 A pattern matches a whole name, never a part of it.
 */

/** Whether one of the patterns matches one of the names (PA1). */
export const matchesAny = (patterns: readonly string[], names: readonly string[]): boolean =>
  patterns.some((pattern) => names.some((name) => matches(pattern, name)));

/** Goes back to the last `*` alone, so its time is bounded by the product of the lengths. */
export function matches(pattern: string, name: string): boolean {
  let p = 0;
  let star = -1;
  let from = 0;
  for (let n = 0; n < name.length; ) {
    if (pattern[p] === "*") {
      star = p++;
      from = n;
    } else if (pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++from;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
