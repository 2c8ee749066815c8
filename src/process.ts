/**
 * A process, told from any other that has had its pid or will have it.
 *
 * PR1 A process is its pid and its start. Both mean something on one machine only, and in one namespace of pids.
 * PR2 The same process has the same start for whoever asks, whatever that one's language and time zone.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";

/** When `pid` started, in whatever the system counts; undefined when there is no such process (a zombie is none). */
export function processStart(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (e) {
    // EPERM: it lives, under another user
    if (!(e instanceof Error && "code" in e && e.code === "EPERM")) return undefined;
  }
  try {
    if (process.platform !== "linux") {
      const env = { ...process.env, LC_ALL: "C", TZ: "UTC" }; // PR2
      return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8", env }).trim() || undefined;
    }
    // the program's name may hold anything, so count from its closing parenthesis: state, then start as 20th
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\)\s/s, "")
      .split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : (fields[19] ?? "");
  } catch {
    return undefined;
  }
}

/** Whether `pid` is gone within `limitMs`: a process of another parent can only be asked again and again. */
export async function goneWithin(pid: number, limitMs: number): Promise<boolean> {
  const start = processStart(pid);
  const end = performance.now() + limitMs;
  while (start !== undefined && processStart(pid) === start) {
    if (performance.now() >= end) return false;
    await pause(20);
  }
  return true;
}

const MARK = /^([0-9a-f]{12})-(\d+)-(\w+)$/;

/** This process as a word for a file's name; undefined on a system that does not tell when a process started. */
export function ownMark(): string | undefined {
  const start = processStart(process.pid);
  return start === undefined || start === "" ? undefined : `${place()}-${process.pid}-${asWord(start)}`;
}

/** Whether the process of this mark is gone for certain: no mark, or one of another place, cannot be judged (PR1). */
export function isGone(mark: string): boolean {
  const [, where, pid, start] = MARK.exec(mark) ?? [];
  if (where !== place()) return false;
  const found = processStart(Number(pid));
  if (found !== undefined) return asWord(found) !== start;
  try {
    process.kill(Number(pid), 0);
    return false; // there, and not to be read
  } catch (e) {
    return e instanceof Error && "code" in e && e.code === "ESRCH";
  }
}

/** Where pids can be compared: this machine, and on Linux this namespace of pids. PR1 */
function place(): string {
  let namespace = "";
  try {
    namespace = readlinkSync("/proc/self/ns/pid");
  } catch {
    // there is one only
  }
  return createHash("sha256").update(`${hostname()} ${namespace}`).digest("hex").slice(0, 12);
}

const asWord = (start: string): string => start.replaceAll(/\W+/g, "_");
