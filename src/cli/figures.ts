/** Numbers, times and paths as people read them. */
import { relative, resolve } from "node:path";

export const percent = (value: number | null | undefined, digits = 2): string =>
  value === null || value === undefined ? "" : `${(100 * value).toFixed(digits)} %`;

export const decimal = (value: number | null | undefined, digits = 4): string =>
  value === null || value === undefined ? "" : value.toFixed(digits);

/** 407 kB */
export function bytes(n: number): string {
  if (n < 1_000) return `${n} B`;
  if (n < 1_000_000) return `${(n / 1_000).toFixed(0)} kB`;
  if (n < 1_000_000_000) return `${(n / 1_000_000).toFixed(1)} MB`;
  return `${(n / 1_000_000_000).toFixed(1)} GB`;
}

export const whole = (n: number): string => n.toLocaleString("en-US");

/** 12.3 s, 4 min 5 s, 2 h 3 min, 3 d 4 h */
export function duration(ms: number): string {
  const s = ms / 1_000;
  if (s < 99.95) return `${s.toFixed(1)} s`;
  const [d, h, min, sec] = [s / 86_400, (s / 3_600) % 24, (s / 60) % 60, s % 60].map(Math.floor) as [
    number,
    number,
    number,
    number,
  ];
  if (d > 0) return `${d} d ${h} h`;
  return h > 0 ? `${h} h ${min} min` : `${min} min ${sec} s`;
}

/** how long ago, roughly */
export function ago(at: number | null, now: number): string {
  if (at === null) return "never";
  const s = Math.max(0, Math.round((now - at) / 1_000));
  if (s < 120) return `${s} s ago`;
  if (s < 7_200) return `${Math.round(s / 60)} min ago`;
  if (s < 172_800) return `${Math.round(s / 3_600)} h ago`;
  return `${Math.round(s / 86_400)} d ago`;
}

/** from here if it lies below, else from the root */
export function shortest(path: string): string {
  const below = relative(".", path);
  return below.startsWith("..") ? resolve(path) : below;
}
