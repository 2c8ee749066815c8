/**
 * One owner per directory, across processes.
 *
 * Owns the lock file: who wrote it, whether that process still lives, and taking over after a dead one.
 * K1 The file appears whole or not at all (link of a finished file), and only one of several takers gets it.
 * K2 A process is its pid and its start (src/process.ts): in a container every run may have the same pid.
 * K3 A lock whose owner is gone is taken over without asking; one whose owner lives is FL_LOCKED.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { FlError } from "../errors.ts";
import { processStart } from "../process.ts";

export { goneWithin, processStart } from "../process.ts";

const owner = z.object({ pid: z.int().positive(), start: z.string() });
type Owner = z.infer<typeof owner>;

export type Lock = { release(): Promise<void> };

/** @throws FL_LOCKED when a living process holds it (K3) */
export async function lockDirectory(dir: string, name: string): Promise<Lock> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, name);
  const own = `${path}.${randomUUID()}`;
  const mine: Owner = { pid: process.pid, start: processStart(process.pid) ?? "" };
  await writeFile(own, JSON.stringify(mine));
  try {
    // each pass either ends or removes a dead owner's file; several takers may remove several
    for (let pass = 0; pass < 8; pass++) {
      if (await linked(own, path)) return held(path);
      const text = await readFile(path, "utf8").catch(() => undefined);
      if (text === undefined) continue;
      const other = parseOwner(text);
      if (other !== undefined && processStart(other.pid) === other.start) {
        throw new FlError("FL_LOCKED", { reason: `${dir} is held by process ${other.pid}`, dir, pid: other.pid });
      }
      await discard(path, text);
    }
    throw new FlError("FL_LOCKED", { reason: `${dir} is being taken by several processes at once`, dir });
  } finally {
    await rm(own, { force: true });
  }
}

/** Released once: a second call must not remove the lock of whoever came after. */
function held(path: string): Lock {
  let released: Promise<void> | undefined;
  return {
    release: () => {
      released ??= rm(path, { force: true });
      return released;
    },
  };
}

function parseOwner(text: string): Owner | undefined {
  try {
    return owner.parse(JSON.parse(text));
  } catch {
    // not ours, or from before a crash of the disk: nobody can hold it
    return undefined;
  }
}

/** K1 */
async function linked(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (e) {
    if (e instanceof Error && "code" in e && e.code === "EEXIST") return false;
    throw e;
  }
}

/** Removes the dead owner's file, and puts it back when another taker has replaced it in the meantime. */
async function discard(path: string, expected: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, "utf8")) !== expected) await linked(aside, path);
  } catch {
    // another taker was faster: the next pass looks again
  }
  await rm(aside, { force: true });
}
