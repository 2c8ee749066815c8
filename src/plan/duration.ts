/**
 * A length of time as people write it, as milliseconds.
 *
 * D1 A number is milliseconds; text is a number and one unit: ms, s, m, h, d. There is no text without a unit.
 * D2 The result is a whole number from 1 ms to 24 days: a timer's delay overflows at 2^31 ms, which is 24.8 days.
 * D3 A time limit may be a point in time instead: ISO 8601 with its offset, as text, so that no number means two things.
 */
import { z } from "zod";

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST_MS = 24 * 86_400_000;

/** Milliseconds; undefined when `value` is no duration. */
export function durationMs(value: unknown): number | undefined {
  const found = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/.exec(value.trim()) : null;
  const ms = found === null ? value : Math.round(Number(found[1]) * units[found[2]!]!); // D1
  return typeof ms === "number" && Number.isSafeInteger(ms) && ms >= 1 && ms <= LONGEST_MS ? ms : undefined; // D2
}

export const duration = z
  .custom<number | string>(
    (v) => durationMs(v) !== undefined,
    "must be a duration such as 90s, 2m or 1h (milliseconds without a unit), at most 24d",
  )
  .transform((v) => durationMs(v)!);

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** Milliseconds since the epoch; undefined when `value` is no point in time. */
export function momentMs(value: unknown): number | undefined {
  const at = typeof value === "string" && MOMENT.test(value.trim()) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}

/** Parsed: a duration is a number, a point in time its text (D3). */
export const timeLimit = z
  .custom<number | string>(
    (v) => durationMs(v) !== undefined || momentMs(v) !== undefined,
    "must be a duration such as 2h, at most 24d, or a point in time such as 2031-05-01T18:00:00Z",
  )
  .transform((v) => durationMs(v) ?? (v as string).trim());
