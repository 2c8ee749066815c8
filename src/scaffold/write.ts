/**
 * Writes a folder of files that a person then goes on with.
 *
 * WR1 Nothing is ever written over: the folder is new, or there and empty.
 * WR2 It is there whole or not at all: written beside its place, and moved there.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { FlError } from "../errors.ts";

/** @throws FL_EXISTS */
export async function writeFolder(dir: string, files: ReadonlyMap<string, string | Uint8Array>): Promise<void> {
  const folder = resolve(dir);
  const taken = (cause?: unknown): FlError =>
    new FlError(
      "FL_EXISTS",
      { dir, reason: `${dir} is there and not empty`, hint: "name a folder that is not there yet" },
      { cause },
    );
  const there = await readdir(folder).catch(() => undefined);
  if (there !== undefined && there.length > 0) throw taken(); // WR1
  await mkdir(dirname(folder), { recursive: true });
  const beside = join(dirname(folder), `.${basename(folder)}-${randomUUID()}`);
  await mkdir(beside);
  try {
    for (const [path, content] of files) {
      const file = join(beside, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content, { flag: "wx" });
    }
    await rename(beside, folder); // WR2; replaces an empty folder, and fails on any other
  } catch (e) {
    await rm(beside, { recursive: true, force: true });
    const raced = e instanceof Error && "code" in e && ["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(String(e.code));
    throw raced ? taken(e) : e;
  }
}
