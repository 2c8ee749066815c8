/**
 * What a nats-server's version number means for this runtime: refused, usable with a warning, or fine.
 *
 * Owns the version floors and the sentences about what an older server cannot promise; runs nothing.
 * V1 Below `floor` is FL_NATS_TOO_OLD, naming what was found and what is needed; so is text that is no version.
 * V2 A candidate (`2.10.23-RC.1`) is older than its release: it may lack the fix the release is trusted for.
 */
import { FlError } from "../errors.ts";

/** the oldest server this runtime is tested with */
export const floor = "2.9.10";
/** the first version that knows `jetstream { sync_interval }` */
const syncs = "2.10.0";
/** the first version without the stream loss of nats-server issue 6888 */
const sound = "2.10.23";

export type VersionCheck = { ok: true; warnings: string[] };

type Parts = readonly [major: number, minor: number, patch: number, final: number];

function parts(version: string): Parts | undefined {
  const found = /^v?(\d+)\.(\d+)\.(\d+)(-[\w.-]+)?/.exec(version.trim());
  if (found === null) return undefined;
  return [Number(found[1]), Number(found[2]), Number(found[3]), found[4] === undefined ? 1 : 0];
}

/** The version in what `nats-server --version` prints, without the leading "v". */
export function versionIn(text: string): string | undefined {
  return /\bv?(\d+\.\d+\.\d+(?:-[\w.-]+)?)/.exec(text)?.[1];
}

/** Negative when `a` is older than `b`. What is not a version is older than everything. */
export function compareVersions(a: string, b: string): number {
  const left = parts(a) ?? [-1, 0, 0, 0];
  const right = parts(b) ?? [-1, 0, 0, 0];
  for (const [i, part] of left.entries()) {
    const difference = part - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether an acknowledged write can be made to reach the disk before its acknowledgement. */
export function canSyncAlways(version: string): boolean {
  return compareVersions(version, syncs) >= 0;
}

/**
 * For our own server and for one given by `--nats` alike: its version is in the INFO line.
 * @throws FL_NATS_TOO_OLD
 */
export function checkServerVersion(version: string): VersionCheck {
  if (compareVersions(version, floor) < 0) {
    throw new FlError("FL_NATS_TOO_OLD", {
      reason: `found ${version === "" ? "no version" : version}, needed ${floor} or newer`,
      found: version,
      needed: floor,
    });
  }
  const warnings: string[] = [];
  if (!canSyncAlways(version)) {
    warnings.push(
      `nats-server ${version} has no sync_interval (2.10 has): it acknowledges writes up to two minutes before they are on disk, so a power failure may lose acknowledged writes`,
    );
  }
  if (compareVersions(version, sound) < 0) {
    warnings.push(
      `nats-server ${version} is older than ${sound}: clusters of 2.10.20 to 2.10.22 could lose a whole stream after several kills; use ${sound} or newer`,
    );
  }
  return { ok: true, warnings };
}
