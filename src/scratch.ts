/**
 * A private folder in the system's temporary one, for as long as its owner works with it.
 *
 * Owns the folder's name, which says whose it is, and clearing up after owners that were killed.
 * SC1 The name bears the owning process's mark (src/process.ts) from the first moment on: nothing in use looks abandoned.
 * SC2 Whoever makes one removes those of its own user whose owner is gone for certain; so does a parent whose child has ended.
 * SC3 A process that ends takes with it what it has not closed; only a kill leaves anything for SC2.
 */
import { rmSync } from "node:fs";
import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isGone, ownMark } from "./process.ts";

export type Scratch = { readonly dir: string; close(): Promise<void> };

/** entente-<purpose>-<the owner's mark>-<six characters of mkdtemp> */
const FORM = /^entente-[a-z]+-([0-9a-f]{12}-\d+-\w+)-\w{6}$/;

const open = new Set<string>();
process.on("exit", () => {
  for (const dir of open) {
    try {
      rmSync(dir, { recursive: true, force: true }); // SC3
    } catch {
      // how a process ends is not changed by what it could not clear up; SC2 tries again
    }
  }
});

/** Where such folders are: the system's temporary folder. */
export const scratchRoot = (): string => tmpdir();

/** `purpose` is a word of its name, for people. */
export async function scratchFolder(purpose: string, root: string = scratchRoot()): Promise<Scratch> {
  const mark = ownMark();
  if (mark !== undefined) await sweepScratch(root);
  const dir = await mkdtemp(join(root, `entente-${purpose}-${mark === undefined ? "" : `${mark}-`}`)); // SC1
  open.add(dir);
  return {
    dir,
    close: async () => {
      await rm(dir, { recursive: true, force: true });
      open.delete(dir);
    },
  };
}

/** SC2, for whoever knows of an owner that was killed. Never rejects. */
export async function sweepScratch(root: string = scratchRoot()): Promise<void> {
  const names = await readdir(root).catch(() => []);
  await Promise.all(
    names.map(async (name) => {
      const mark = FORM.exec(name)?.[1];
      if (mark === undefined || !isGone(mark)) return;
      const path = join(root, name);
      const entry = await lstat(path).catch(() => undefined);
      if (!entry?.isDirectory() || entry.uid !== process.getuid?.()) return;
      await rm(path, { recursive: true, force: true }).catch(() => {}); // somebody else is at it, or the next one will be
    }),
  );
}
