/**
 * A Python workspace as files of an archive: its module, what that imports from beside it, and requirements.txt.
 *
 * PS1 They travel as they are written. A module beside the workspace comes along if it is imported, a package (a folder) whole;
 *     whatever else is imported is the site's to have, or named in requirements.txt.
 * PS2 The entry is workspace.py in the archive, whatever it is called here.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { FlError } from "../errors.ts";
import { REQUIREMENTS, requirementsOf } from "./requirements.ts";

export const PYTHON_ENTRY = "workspace.py";

/** @throws FL_WORKSPACE_INVALID */
export async function pythonFiles(entryPath: string): Promise<Map<string, Uint8Array>> {
  const entry = resolve(entryPath);
  const folder = dirname(entry);
  const files = new Map<string, Uint8Array>();
  const take = async (path: string, as: string): Promise<void> => {
    if (files.has(as)) return;
    const bytes = await readFile(path).catch((cause) => {
      throw new FlError("FL_WORKSPACE_INVALID", { file: path, reason: `there is no file ${path}` }, { cause });
    });
    files.set(as, bytes);
    if (!as.endsWith(".py")) return;
    for (const name of importsOf(Buffer.from(bytes).toString("utf8"))) {
      const module = join(folder, `${name}.py`);
      const isOwn = module === entry; // a package that imports the workspace itself
      if (!isOwn && (await isFile(module))) await take(module, `${name}.py`);
      else if (!isOwn) await takeFolder(join(folder, name), name);
    }
  };
  const takeFolder = async (path: string, as: string): Promise<void> => {
    if (!(await isFile(join(path, "__init__.py")))) return;
    for (const inner of await readdir(path, { withFileTypes: true })) {
      const [from, to] = [join(path, inner.name), `${as}/${inner.name}`];
      if (inner.isDirectory()) await takeFolder(from, to);
      else if (inner.isFile() && inner.name.endsWith(".py")) await take(from, to);
    }
  };
  await take(entry, PYTHON_ENTRY); // PS2
  const requirements = await readFile(join(folder, REQUIREMENTS), "utf8").catch(() => undefined);
  if (requirements === undefined) return files;
  files.set(REQUIREMENTS, Buffer.from(requirements));
  for (const { file } of requirementsOf(requirements, "FL_WORKSPACE_INVALID")) {
    if (file !== undefined) await take(join(folder, file), file);
  }
  return files;
}

/** The first names of what a source imports; what is relative is inside a package, which comes whole. */
export function importsOf(source: string): Set<string> {
  const names = new Set<string>();
  for (const [, from, list] of source.matchAll(
    /^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([^\n#;]+))/gm,
  )) {
    for (const name of from === undefined ? list!.split(",") : [from]) {
      const [first] = /^[A-Za-z_]\w*/.exec(name.trim()) ?? [];
      if (first !== undefined) names.add(first);
    }
  }
  return names;
}

const isFile = async (path: string): Promise<boolean> =>
  basename(path) !== ".py" && ((await stat(path).catch(() => undefined))?.isFile() ?? false);
