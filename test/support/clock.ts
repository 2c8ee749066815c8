/** A clock that stands still until a test moves it, and one that hurries by itself. */
import { systemClock } from "../../src/clock.ts";
import type { Clock } from "../../src/ports.ts";

export type ManualClock = Clock & {
  /** Moves time on and makes the calls that fall due, in order of time; each sees its own moment as `now`. */
  advance(ms: number): void;
  /** how many calls are waiting */
  readonly waiting: number;
};

export function manualClock(start = 1_700_000_000_000): ManualClock {
  let now = start;
  let id = 0;
  const due = new Map<number, { at: number; call: () => void }>();
  return {
    now: () => now,
    after(ms, call) {
      const mine = ++id;
      due.set(mine, { at: now + Math.max(0, ms), call });
      return () => void due.delete(mine);
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        // a Map keeps insertion order, and `<` keeps the earlier of two that fall due together
        let next: [number, { at: number; call: () => void }] | undefined;
        for (const one of due) if (one[1].at <= end && (next === undefined || one[1].at < next[1].at)) next = one;
        if (next === undefined) break;
        due.delete(next[0]);
        now = Math.max(now, next[1].at);
        next[1].call();
      }
      now = end;
    },
    get waiting() {
      return due.size;
    },
  };
}

/** The system's clock, whose timers come earlier. */
export const hurried = (times: number): Clock => ({
  ...systemClock,
  after: (ms, call) => systemClock.after(ms / times, call),
});

/** Time that goes by faster than the system's, for everybody alike; no call is early, as the system's may be by a little. */
export function fast(times: number): Clock {
  const start = systemClock.now();
  return {
    now: () => start + (systemClock.now() - start) * times,
    after: (ms, call) => systemClock.after(Math.ceil(ms / times) + 1, call),
  };
}
