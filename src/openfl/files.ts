/**
 * The files of an OpenFL workspace that make a plan: the plan itself, its defaults, cols.yaml and data.yaml.
 *
 * FI1 Paths in the plan start from the workspace, which is the folder above the last `plan/` on the way to the plan; without
 *     one, the plan's own.
 * FI2 Nothing outside that folder is read, also not through a link, but for the folder given as `defaults`, where what the
 *     workspace lacks is looked for: OpenFL itself keeps its defaults in its package.
 * FI3 cols.yaml and data.yaml lie beside the plan, or in plan/ where the plan is one of several; either may be absent.
 */
import { readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { FlError } from "../errors.ts";
import { defaultsOf } from "./defaults.ts";
import type { File, Files } from "./import.ts";
import { readSource, refused } from "./source.ts";

const MAX_BYTES = 1 << 20;
const WHERE =
  "OpenFL keeps its defaults in its package: name that folder (openfl-workspace/workspace) as --defaults, or import a " +
  "frozen plan (fx plan freeze), in which they are resolved";

/** @throws FL_IMPORT_INVALID */
export async function readFiles(planFile: string, defaults?: string): Promise<Files> {
  const path = resolve(planFile);
  const root = rootOf(path);
  const plan = { name: show(root, path), text: await read(path, planFile) };
  const found = new Map<string, File>();
  for (const { section, path: named, at } of defaultsOf(readSource(plan.text, plan.name))) {
    const where = `${at.file}:${at.line} ${section}.defaults`;
    if (!isWithin(root, resolve(root, named))) {
      throw refused(
        `${where}: ${named} leaves the folder ${root}`,
        "copy the file into the workspace and name it there",
      );
    }
    const file = await firstOf(named, [root, ...(defaults === undefined ? [] : [resolve(defaults)])], where);
    found.set(named, { name: named, text: await read(file, named) });
  }
  const folders = [dirname(path), join(root, "plan")];
  return { plan, defaults: found, cols: await beside("cols.yaml", folders), data: await beside("data.yaml", folders) };

  async function beside(name: string, places: readonly string[]): Promise<File | undefined> {
    for (const place of places) {
      const file = join(place, name);
      const real = await realpath(file).catch(() => undefined);
      if (real === undefined) continue;
      await stays(root, file, show(root, file));
      return { name: show(root, file), text: await read(file, show(root, file)) };
    }
    return undefined;
  }
}

function rootOf(path: string): string {
  const folders = dirname(path).split(sep);
  const plan = folders.lastIndexOf("plan");
  return plan <= 0 ? dirname(path) : folders.slice(0, plan).join(sep) || sep; // FI1
}

/** as the user sees it: from the workspace on */
const show = (root: string, path: string): string => relative(root, path).split(sep).join("/") || basename(path);

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** The file in the first folder that has it. FI2 */
async function firstOf(named: string, folders: readonly string[], where: string): Promise<string> {
  for (const folder of folders) {
    const file = resolve(folder, named);
    if (
      !(await stat(file)
        .then((s) => s.isFile())
        .catch(() => false))
    )
      continue;
    await stays(folder, file, `${where}: ${named}`);
    return file;
  }
  throw refused(`${where}: ${named} is not in ${folders.join(" or ")}`, WHERE);
}

async function stays(folder: string, file: string, what: string): Promise<void> {
  if (isWithin(await realpath(folder), await realpath(file))) return;
  throw refused(`${what} is a link that leaves the folder ${folder}`, "put the file itself into the workspace"); // FI2
}

async function read(path: string, name: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) throw refused(`${name}: larger than 1 MiB`, "is it a plan at all?");
    return await readFile(path, "utf8");
  } catch (e) {
    if (e instanceof FlError) throw e;
    throw refused(`${name}: cannot be read`, "name the plan.yaml of an OpenFL workspace: plan/plan.yaml", e);
  }
}
