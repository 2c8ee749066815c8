/**
 * Asking until there is an answer. For requests that repeat without harm and whose peer may be away: a killed process comes
 * back, and a lost connection too. Not on a round's path: the first try is made at once and is usually the only one.
 */
import { setTimeout as pause } from "node:timers/promises";
import { asFlError } from "../src/errors.ts";

const FIRST_MS = 100;
const LONGEST_MS = 1_000;

/** `ask` resolves to undefined for "not yet". @throws what `ask` rejects with, unless it is retryable; the signal's reason */
export async function insist<T>(signal: AbortSignal, ask: () => Promise<T | undefined>): Promise<T> {
  for (let wait = FIRST_MS; ; wait = Math.min(2 * wait, LONGEST_MS)) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (e) {
      if (signal.aborted || !asFlError(e).retryable) throw e;
    }
    await pause(wait, undefined, { signal });
  }
}
