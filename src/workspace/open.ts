/**
 * An archive on disk, and the modules inside it.
 *
 * OW1 A folder is there whole or not at all: files are written beside it and renamed into place.
 * OW2 Opening again is free: a folder that bears the archive's digest is taken as it is; any other folder is left alone.
 * OW3 Code in the folder finds `entente` and `@tensorflow/*` as this installation has them, by links under node_modules;
 *     they are made here, so that whoever imports needs to read only.
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { FlError } from "../errors.ts";
import { packageFolder } from "../parts/bundle.ts";
import { defaultExport } from "../parts/module.ts";
import {
  type ArchivedFile,
  listed,
  MANIFEST,
  MARK,
  type Manifest,
  manifestOf,
  pathProblem,
  readArchive,
} from "./archive.ts";
import { entriesOf } from "./engines.ts";

export type OpenedArchive = { dir: string; manifest: Manifest; files: ArchivedFile[] };

/** @throws FL_DIGEST_MISMATCH, FL_ARCHIVE_INVALID, FL_EXISTS when `dir` holds something else */
export async function openArchive(archive: Uint8Array, digest: string, dir: string): Promise<OpenedArchive> {
  const { manifest, files } = await readArchive(archive, digest);
  const folder = resolve(dir);
  const opened = { dir: folder, manifest, files: listed(files) };
  if (await holds(folder, digest)) return opened; // OW2
  await mkdir(dirname(folder), { recursive: true });
  const beside = await mkdtemp(join(dirname(folder), `.${basename(folder)}-`));
  try {
    for (const [path, data] of files) {
      const file = join(beside, path); // AR3 holds for every path that readArchive returns
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, data, { flag: "wx", mode: 0o644 });
    }
    await linkRuntime(beside); // OW3
    await writeFile(join(beside, MARK), digest, { flag: "wx" });
    await rename(beside, folder); // OW1; replaces an empty folder, and fails on any other
  } catch (e) {
    await rm(beside, { recursive: true, force: true });
    if (await holds(folder, digest)) return opened; // somebody else opened it meanwhile
    const taken = e instanceof Error && "code" in e && (e.code === "ENOTEMPTY" || e.code === "EEXIST");
    if (taken) throw new FlError("FL_EXISTS", { dir, reason: `${dir} is not empty` }, { cause: e });
    throw e;
  }
  return opened;
}

const holds = async (dir: string, digest: string): Promise<boolean> =>
  (await readFile(join(dir, MARK), "utf8").catch(() => "")) === digest;

async function linkRuntime(dir: string): Promise<void> {
  const modules = join(dir, "node_modules");
  await mkdir(join(modules, "@tensorflow"), { recursive: true });
  const tfjs = packageFolder("@tensorflow/tfjs");
  // Its siblings are what this installation has of TensorFlow.js, the optional native backends among them.
  const siblings = tfjs === undefined ? [] : await readdir(dirname(tfjs));
  for (const name of ["entente", ...siblings.map((s) => `@tensorflow/${s}`)]) {
    const target = packageFolder(name);
    if (target !== undefined) await symlink(target, join(modules, name), "junction");
  }
}

/** Lets the code in an opened archive find these packages where they are installed here. */
export async function linkPackages(dir: string, folders: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, folder] of Object.entries(folders)) {
    const link = join(dir, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(folder, link, "junction");
  }
}

/** The default export of the workspace for TensorFlow.js, unchecked. @throws FL_WORKSPACE_INVALID */
export async function importWorkspace(dir: string): Promise<unknown> {
  const entry = entriesOf(await manifestIn(dir)).get("tfjs");
  if (entry === undefined)
    throw new FlError("FL_WORKSPACE_INVALID", { reason: "it has no model for TensorFlow.js", tfjs: false });
  return defaultExport(join(resolve(dir), entry), entry, "FL_WORKSPACE_INVALID");
}

/** The default export of a part that came with the workspace, by the path that the plan writes. @throws FL_PART_UNKNOWN, FL_PART_FAILED */
export async function importPart(dir: string, written: string): Promise<unknown> {
  const { parts } = await manifestIn(dir);
  const path = Object.hasOwn(parts, written) ? parts[written]! : written.replace(/^(\.\/)+/, "");
  if (pathProblem(path) !== undefined)
    throw new FlError("FL_PART_UNKNOWN", { part: written, reason: `${written} is not in the archive` });
  return defaultExport(join(resolve(dir), path), written, "FL_PART_FAILED");
}

export const manifestIn = async (dir: string): Promise<Manifest> =>
  manifestOf(await readFile(join(dir, MANIFEST)).catch(() => undefined));
